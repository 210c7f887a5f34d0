"""The store of escalation steps, which wait for their time, and end by an answer or with the incident."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from stack.settings.plan import CLIMB, Recipient, Step, Subject
from webhook_actions.store import deliveries, incidents, runs
from webhook_actions.store.database import Connection, notify
from webhook_actions.store.deliveries import Delivery
from webhook_actions.store.incidents import Incident
from webhook_actions.store.runs import Run

_AT_A_TIME = 100  # steps in one transaction


@dataclass(frozen=True)
class Taken:
    """The result of a step: whom to notify where, the timeline's entry, and the next step."""

    contact: str = ""
    addresses: tuple[Recipient, ...] = ()
    entry: tuple[str, str] | None = None  # kind and text
    next: Step | None = None
    postponed_to: datetime | None = None
    exhausted: bool = False  # `next` starts another round


@dataclass(frozen=True)
class DueStep:
    """A due step, with its incident's facts; `wanted` while nobody has answered."""

    id: int
    incident: int
    alert: str
    bot: str
    severity: str
    rule: str
    level: int
    round: int
    why: str
    wanted: bool
    drill: bool = False

    @property
    def subject(self) -> Subject:
        """The incident, as the policy knows it."""
        return Subject(self.alert.removeprefix("TradingBot"), self.bot, self.severity)

    @property
    def step(self) -> Step:
        """The step, as the policy planned it."""
        return Step(self.rule, self.level, 0.0, self.why)


@dataclass(frozen=True)
class Opened:
    """A new incident; `repeats`: its alert fires for its bot again and again."""

    id: int
    alert: str
    bot: str
    severity: str
    repeats: bool

    @property
    def subject(self) -> Subject:
        """The incident, as the policy knows it."""
        return Subject(self.alert.removeprefix("TradingBot"), self.bot, self.severity)


async def opened(connection: Connection, ids: Sequence[int], window: float, count: int) -> list[Opened]:
    """Return incidents, and whether their alert fired `count` times for their bot within `window` seconds.

    That is true once in a window.
    """
    cursor = connection.cursor(row_factory=class_row(Opened))
    query = """
        SELECT i.id, i.alert, i.bot, i.severity,
            CASE WHEN fired.times < %(count)s THEN false ELSE NOT EXISTS (SELECT FROM incidents o
                JOIN escalation_steps s ON s.incident = o.id
                WHERE o.alert = i.alert AND o.bot = i.bot AND s.rule = 'repeated_alerts'
                AND o.opened_at > statement_timestamp() - make_interval(secs => %(window)s)) END AS repeats
        FROM incidents i, LATERAL (SELECT count(*) AS times FROM incidents o
            WHERE o.alert = i.alert AND o.bot = i.bot
            AND o.labels->>'drill' IS NOT DISTINCT FROM i.labels->>'drill'
            AND o.opened_at > statement_timestamp() - make_interval(secs => %(window)s)) fired
        WHERE i.id = ANY(%(ids)s) ORDER BY i.id
    """
    values = {"ids": list(ids), "window": window, "count": count}
    return await (await cursor.execute(query, values)).fetchall()


async def plan(connection: Connection, plans: Iterable[tuple[int, int, Step]]) -> None:
    """Write steps, given as (incident, round, plan), in the caller's transaction; existing ones stay."""
    rows = [
        {
            "incident": incident,
            "round": round_,
            "rule": plan.rule,
            "level": plan.level,
            "why": plan.why,
            "after": plan.after,
        }
        for incident, round_, plan in plans
    ]
    if rows:
        await connection.execute(
            """
            INSERT INTO escalation_steps (incident, round, rule, level, why, due_at)
            SELECT incident, round, rule, level, why, clock_timestamp() + make_interval(secs => after)
            FROM jsonb_to_recordset(%s) AS p (
                incident bigint, round integer, rule text, level integer, why text, after double precision)
            ON CONFLICT (incident, rule, level, round) DO NOTHING
            """,
            [Jsonb(rows)],
        )
        await notify(connection)


async def again(connection: Connection, incident: int, at: datetime, why: str) -> None:
    """Write that the escalation restarts at a time, unless the incident is over or answered by then."""
    await connection.execute(
        "INSERT INTO escalation_steps (incident, rule, level, round, why, due_at) "
        "SELECT %(incident)s, %(rule)s, 0, coalesce(max(round), 0) + 1, %(why)s, %(at)s "
        "FROM escalation_steps WHERE incident = %(incident)s",
        {"incident": incident, "rule": CLIMB, "why": why, "at": at},
    )


