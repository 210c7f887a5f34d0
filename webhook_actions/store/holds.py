"""Holds on actions: halted bots, which only a person releases, and the kill switch."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from webhook_actions.store.database import Connection
from webhook_actions.store.runs import Lease


@dataclass(frozen=True)
class Halt:
    """A halted bot: Nightdesk closed its positions, and it stays paused until a person releases it."""

    bot: str
    reason: str
    since: datetime
    incident: int | None = None
    astray: bool = False  # it has traded since, and may not be flat again


@dataclass(frozen=True)
class Pause:
    """The kill switch, while it is on."""

    paused_by: str
    reason: str
    since: datetime


@dataclass(frozen=True)
class Check:
    """The present obstacles between an attempt and its next order."""

    leased: bool  # the attempt still has its lease, by the database's clock
    paused_by: str | None
    halted: bool
    acknowledged_by: str | None
    acknowledged_until: datetime | None


async def check(connection: Connection, lease: Lease, incident: int, bot: str) -> Check:
    """Return the obstacles between an attempt and its next order."""
    found = await connection.execute(
        """
        SELECT
            EXISTS (SELECT FROM runs WHERE id = %(run)s AND fence = %(fence)s AND state = 'running'
                AND due_at > clock_timestamp()),
            (SELECT paused_by FROM pauses WHERE ended_at IS NULL),
            EXISTS (SELECT FROM halts WHERE bot = %(bot)s AND released_at IS NULL),
            a.by, a.until
        FROM (SELECT) one LEFT JOIN LATERAL (
            SELECT "by", until FROM acknowledgements WHERE incident = %(incident)s ORDER BY id DESC LIMIT 1
        ) a ON a.until IS NULL OR a.until > clock_timestamp()
        """,
        {"run": lease.run, "fence": lease.fence, "bot": bot, "incident": incident},
    )
    return Check(*(await found.fetchone() or ()))


async def halt(connection: Connection, bot: str, incident: int, reason: str) -> None:
    """Write that a bot is halted; an existing halt stays."""
    await connection.execute(
        "INSERT INTO halts (bot, incident, reason) VALUES (%s, %s, %s) "
        "ON CONFLICT (bot) WHERE released_at IS NULL DO NOTHING",
        [bot, incident, reason],
    )


async def halts(connection: Connection) -> list[Halt]:
    """Return the halted bots."""
    cursor = connection.cursor(row_factory=class_row(Halt))
    query = "SELECT bot, reason, since, incident, astray FROM halts WHERE released_at IS NULL ORDER BY bot"
    return await (await cursor.execute(query)).fetchall()


async def is_halted(connection: Connection, bot: str) -> bool:
    """Return whether a bot is halted."""
    found = await connection.execute("SELECT FROM halts WHERE bot = %s AND released_at IS NULL", [bot])
    return found.rowcount > 0


async def claim_astray(connection: Connection, bot: str, lease: float) -> bool:
    """Write that a halted bot trades, and claim it for `lease` seconds; False if another engine has it."""
    claimed = await connection.execute(
        """
        UPDATE halts SET astray = true, due_at = clock_timestamp() + make_interval(secs => %s)
        WHERE bot = %s AND released_at IS NULL AND (due_at IS NULL OR due_at <= clock_timestamp())
        """,
        [lease, bot],
    )
    return claimed.rowcount > 0


async def settle(connection: Connection, bot: str, *, flat: bool) -> None:
    """Return the claim of a halted bot, and write whether it is flat again."""
    await connection.execute(
        "UPDATE halts SET astray = NOT %s, due_at = NULL WHERE bot = %s AND released_at IS NULL", [flat, bot]
    )


async def release(connection: Connection, bot: str, by: str) -> bool:
    """Let a halted bot trade again; return False if it was not halted."""
    released = await connection.execute(
        "UPDATE halts SET released_at = clock_timestamp(), released_by = %s "
        "WHERE bot = %s AND released_at IS NULL",
        [by, bot],
    )
    return released.rowcount > 0


async def pause(connection: Connection, by: str, reason: str) -> bool:
    """Stop all actions; return False if they were stopped already."""
    paused = await connection.execute(
        "INSERT INTO pauses (paused_by, reason) VALUES (%s, %s) "
        "ON CONFLICT ((true)) WHERE ended_at IS NULL DO NOTHING",
        [by, reason],
    )
    return paused.rowcount > 0


async def paused(connection: Connection) -> Pause | None:
    """Return who stopped all actions and why, None while they run."""
    cursor = connection.cursor(row_factory=class_row(Pause))
    query = "SELECT paused_by, reason, since FROM pauses WHERE ended_at IS NULL"
    return await (await cursor.execute(query)).fetchone()


async def resume(connection: Connection, by: str) -> bool:
    """Resume actions; return False if they were not stopped."""
    resumed = await connection.execute(
        "UPDATE pauses SET ended_at = clock_timestamp(), ended_by = %s WHERE ended_at IS NULL", [by]
    )
    return resumed.rowcount > 0
