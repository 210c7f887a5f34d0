"""Writes what is tried: the intent before, the outcome after, the verdict once samples have told."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from stack.settings import Settings
from webhook_actions.actions import Action, Effect
from webhook_actions.engine.decide import NOT_RUN, Record
from webhook_actions.outcome import Outcome
from webhook_actions.store import holds
from webhook_actions.store.database import Connection
from webhook_actions.store.incidents import Incident, Step, tell

_INTENT_LOCK = 0x6E_64_69_6E  # "ndin": one intent at a time is checked and counted


class Busy:
    """Something else is under way: look again later."""


async def records(
    connection: Connection, settings: Settings, incident: Incident, ladder: Sequence[str]
) -> dict[str, Record]:
    """Return for each action of the ladder its attempts in the window and how long it rests.

    An action rests after its own last success for the bot, and after any success against the same alert.
    """
    cursor = await connection.execute(
        """
        SELECT action,
            count(*) FILTER (WHERE s.started_at > clock_timestamp() - make_interval(secs => %s)),
            max(judged_at) FILTER (WHERE verdict = 'verified'),
            max(judged_at) FILTER (WHERE verdict = 'verified' AND i.alert = %s)
        FROM steps s JOIN incidents i ON i.id = s.incident
        WHERE s.bot = %s AND action = ANY(%s) AND NOT (coalesce(outcome, '') = ANY(%s))
        GROUP BY action
        """,
        [float(settings.actions.attempts_window), incident.alert, incident.bot, list(ladder), list(NOT_RUN)],
    )
    found = {}
    for action, attempts, success, helped in await cursor.fetchall():
        rests = [success and success + timedelta(seconds=settings.actions.limit(action).cooldown)]
        rests.append(helped and helped + timedelta(seconds=cooldown(settings, incident)))
        found[action] = Record(attempts, max((end for end in rests if end), default=None))
    return found


def cooldown(settings: Settings, incident: Incident) -> float:
    """Return the seconds for which nothing is done again about this alert of this bot."""
    alert = settings.alerts.get(incident.kind)
    return float(alert.cooldown) if alert else 0.0


async def intend(
    connection: Connection, settings: Settings, incident: Incident, action: Action, seen: int
) -> int | Busy | None:
    """Commit the intent of an action and return its id.

    Returns None when the fleet limit forbids it, and Busy when something else is under way or was done since
    the caller saw `seen` steps of the incident. Call it in a transaction of its own: what is not committed
    was not intended.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_INTENT_LOCK])
    if await _busy(connection, incident, action, seen):
        return Busy()
    if action.effect is not Effect.OBSERVE and await _fleet_is_spent(connection, settings, incident):
        return None
    if action.halts:
        await holds.halt(connection, incident.bot, incident.id, f"{action.name} for {incident.alert}")
    return await begin(connection, incident, action.name, action.effect)


async def begin(connection: Connection, incident: Incident, action: str, effect: Effect) -> int:
    """Write the intent of an action and return its id."""
    inserted = await connection.execute(
        "INSERT INTO steps (incident, bot, action, effect) VALUES (%s, %s, %s, %s) RETURNING id",
        [incident.id, incident.bot, action, effect],
    )
    await tell(connection, incident.id, "acting", action)
    (step,) = await inserted.fetchone() or (0,)
    return int(step)


async def key(connection: Connection, step: int) -> str:
    """Return the idempotency key of a step.

    Where nobody heard how money was moved before in the incident, it is that try's key: should the order
    have arrived, or still arrive from a process that was frozen, it is carried out once.
    """
    found = await connection.execute(
        """
        SELECT CASE WHEN mine.effect = 'money' THEN min(s.id) ELSE mine.id END
        FROM steps mine JOIN steps s USING (incident, action)
        WHERE mine.id = %s AND NOT coalesce(s.outcome, '') = ANY(%s)
        AND s.id > (SELECT coalesce(max(d.id), 0) FROM steps d
            WHERE (d.incident, d.action, d.outcome) = (mine.incident, mine.action, 'done'))
        GROUP BY mine.id, mine.effect
        """,
        [step, list(NOT_RUN)],
    )
    row = await found.fetchone()
    return f"step-{row[0] if row else step}"