_STEPS = """
    SELECT s.id, s.incident, i.alert, i.bot, i.severity, s.rule, s.level, s.round, s.why,
        (s.rule LIKE 'insist:%%' OR is_unanswered(i.id)) AS wanted, i.labels ? 'drill' AS drill
    FROM escalation_steps s JOIN incidents i ON i.id = s.incident
    WHERE s.state = 'waiting'
"""


async def due(connection: Connection) -> list[DueStep]:
    """Return due steps, locked with their incidents, so that nothing else delays them."""
    cursor = connection.cursor(row_factory=class_row(DueStep))
    query = f"""{_STEPS} AND s.due_at <= clock_timestamp()
        ORDER BY s.due_at LIMIT %s FOR NO KEY UPDATE OF s, i SKIP LOCKED
    """
    return await (await cursor.execute(query.encode(), [_AT_A_TIME])).fetchall()


async def coming(connection: Connection, beside: Sequence[DueStep], within: float) -> list[DueStep]:
    """Return the steps that would notify the same level as these, `within` seconds from now.

    They are locked with their incidents. Answered incidents are left out; a drill goes with drills only.
    """
    cursor = connection.cursor(row_factory=class_row(DueStep))
    query = f"""{_STEPS} AND s.rule = %(climb)s AND NOT s.postponed AND s.id <> ALL(%(ids)s)
        AND (s.level, i.labels ? 'drill') IN (SELECT * FROM unnest(%(levels)s::integer[], %(drills)s::bool[]))
        AND s.due_at <= clock_timestamp() + make_interval(secs => %(within)s) AND is_unanswered(i.id)
        ORDER BY s.due_at LIMIT %(most)s FOR NO KEY UPDATE OF s, i SKIP LOCKED
    """  # noqa: S608 - ours
    values = {
        "climb": CLIMB,
        "ids": [one.id for one in beside],
        "levels": [one.level for one in beside],
        "drills": [one.drill for one in beside],
        "within": within,
        "most": _AT_A_TIME,
    }
    return await (await cursor.execute(query.encode(), values)).fetchall()


async def next_due(connection: Connection) -> float | None:
    """Return the seconds until the next step is due, None if none waits."""
    found = await connection.execute(
        "SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM escalation_steps "
        "WHERE state = 'waiting'"
    )
    row = await found.fetchone()
    return row[0] if row else None


# After so many incidents in a short time, a person gets the next ones in one message.
_GATHER = """
WITH lately AS (
    SELECT channel, address, count(DISTINCT incident) AS incidents, max(due_at) FILTER (
        WHERE state = 'waiting' AND attempts = 0 AND due_at > clock_timestamp()) AS together_at
    FROM deliveries
    WHERE id > (SELECT max(id) FROM deliveries) - %(newest)s  -- those of a minute, without a look at all
    AND step IS NOT NULL AND NOT step = ANY(%(steps)s) AND state <> 'cancelled'
    AND written_at > clock_timestamp() - make_interval(secs => %(within)s)
    GROUP BY channel, address
)
UPDATE deliveries d
SET due_at = coalesce(together_at, clock_timestamp() + make_interval(secs => %(within)s))
FROM lately l WHERE d.step = ANY(%(steps)s) AND d.state = 'waiting'
AND (d.channel, d.address) = (l.channel, l.address) AND l.incidents >= %(incidents)s
"""
_NEWEST = 20_000


async def write_taken(
    connection: Connection, taken: Sequence[tuple[DueStep, Taken | None]], many: int, within: float
) -> None:
    """Write the results of steps in one transaction; None if nobody needs to be notified any more.

    An address with `many` incidents or more within so many seconds gets these together, so much later.
    """
    postponed = [(one.postponed_to, due.id) for due, one in taken if one and one.postponed_to]
    if postponed:
        await connection.cursor().executemany(
            "UPDATE escalation_steps SET due_at = %s, postponed = true WHERE id = %s", postponed
        )
    done = [(due, one) for due, one in taken if one and not one.postponed_to]
    await _end(connection, "taken", [due for due, _ in done])
    await _end(connection, "cancelled", [due for due, one in taken if one is None])
    written = [
        Delivery(to.channel, to.address, due.incident, due.id, to.contact)
        for due, one in done
        for to in one.addresses
    ]
    await deliveries.write(connection, written)
    if written:
        steps = [one.step for one in written]
        storm = {"newest": _NEWEST, "steps": steps, "within": within, "incidents": many}
        await connection.execute(_GATHER, storm)
    nexts = [(due.incident, due.round + one.exhausted, one.next) for due, one in done if one.next]
    await plan(connection, nexts)
    entries = [(due.incident, *one.entry) for due, one in done if one.entry]
    await incidents.tell_all(connection, entries)
    await connection.execute(
        "UPDATE incidents SET escalated_at = clock_timestamp() WHERE id = ANY(%s) AND escalated_at IS NULL",
        [[incident for incident, kind, _ in entries if kind == "escalated"]],
    )


