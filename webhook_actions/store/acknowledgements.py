"""The store of acknowledgements: who answered, for how long, with which comment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg.rows import class_row

from webhook_actions.store import escalation_steps
from webhook_actions.store.database import Connection
from webhook_actions.store.incidents import add_to_timeline


@dataclass(frozen=True)
class Acknowledgement:
    """One answer to an incident; `until` is a snooze's end, `silence` the id of one in Alertmanager."""

    at: datetime
    by: str
    comment: str
    until: datetime | None
    silence: str | None

    def holds(self, now: datetime) -> bool:
        """Return whether it still stops the escalation."""
        return self.until is None or self.until > now


async def of(connection: Connection, incident: int) -> list[Acknowledgement]:
    """Return the answers to an incident, oldest first; the last one counts."""
    cursor = connection.cursor(row_factory=class_row(Acknowledgement))
    query = 'SELECT at, "by", comment, until, silence FROM acknowledgements WHERE incident = %s ORDER BY id'
    return await (await cursor.execute(query, [incident])).fetchall()


async def current(connection: Connection, incidents: Sequence[int]) -> dict[int, Acknowledgement]:
    """Return, by incident, the answer in force; an ended snooze is not."""
    found = await connection.execute(
        """
        SELECT DISTINCT ON (incident) incident, at, "by", comment, until, silence FROM acknowledgements
        WHERE incident = ANY(%s) ORDER BY incident, id DESC
        """,
        [list(incidents)],
    )
    now = datetime.now(UTC)
    answers = {row[0]: Acknowledgement(*row[1:]) for row in await found.fetchall()}
    return {incident: answer for incident, answer in answers.items() if answer.holds(now)}


async def silences(connection: Connection) -> set[str]:
    """Return the ids of the silences that Nightdesk made."""
    found = await connection.execute("SELECT silence FROM acknowledgements WHERE silence IS NOT NULL")
    return {silence for (silence,) in await found.fetchall()}


async def acknowledge(
    connection: Connection, incident: int, by: str, comment: str, silence: str | None = None
) -> bool:
    """Write an acknowledgement and stop the escalation; False if the incident is no longer open."""
    if not await _write(connection, incident, by, comment, None, silence):
        return False
    await escalation_steps.cancel(connection, incident)
    await add_to_timeline(connection, incident, "acknowledged", _line(f"by {by}", silence, comment))
    return True


async def snooze(
    connection: Connection,
    incident: int,
    by: str,
    until: datetime,
    comment: str = "",
    silence: str | None = None,
) -> bool:
    """Stop the escalation until a time, when it restarts; False if the incident is no longer open."""
    if not await _write(connection, incident, by, comment, until, silence):
        return False
    await escalation_steps.cancel(connection, incident)
    await escalation_steps.again(connection, incident, until, f"the snooze by {by} is over")
    end = f"by {by} until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    await add_to_timeline(connection, incident, "snoozed", _line(end, silence, comment))
    return True


async def comment(connection: Connection, incident: int, by: str, text: str) -> None:
    """Write a person's comment into an incident's timeline."""
    await add_to_timeline(connection, incident, "comment", f"{by}: {text}")


async def _write(
    connection: Connection, incident: int, by: str, comment: str, until: datetime | None, silence: str | None
) -> bool:
    # Two simultaneous answers are written one after the other.
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('answer ' || %s::bigint, 0))", [incident]
    )
    written = await connection.execute(
        'INSERT INTO acknowledgements (incident, "by", comment, until, silence) '
        "SELECT id, %s, %s, %s, %s FROM incidents WHERE id = %s AND closed_at IS NULL",
        [by, comment, until, silence, incident],
    )
    return written.rowcount > 0


def _line(what: str, silence: str | None, comment: str) -> str:
    silenced = f"{what}, silenced in Alertmanager" if silence else what
    return f"{silenced}: {comment}" if comment else silenced