async def _busy(connection: Connection, incident: Incident, action: Action, seen: int) -> bool:
    """Return whether the incident moved on, or the bot is being acted on, or its money is.

    A worker that was frozen for longer than its heartbeat wakes up to a job that another one has finished.
    """
    found = await connection.execute(
        """
        SELECT (SELECT count(*) FROM steps WHERE incident = %(incident)s) <> %(seen)s
            OR EXISTS (SELECT FROM steps WHERE bot = %(bot)s AND bot <> '' AND ended_at IS NULL)
            OR (%(money)s AND EXISTS (
                SELECT FROM steps WHERE bot = %(bot)s AND effect = 'money' AND verdict IS NULL))
        """,
        {
            "incident": incident.id,
            "bot": incident.bot,
            "seen": seen,
            "money": action.effect is Effect.MONEY,
        },
    )
    row = await found.fetchone()
    return bool(row and row[0])


async def _fleet_is_spent(connection: Connection, settings: Settings, incident: Incident) -> bool:
    """Return whether as many other bots as the fleet limit allows were acted on lately."""
    fleet = settings.actions.fleet
    found = await connection.execute(
        "SELECT count(DISTINCT bot) FROM steps WHERE bot <> %s AND effect <> 'observe' "
        "AND NOT (coalesce(outcome, '') = ANY(%s)) "
        "AND started_at > clock_timestamp() - make_interval(secs => %s)",
        [incident.bot, list(NOT_RUN), float(fleet.window)],
    )
    row = await found.fetchone()
    return bool(row and row[0] >= max(fleet.bots, int(fleet.ratio * len(settings.bots))))


async def end(
    connection: Connection, incident: Incident, step: int, action: str, outcome: Outcome, verify: float
) -> bool:
    """Write how an action ended; its effect may show within `verify` seconds from now.

    Returns False where that was written already.
    """
    ended = await connection.execute(
        "UPDATE steps SET ended_at = clock_timestamp(), outcome = %s, detail = %s, "
        "verify_until = clock_timestamp() + make_interval(secs => %s) "
        "WHERE id = %s AND (ended_at IS NULL OR outcome = 'interrupted')",
        [outcome.result, outcome.detail, verify, step],
    )
    await tell(connection, incident.id, outcome.result, f"{action}: {outcome.detail}")
    return ended.rowcount > 0


async def skip(
    connection: Connection, incident: Incident, action: str, effect: Effect, outcome: str, detail: str
) -> None:
    """Write that an action was not run, and why."""
    await connection.execute(
        "INSERT INTO steps (incident, bot, action, effect, ended_at, outcome, detail, verdict, judged_at) "
        "VALUES (%s, %s, %s, %s, clock_timestamp(), %s, %s, 'none', clock_timestamp())",
        [incident.id, incident.bot, action, effect, outcome, detail],
    )
    await tell(connection, incident.id, outcome, f"{action}: {detail}")


async def judge(connection: Connection, incident: Incident, step: int, verdict: str, text: str) -> datetime:
    """Write the verdict on an action and return when it was given."""
    row = await (
        await connection.execute(
            "UPDATE steps SET verdict = %s, judged_at = clock_timestamp() WHERE id = %s RETURNING judged_at",
            [verdict, step],
        )
    ).fetchone()
    await tell(connection, incident.id, verdict, text)
    if row is None:
        raise LookupError(f"step {step} is gone")
    judged_at: datetime = row[0]
    return judged_at


async def no_verdict(connection: Connection, step: int) -> None:
    """Write that an action changed nothing that could be proven."""
    await connection.execute(
        "UPDATE steps SET verdict = 'none', judged_at = clock_timestamp() WHERE id = %s", [step]
    )


async def give_up(connection: Connection, incident: Incident) -> None:
    """Write that nothing is left to try."""
    await connection.execute(
        "UPDATE incidents SET gave_up_at = coalesce(gave_up_at, clock_timestamp()) WHERE id = %s",
        [incident.id],
    )


async def interrupted(
    connection: Connection, incident: Incident, step: Step, why: str, verify: float
) -> None:
    """Write that nobody saw how an action ended; what came of it may show within `verify` seconds."""
    await connection.execute(
        "UPDATE steps SET ended_at = clock_timestamp(), outcome = 'interrupted', detail = %s, "
        "verify_until = clock_timestamp() + make_interval(secs => %s) WHERE id = %s AND ended_at IS NULL",
        [why, verify, step.id],
    )
    await tell(connection, incident.id, "interrupted", f"{step.action}: {why}")


async def wait(connection: Connection, incident: Incident, text: str) -> None:
    """Write what is waited for, unless the timeline's last line says so already."""
    cursor = await connection.execute(
        "SELECT text FROM entries WHERE incident = %s ORDER BY id DESC LIMIT 1", [incident.id]
    )
    last = await cursor.fetchone()
    if last is None or last[0] != text:
        await tell(connection, incident.id, "waiting", text)