async def undelivered(connection: Connection, ended: Sequence[DueStep]) -> set[int]:
    """Return which steps end a round whose messages all failed."""
    found = await connection.execute(
        """
        SELECT e.id FROM unnest(%s::bigint[], %s::bigint[], %s::integer[]) AS e (id, incident, round)
        WHERE (SELECT bool_and(d.state = 'failed') FROM escalation_steps s JOIN deliveries d ON d.step = s.id
            WHERE (s.incident, s.rule, s.round) = (e.incident, %s, e.round))
        """,
        [[one.id for one in ended], [one.incident for one in ended], [one.round for one in ended], CLIMB],
    )
    return {row[0] for row in await found.fetchall()}


async def with_runs(connection: Connection, ids: Sequence[int]) -> list[tuple[Incident, list[Run]]]:
    """Return incidents, each with its action runs."""
    found = await incidents.load(connection, ids)
    tried = await runs.of_incidents(connection, ids)
    return [(one, [run for run in tried if run.incident == one.id]) for one in found]


async def _end(connection: Connection, state: str, steps: Sequence[DueStep]) -> None:
    if steps:
        await connection.execute(
            "UPDATE escalation_steps s SET state = %s, why = e.why "
            "FROM unnest(%s::bigint[], %s::text[]) AS e (id, why) WHERE s.id = e.id",
            [state, [one.id for one in steps], [one.why for one in steps]],
        )


async def cancel(connection: Connection, incident: int, rule: str | None = None) -> None:
    """Cancel an incident's waiting steps: those of one rule, or all but the unconditional ones."""
    await connection.execute(
        "UPDATE escalation_steps SET state = 'cancelled' WHERE incident = %(incident)s AND state = 'waiting' "
        "AND CASE WHEN %(rule)s::text IS NULL THEN rule NOT LIKE 'insist:%%' ELSE rule = %(rule)s END",
        {"incident": incident, "rule": rule},
    )


async def pass_on(connection: Connection, step: int, why: str, but: Sequence[str] = ()) -> None:
    """Notify the next person now, if none of this step's deliveries reached or may reach anyone.

    Those over the channels `but` do not count.
    """
    # If two deliveries fail at once, each in its transaction, the second to get this lock sees both.
    await connection.execute("SELECT FROM escalation_steps WHERE id = %s FOR UPDATE", [step])
    await connection.execute(
        """
        UPDATE escalation_steps n SET due_at = clock_timestamp(), why = %(why)s FROM escalation_steps s
        WHERE s.id = %(step)s AND n.incident = s.incident AND n.rule = %(rule)s AND n.level > 0
        AND n.state = 'waiting'
        AND NOT EXISTS (SELECT FROM deliveries
            WHERE step = s.id AND state <> 'failed' AND channel <> ALL(%(but)s))
        """,
        {"step": step, "why": why, "rule": CLIMB, "but": list(but)},
    )
    await notify(connection)


async def reconsider(connection: Connection) -> None:
    """Make postponed steps due: the settings that postponed them may have changed."""
    await connection.execute(
        "UPDATE escalation_steps SET due_at = clock_timestamp(), postponed = false "
        "WHERE state = 'waiting' AND postponed"
    )
    await notify(connection)


async def tell_again(connection: Connection, step: int, after: float) -> None:
    """Plan a notice again in `after` seconds, if none of its deliveries reached or may reach anyone."""
    await connection.execute(
        """
        INSERT INTO escalation_steps (incident, rule, level, round, why, due_at)
        SELECT incident, rule, level, round + 1, why, clock_timestamp() + make_interval(secs => %s)
        FROM escalation_steps s WHERE id = %s AND (rule LIKE 'notice:%%' OR rule LIKE 'insist:%%')
        AND NOT EXISTS (SELECT FROM deliveries WHERE step = s.id AND state <> 'failed')
        ON CONFLICT (incident, rule, level, round) DO NOTHING
        """,
        [after, step],
    )
    await notify(connection)
