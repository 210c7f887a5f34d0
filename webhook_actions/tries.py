"""Writes what is tried: the intent before, the outcome after, the verdict once samples have told."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from stack.settings import Settings
from webhook_actions.actions import Effect
from webhook_actions.incidents import Connection, Incident, Step, tell
from webhook_actions.ladder import NOT_RUN, Record
from webhook_actions.outcome import Outcome

_FLEET_LOCK = 0x6E_64_66_6C  # "ndfl": one intent at a time is counted against the fleet limit


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
    connection: Connection, settings: Settings, incident: Incident, action: str, effect: Effect
) -> int | None:
    """Commit the intent of an action and return its id; None when the fleet limit forbids it.

    Call it in a transaction of its own: what is not committed was not intended.
    """
    if effect is not Effect.OBSERVE:
        fleet = settings.actions.fleet
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_FLEET_LOCK])
        others = await (
            await connection.execute(
                "SELECT count(DISTINCT bot) FROM steps WHERE bot <> %s AND effect <> 'observe' "
                "AND NOT (coalesce(outcome, '') = ANY(%s)) "
                "AND started_at > clock_timestamp() - make_interval(secs => %s)",
                [incident.bot, list(NOT_RUN), float(fleet.window)],
            )
        ).fetchone()
        if others and others[0] >= max(fleet.bots, int(fleet.ratio * len(settings.bots))):
            return None
    step = await (
        await connection.execute(
            "INSERT INTO steps (incident, bot, action, effect) VALUES (%s, %s, %s, %s) RETURNING id",
            [incident.id, incident.bot, action, effect],
        )
    ).fetchone()
    await tell(connection, incident.id, "acting", action)
    return int(step[0]) if step else None


async def end(
    connection: Connection, incident: Incident, step: int, action: str, outcome: Outcome, verify: float
) -> None:
    """Write how an action ended; its effect may show within `verify` seconds from now."""
    await connection.execute(
        "UPDATE steps SET ended_at = clock_timestamp(), outcome = %s, detail = %s, "
        "verify_until = clock_timestamp() + make_interval(secs => %s) WHERE id = %s",
        [outcome.result, outcome.detail, verify, step],
    )
    await tell(connection, incident.id, outcome.result, f"{action}: {outcome.detail}")


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
