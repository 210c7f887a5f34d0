"""The store of action runs: requested, running and ended ones, and their proof."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from webhook_actions.store.database import Connection
from webhook_actions.store.incidents import add_to_timeline


class State(StrEnum):
    """The state of a run: a person wants it, an attempt runs, its target is pursued, or it has ended."""

    WANTED = "wanted"
    RUNNING = "running"
    OPEN = "open"
    ENDED = "ended"


@dataclass(frozen=True)
class Run:
    """One action run.

    `due_at` is the end of the lease of a running attempt, or the next attempt's time. `orders` are those that
    reached the bot, or may have. `verdict` is None until the run is judged. `before` is the trading loop's
    mode before the first order of a run without a target, if known: the bot must return to it, and `back_at`
    is when it was seen back.
    """

    id: int
    incident: int
    bot: str
    action: str
    effect: str
    state: str
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str | None = None
    detail: str | None = None
    verify_until: datetime | None = None
    verdict: str | None = None
    judged_at: datetime | None = None
    asked_by: str | None = None
    expires_at: datetime | None = None
    target: dict[str, Any] | None = None
    attempts: int = 0
    orders: int = 0
    due_at: datetime | None = None
    fence: int = 0
    before: str | None = None
    back_at: datetime | None = None
    alert: str = ""  # of its incident


@dataclass(frozen=True)
class Lease:
    """The right to carry out one attempt of a run, until `ends`; `fence` tells it from any other."""

    run: int
    fence: int
    ends: datetime


def last_change(runs: Iterable[Run]) -> Run | None:
    """Return the newest of a bot's runs whose orders may have changed its trading loop's mode."""
    changed = (run for run in runs if run.before is not None and (run.orders or run.state == State.RUNNING))
    return max(changed, key=lambda run: run.id, default=None)


_COLUMNS = ", ".join(f"r.{field.name}" for field in fields(Run) if field.name != "alert")
_SELECT = f"SELECT {_COLUMNS}, i.alert FROM runs r JOIN incidents i ON i.id = r.incident"  # noqa: S608


async def of_incidents(connection: Connection, incidents: Sequence[int]) -> list[Run]:
    """Return all runs of incidents, in order."""
    cursor = connection.cursor(row_factory=class_row(Run))
    return await (
        await cursor.execute(f"{_SELECT} WHERE r.incident = ANY(%s) ORDER BY r.id", [list(incidents)])
    ).fetchall()


async def of_bots(
    connection: Connection, bots: Sequence[str], since: float, incidents: Sequence[int] = ()
) -> list[Run]:
    """Return, in order, the bots' runs that are unfinished, or were begun in the last `since` seconds.

    And all runs of `incidents`.
    """
    cursor = connection.cursor(row_factory=class_row(Run))
    query = (
        f"{_SELECT} WHERE r.incident = ANY(%s) OR r.bot = ANY(%s) AND r.bot <> '' AND (r.verdict IS NULL "
        "OR r.created_at > clock_timestamp() - make_interval(secs => %s) "
        "OR r.judged_at > clock_timestamp() - make_interval(secs => %s)) ORDER BY r.id"
    )
    return await (await cursor.execute(query, [list(incidents), list(bots), since, since])).fetchall()


async def acted_on(connection: Connection, since: float) -> set[str]:
    """Return the bots that a disruptive order reached, or may have, in the last `since` seconds.

    Only this transaction counts them until it ends.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_FLEET_LOCK])
    found = await connection.execute(
        "SELECT DISTINCT bot FROM runs WHERE effect = 'disruptive' AND target IS NULL "
        "AND (orders > 0 OR state = 'running') "
        "AND started_at > clock_timestamp() - make_interval(secs => %s)",
        [since],
    )
    return {bot for (bot,) in await found.fetchall()}


_FLEET_LOCK = 0x6E_64_66_6C  # "ndfl"


async def begin(
    connection: Connection, incident: int, bot: str, action: str, effect: str, lease: float
) -> Lease:
    """Commit to the first attempt of an automatic action."""
    inserted = await connection.execute(
        """
        INSERT INTO runs (incident, bot, action, effect, state, started_at, attempts, fence, due_at)
        VALUES (%s, %s, %s, %s, 'running', clock_timestamp(), 1, 1,
            clock_timestamp() + make_interval(secs => %s))
        RETURNING id, fence, due_at
        """,
        [incident, bot, action, effect, lease],
    )
    await add_to_timeline(connection, incident, "acting", action)
    return Lease(*(await inserted.fetchone() or ()))


