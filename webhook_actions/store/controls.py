"""The store of stopped entries: the bots whose entries Nightdesk stopped, and what it must still undo."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from webhook_actions.store.database import Connection


@dataclass(frozen=True)
class Control:
    """A bot whose entries Nightdesk stopped.

    `before` is the trading loop's mode before that, None if unknown. After a release it is undone on the bot;
    `detail` says why it is not yet.
    """

    id: int
    bot: str
    reason: str
    since: datetime
    incident: int | None = None
    before: str | None = None
    released_by: str | None = None
    detail: str | None = None


async def leave(connection: Connection, bot: str, incident: int, reason: str, before: str | None) -> None:
    """Write that entries are about to be stopped; the first recorded mode before stays."""
    await connection.execute(
        """
        INSERT INTO controls (bot, incident, reason, before) VALUES (%s, %s, %s, %s)
        ON CONFLICT (bot) WHERE removed_at IS NULL
            DO UPDATE SET released_at = NULL, released_by = NULL, detail = NULL
        """,
        [bot, incident, reason, before],
    )


async def left(connection: Connection, bot: str | None = None) -> list[Control]:
    """Return the stopped bots, or one of them, also those still to be undone."""
    cursor = connection.cursor(row_factory=class_row(Control))
    query = (
        "SELECT id, bot, reason, since, incident, before, released_by, detail FROM controls "
        "WHERE removed_at IS NULL AND (%(bot)s::text IS NULL OR bot = %(bot)s) ORDER BY bot"
    )
    return await (await cursor.execute(query, {"bot": bot})).fetchall()


async def release(connection: Connection, bot: str, by: str) -> bool:
    """Have it undone on a bot; return False if there is nothing to undo, or it is being undone."""
    released = await connection.execute(
        "UPDATE controls SET released_at = clock_timestamp(), released_by = %s "
        "WHERE bot = %s AND removed_at IS NULL AND released_at IS NULL",
        [by, bot],
    )
    return released.rowcount > 0


async def note(connection: Connection, control: int, detail: str) -> None:
    """Write why something is not undone yet."""
    await connection.execute(
        "UPDATE controls SET detail = %s WHERE id = %s AND removed_at IS NULL", [detail, control]
    )


async def remove(connection: Connection, control: int, detail: str) -> None:
    """Write that a bot's entries are no longer stopped, and why."""
    await connection.execute(
        "UPDATE controls SET removed_at = clock_timestamp(), detail = %s "
        "WHERE id = %s AND removed_at IS NULL",
        [detail, control],
    )
