"""Acknowledgements: who answered, for how long, with which words; and silences in Alertmanager."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
from psycopg.rows import class_row

from stack.settings import Settings
from stack.settings.web import Web
from webhook_actions.store import escalation_steps
from webhook_actions.store.database import Connection
from webhook_actions.store.incidents import Incident, tell

_TIMEOUT = aiohttp.ClientTimeout(total=10)


@dataclass(frozen=True)
class Ack:
    """One answer to an incident; `until` is a snooze's end, `silence` the id of one in Alertmanager."""

    at: datetime
    by: str
    comment: str
    until: datetime | None
    silence: str | None

    def holds(self, now: datetime) -> bool:
        """Return whether it still keeps others from being told."""
        return self.until is None or self.until > now


class SilenceError(Exception):
    """Alertmanager made or lifted no silence; the message says why."""


class _Unreached(SilenceError):
    """One Alertmanager does not answer; another may."""


async def of(connection: Connection, incident: int) -> list[Ack]:
    """Return the answers to an incident, oldest first; the last one counts."""
    cursor = connection.cursor(row_factory=class_row(Ack))
    query = 'SELECT at, "by", comment, until, silence FROM acknowledgements WHERE incident = %s ORDER BY id'
    return await (await cursor.execute(query, [incident])).fetchall()


async def acknowledge(
    connection: Connection, incident: int, by: str, comment: str, silence: str | None = None
) -> bool:
    """Write that somebody has an incident and stop its climb; returns False where it is no longer open."""
    if not await _write(connection, incident, by, comment, None, silence):
        return False
    await escalation_steps.cancel(connection, incident)
    await tell(connection, incident, "acknowledged", _line(f"by {by}", silence, comment))
    return True


async def snooze(
    connection: Connection,
    incident: int,
    by: str,
    until: datetime,
    comment: str = "",
    silence: str | None = None,
) -> bool:
    """Stop the climb until a time, when it begins anew; False where the incident is no longer open."""
    if not await _write(connection, incident, by, comment, until, silence):
        return False
    await escalation_steps.cancel(connection, incident)
    await escalation_steps.again(connection, incident, until, f"the snooze by {by} is over")
    end = f"by {by} until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    await tell(connection, incident, "snoozed", _line(end, silence, comment))
    return True


async def comment(connection: Connection, incident: int, by: str, text: str) -> None:
    """Write a person's words into an incident's timeline."""
    await tell(connection, incident, "comment", f"{by}: {text}")


async def silence(settings: Settings, incident: Incident, by: str, comment: str, until: datetime) -> str:
    """Silence exactly this alert in Alertmanager and return the silence's id. Raises SilenceError."""
    body = {
        "matchers": [
            {"name": name, "value": value, "isRegex": False, "isEqual": True}
            for name, value in incident.labels.items()
            if value
        ],
        "startsAt": datetime.now(UTC).isoformat(),
        "endsAt": until.astimezone(UTC).isoformat(),
        "createdBy": by,
        "comment": comment or f"acknowledged in Nightdesk, incident {incident.id}",
    }
    return str((await _ask(settings, "POST", "silences", body)).get("silenceID", ""))


async def lift(settings: Settings, silence: str) -> None:
    """End a silence in Alertmanager; one that has ended is fine. Raises SilenceError."""
    await _ask(settings, "DELETE", f"silence/{silence}", None)


async def _write(
    connection: Connection, incident: int, by: str, comment: str, until: datetime | None, silence: str | None
) -> bool:
    written = await connection.execute(
        'INSERT INTO acknowledgements (incident, "by", comment, until, silence) '
        "SELECT id, %s, %s, %s, %s FROM incidents WHERE id = %s AND closed_at IS NULL",
        [by, comment, until, silence, incident],
    )
    return written.rowcount > 0


def _line(what: str, silence: str | None, comment: str) -> str:
    silenced = f"{what}, silenced in Alertmanager" if silence else what
    return f"{silenced}: {comment}" if comment else silenced


async def _ask(
    settings: Settings, method: str, path: str, body: Mapping[str, object] | None
) -> Mapping[str, object]:
    """Return what the first Alertmanager that is reached answers; it tells the others."""
    unreached = []
    for url in settings.services.alertmanager.urls:
        try:
            return await _ask_one(settings.web, url, method, path, body)
        except _Unreached as error:
            unreached.append(str(error))
    raise SilenceError("; ".join(unreached))


async def _ask_one(
    web: Web, url: str, method: str, path: str, body: Mapping[str, object] | None
) -> Mapping[str, object]:
    try:
        user = web.user()
        auth = aiohttp.BasicAuth(*user) if user else None
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, auth=auth) as session,
            session.request(method, f"{url}/api/v2/{path}", json=body, ssl=web.context()) as answer,
        ):
            if answer.status == 404 and method == "DELETE":
                return {}
            if answer.status != 200:
                raise SilenceError(f"Alertmanager at {url} answered {answer.status}: {await answer.text()}")
            return dict(await answer.json()) if method == "POST" else {}
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _Unreached(f"Alertmanager at {url} is not reached: {type(error).__name__}") from None