async def go_on(connection: Connection, run: Run, lease: float) -> Lease:
    """Commit to the next attempt of a run that is wanted or open. Call it with the bot locked.

    A run that ended with its bot in another mode than before continues even after it was judged.
    """
    updated = await connection.execute(
        """
        UPDATE runs SET state = 'running', started_at = coalesce(started_at, clock_timestamp()),
            attempts = attempts + 1, fence = fence + 1, verdict = NULL, judged_at = NULL,
            due_at = clock_timestamp() + make_interval(secs => %s)
        WHERE id = %s AND (state IN ('wanted', 'open') OR (state = 'ended' AND before IS NOT NULL))
        RETURNING id, fence, due_at
        """,
        [lease, run.id],
    )
    row = await updated.fetchone()
    if row is None:
        raise LookupError(f"run {run.id} is neither wanted nor open")
    if not run.attempts:
        await add_to_timeline(connection, run.incident, "acting", run.action)
    return Lease(*row)


async def want(
    connection: Connection,
    incident: int,
    bot: str,
    action: str,
    effect: str,
    by: str,
    key: str | None,
    expires: float,
) -> int:
    """Write that a person wants an action, for `expires` seconds, and return the run's id.

    A repeated request, by its key or while one is unfinished, is the same run. Call it with the bot locked.
    """
    run = await _wanted_already(connection, incident, action, key)
    if run is None:
        inserted = await connection.execute(
            """
            INSERT INTO runs (incident, bot, action, effect, state, asked_by, expires_at)
            VALUES (%s, %s, %s, %s, 'wanted', %s, clock_timestamp() + make_interval(secs => %s)) RETURNING id
            """,
            [incident, bot, action, effect, by, expires],
        )
        run = int((await inserted.fetchone() or (0,))[0])
        await add_to_timeline(connection, incident, "asked", f"{action}, by {by}")
    if key is not None:
        await connection.execute(
            "INSERT INTO run_requests (key, run) VALUES (%s, %s) ON CONFLICT DO NOTHING", [key, run]
        )
    return run


async def _wanted_already(connection: Connection, incident: int, action: str, key: str | None) -> int | None:
    found = await connection.execute(
        """
        SELECT run FROM run_requests WHERE key = %(key)s UNION ALL
        SELECT id FROM runs WHERE incident = %(incident)s AND action = %(action)s
            AND state <> 'ended' AND asked_by IS NOT NULL LIMIT 1
        """,
        {"key": key, "incident": incident, "action": action},
    )
    row = await found.fetchone()
    return int(row[0]) if row else None


async def set_target(connection: Connection, lease: Lease, target: Mapping[str, object]) -> bool:
    """Store a run's target, before its first order; False if its lease is over."""
    written = await connection.execute(
        "UPDATE runs SET target = coalesce(target, %s) "
        "WHERE id = %s AND fence = %s AND state = 'running' AND due_at > clock_timestamp()",
        [Jsonb(dict(target)), lease.run, lease.fence],
    )
    return written.rowcount > 0


async def set_before(connection: Connection, lease: Lease, before: str) -> bool:
    """Store the bot's mode before a run's first order; False if its lease is over."""
    written = await connection.execute(
        "UPDATE runs SET before = coalesce(before, %s) "
        "WHERE id = %s AND fence = %s AND state = 'running' AND due_at > clock_timestamp()",
        [before, lease.run, lease.fence],
    )
    return written.rowcount > 0


async def note_back(connection: Connection, ids: Sequence[int]) -> None:
    """Write that the bots of ended runs were seen back in their mode before."""
    await connection.execute(
        "UPDATE runs SET back_at = clock_timestamp() "
        "WHERE id = ANY(%s) AND state = 'ended' AND before IS NOT NULL AND back_at IS NULL",
        [list(ids)],
    )


