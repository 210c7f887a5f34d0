"""The store of what Nightdesk left on bots: whose entries it stopped, and what it still has to undo there."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from webhook_actions.store.database import Connection


@dataclass(frozen=True)
class Control:
    """A bot whose entries Nightdesk stopped.

    `before` is what its trading loop did before that, None where nobody knew. Once it is released it is
    undone on the bot; `detail` says why it is not yet.
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
    """Write that entries are about to be stopped; what was before that stays as it was first written."""
    await connection.execute(
        """
        INSERT INTO controls (bot, incident, reason, before) VALUES (%s, %s, %s, %s)
        ON CONFLICT (bot) WHERE removed_at IS NULL
            DO UPDATE SET released_at = NULL, released_by = NULL, detail = NULL
        """,
        [bot, incident, reason, before],
    )


async def left(connection: Connection, bot: str | None = None) -> list[Control]:
    """Return what is left on bots, or on one of them, or is still to be undone there."""
    cursor = connection.cursor(row_factory=class_row(Control))
    query = (
        "SELECT id, bot, reason, since, incident, before, released_by, detail FROM controls "
        "WHERE removed_at IS NULL AND (%(bot)s::text IS NULL OR bot = %(bot)s) ORDER BY bot"
    )
    return await (await cursor.execute(query, {"bot": bot})).fetchall()


async def release(connection: Connection, bot: str, by: str) -> bool:
    """Have what is left on a bot undone; returns False where nothing is, or it is being undone."""
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
    """Write that something is no longer on its bot, and how that came."""
    await connection.execute(
        "UPDATE controls SET removed_at = clock_timestamp(), detail = %s "
        "WHERE id = %s AND removed_at IS NULL",
        [detail, control],
    )
