"""Silences in Alertmanager: made with an acknowledgement, ended with its incident."""

from collections.abc import Mapping
from datetime import UTC, datetime

import aiohttp

from stack.settings import Settings
from stack.settings.web import Web
from webhook_actions.store.incidents import Incident

_TIMEOUT = aiohttp.ClientTimeout(total=10)


class SilenceError(Exception):
    """Alertmanager made or lifted no silence; the message says why."""


class _Unreached(SilenceError):
    """One Alertmanager does not answer; another may."""


async def make(settings: Settings, incident: Incident, by: str, comment: str, until: datetime) -> str:
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