async def left_astray(connection: Connection, bot: str, since: float) -> str | None:
    """Return a bot's mode before Nightdesk last changed it, None if it was seen back.

    Orders of more than `since` seconds ago no longer count.
    """
    found = await connection.execute(
        """
        SELECT before, back_at IS NOT NULL FROM runs
        WHERE bot = %s AND before IS NOT NULL AND (orders > 0 OR state = 'running')
            AND started_at > clock_timestamp() - make_interval(secs => %s) ORDER BY id DESC LIMIT 1
        """,
        [bot, since],
    )
    row = await found.fetchone()
    return None if row is None or row[1] else str(row[0])


@dataclass(frozen=True)
class Ending:
    """How an attempt ended. `pause` is the seconds until the next one; None ends the run.

    `back`: its bot was seen back in its mode before.
    """

    outcome: str
    detail: str
    orders: int
    verify: float  # seconds within which its effect may show
    pause: float | None = None
    verdict: str | None = None  # the verdict, if it is known at once
    back: bool = False


async def end(connection: Connection, lease: Lease, ending: Ending) -> bool:
    """Write how an attempt ended; return False if it no longer had its fence."""
    ended = await connection.execute(
        """
        UPDATE runs SET outcome = %(outcome)s, detail = %(detail)s, orders = orders + %(orders)s,
            state = CASE WHEN %(pause)s::float8 IS NULL THEN 'ended' ELSE 'open' END,
            ended_at = clock_timestamp(),
            verify_until = coalesce(
                CASE WHEN before IS NULL THEN verify_until END,
                clock_timestamp() + make_interval(secs => %(verify)s)
            ),
            due_at = clock_timestamp() + make_interval(secs => %(pause)s),
            verdict = %(verdict)s, back_at = CASE WHEN %(back)s THEN clock_timestamp() END,
            judged_at = CASE WHEN %(verdict)s::text IS NOT NULL THEN clock_timestamp() END
        WHERE id = %(run)s AND fence = %(fence)s AND state = 'running' RETURNING incident, action, attempts
        """,
        vars(ending) | {"run": lease.run, "fence": lease.fence},
    )
    return ended.rowcount > 0


async def interrupt(connection: Connection, run: Run, why: str, verify: float, *, goes_on: bool) -> bool:
    """Write that nobody saw how an attempt ended; one with a target is pursued further, another is judged."""
    written = await connection.execute(
        """
        UPDATE runs SET outcome = 'interrupted', detail = %(why)s, orders = orders + 1, fence = fence + 1,
            ended_at = clock_timestamp(), state = CASE WHEN %(goes_on)s THEN 'open' ELSE 'ended' END,
            due_at = CASE WHEN %(goes_on)s THEN clock_timestamp() END,
            verify_until = coalesce(verify_until, clock_timestamp() + make_interval(secs => %(verify)s))
        WHERE id = %(run)s AND fence = %(fence)s AND state = 'running'
        """,
        {"why": why, "verify": verify, "goes_on": goes_on, "run": run.id, "fence": run.fence},
    )
    await add_to_timeline(connection, run.incident, "interrupted", f"{run.action}: {why}")
    return written.rowcount > 0


async def finish(
    connection: Connection, run: Run, verdict: str, outcome: str | None = None, detail: str | None = None
) -> None:
    """Judge a run, which ends it; a process that still runs it may order or write nothing more."""
    await connection.execute(
        """
        UPDATE runs SET state = 'ended', verdict = %(verdict)s, judged_at = clock_timestamp(),
            fence = fence + 1, due_at = NULL, outcome = coalesce(%(outcome)s, outcome),
            detail = coalesce(%(detail)s, detail), ended_at = coalesce(ended_at, clock_timestamp())
        WHERE id = %(run)s AND verdict IS NULL
        """,
        {"verdict": verdict, "outcome": outcome, "detail": detail, "run": run.id},
    )


async def skip(
    connection: Connection, incident: int, bot: str, action: str, effect: str, outcome: str, detail: str
) -> None:
    """Write that a planned action did not run, and why."""
    await connection.execute(
        """
        INSERT INTO runs (incident, bot, action, effect, state, ended_at, outcome, detail, verdict, judged_at)
        VALUES (%s, %s, %s, %s, 'ended', clock_timestamp(), %s, %s, 'none', clock_timestamp())
        """,
        [incident, bot, action, effect, outcome, detail],
    )
    await add_to_timeline(connection, incident, outcome, f"{action}: {detail}")
