"""The store of deliveries: written with their cause, claimed, sent, and their result."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from stack.settings import RetryPolicy
from webhook_actions.outcome import Outcome, Result
from webhook_actions.store.database import Connection, notify

_TOGETHER = 500  # the most incidents of one message


@dataclass(frozen=True)
class Delivery:
    """Something to send: to a person, with its step, or to a program, with its body."""

    channel: str
    address: str
    incident: int | None = None
    step: int | None = None
    contact: str = ""
    body: str | None = None


@dataclass(frozen=True)
class ClaimedDelivery(Delivery):
    """A delivery that this process has claimed for a time."""

    id: int = 0
    attempts: int = 0
    interrupted: bool = False  # a process that died had begun to send it
    wanted: bool = True  # nobody has answered yet; always true if it is for no person
    why: str | None = None
    written_at: datetime | None = None
    insists: bool = False  # its step is a follow-up, because nobody answered


async def write(connection: Connection, batch: Sequence[Delivery]) -> None:
    """Write deliveries, in the caller's transaction; one step reaches one address once."""
    if batch:
        await connection.execute(
            """
            INSERT INTO deliveries (channel, address, incident, step, contact, body)
            SELECT * FROM jsonb_to_recordset(%s) AS l (
                channel text, address text, incident bigint, step bigint, contact text, body text)
            ON CONFLICT DO NOTHING
            """,
            [Jsonb([asdict(delivery) for delivery in batch])],
        )
        await notify(connection)


@dataclass(frozen=True)
class Open:
    """What may be claimed: nothing over full channels, or to their full addresses.

    `interrupted`: also what another process had begun to send.
    """

    full: Sequence[str] = ()
    full_addresses: Sequence[tuple[str, str]] = ()
    interrupted: bool = True

    @property
    def values(self) -> dict[str, object]:
        """The values for the queries."""
        return {
            "full": list(self.full),
            "channels": [channel for channel, _ in self.full_addresses],
            "addresses": [address for _, address in self.full_addresses],
            "interrupted": self.interrupted,
        }


_IS_OPEN = """
    state IN ('waiting', 'sending') AND (state = 'waiting' OR %(interrupted)s) AND channel <> ALL(%(full)s)
    AND (channel, address) NOT IN (SELECT * FROM unnest(%(channels)s::text[], %(addresses)s::text[]))
"""

# What several steps send to one address at once is one message: forty dead bots ring the phone once.
_CLAIM = f"""
WITH first AS (
    SELECT id, channel, address, step IS NOT NULL AS to_person FROM deliveries
    WHERE {_IS_OPEN} AND due_at <= clock_timestamp()
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
), together AS (
    SELECT o.id, o.state FROM deliveries o JOIN first f ON o.channel = f.channel AND o.address = f.address
        AND (o.id = f.id OR (f.to_person AND o.step IS NOT NULL))
    WHERE o.state IN ('waiting', 'sending') AND (o.state = 'waiting' OR %(interrupted)s)
        AND o.due_at <= clock_timestamp()
    ORDER BY o.due_at LIMIT %(together)s FOR UPDATE OF o SKIP LOCKED
), claimed AS (
    UPDATE deliveries o SET state = 'sending', attempts = attempts + 1,
        interrupted = interrupted + (t.state = 'sending')::int,
        due_at = clock_timestamp() + make_interval(secs => %(lease)s)
    FROM together t WHERE o.id = t.id
    RETURNING o.id, o.incident, o.step, o.contact, o.channel, o.address, o.body, o.attempts, o.written_at,
        t.state = 'sending' AS again
)
SELECT c.id, c.incident, c.step, c.contact, c.channel, c.address, c.body, c.attempts, c.again AS interrupted,
    c.written_at, s.why, c.step IS NULL OR s.rule LIKE 'insist:%%'
        OR coalesce(is_unanswered(c.incident), false) AS wanted,
    coalesce(s.rule NOT LIKE 'notice:%%' AND s.rule NOT LIKE 'insist:%%'
        AND (s.rule, s.level) <> ('climb', 0), false) AS insists
FROM claimed c LEFT JOIN escalation_steps s ON s.id = c.step ORDER BY c.id
"""  # noqa: S608 - ours


async def next_due(connection: Connection, open_: Open) -> float | None:
    """Return the seconds until the next claimable delivery is due, None if none waits."""
    query = f"""
        SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM deliveries WHERE {_IS_OPEN}
    """  # noqa: S608 - ours
    found = await connection.execute(query.encode(), open_.values)
    row = await found.fetchone()
    return row[0] if row else None


async def claim(connection: Connection, lease: float, open_: Open) -> list[ClaimedDelivery]:
    """Return due deliveries to one address, claimed for `lease` seconds, or until renewed."""
    cursor = connection.cursor(row_factory=class_row(ClaimedDelivery))
    values = open_.values | {"together": _TOGETHER, "lease": lease}
    return await (await cursor.execute(_CLAIM.encode(), values)).fetchall()


async def unanswered(connection: Connection, address: str, but: Sequence[int]) -> list[tuple[int, str]]:
    """Return the other open, unanswered incidents that an address was notified of: id and contact.

    A drill's are left out unless `but`, the incidents of the message, has one of a drill, and the reverse.
    """
    found = await connection.execute(
        """
        SELECT DISTINCT ON (i.id) i.id, d.contact FROM incidents i JOIN deliveries d ON d.incident = i.id
        WHERE i.closed_at IS NULL AND i.id <> ALL(%(but)s) AND is_unanswered(i.id)
        AND d.address = %(address)s AND d.step IS NOT NULL AND d.state = 'sent'
        AND (i.labels ? 'drill') IN (SELECT labels ? 'drill' FROM incidents WHERE id = ANY(%(but)s))
        ORDER BY i.id LIMIT %(together)s
        """,
        {"address": address, "but": list(but), "together": _TOGETHER},
    )
    return [(incident, contact) for incident, contact in await found.fetchall()]


async def renew(connection: Connection, batch: Sequence[ClaimedDelivery], lease: float) -> None:
    """Extend this process's claim by `lease` seconds."""
    await connection.execute(
        """
        UPDATE deliveries o SET due_at = clock_timestamp() + make_interval(secs => %s)
        FROM unnest(%s::bigint[], %s::integer[]) AS mine (id, attempts)
        WHERE o.id = mine.id AND o.attempts = mine.attempts AND o.state = 'sending'
        """,
        [lease, [delivery.id for delivery in batch], [delivery.attempts for delivery in batch]],
    )


async def record(
    connection: Connection,
    batch: Sequence[ClaimedDelivery],
    outcome: Outcome,
    policy: RetryPolicy,
    ask_after: float | None = None,
) -> list[tuple[ClaimedDelivery, str]]:
    """Write the result of a message, and return its deliveries with their states.

    A retry waits twice as long as the one before, and at least as long as the service requested; rows that
    another process has claimed since are left alone. If `ask_after` is given, the receipt is asked for after
    so many seconds.
    """
    final = "sent" if outcome.done else "failed"
    again = policy.retries if outcome.result is Result.RETRY else 0
    cursor = await connection.execute(
        """
        UPDATE deliveries o SET outcome = %(detail)s,
            state = CASE WHEN o.attempts <= %(again)s THEN 'waiting' ELSE %(final)s END,
            due_at = clock_timestamp()
                + make_interval(secs => greatest(%(pause)s * 2 ^ (o.attempts - 1), %(wait)s)),
            sent_at = CASE WHEN %(final)s = 'sent' THEN clock_timestamp() END,
            receipt = nullif(%(receipt)s, ''),
            ask_at = clock_timestamp() + make_interval(secs => %(ask_after)s)
        FROM unnest(%(ids)s::bigint[], %(attempts)s::integer[]) AS mine (id, attempts)
        WHERE o.id = mine.id AND o.attempts = mine.attempts AND o.state = 'sending'
        RETURNING o.id, o.state
        """,
        {
            "detail": outcome.detail,
            "receipt": outcome.receipt,
            "ask_after": ask_after if outcome.done else None,
            "again": again,
            "final": final,
            "pause": float(policy.pause),
            "wait": outcome.retry_after,
            "ids": [delivery.id for delivery in batch],
            "attempts": [delivery.attempts for delivery in batch],
        },
    )
    states = dict(await cursor.fetchall())
    return [(delivery, states[delivery.id]) for delivery in batch if delivery.id in states]


async def cancel(connection: Connection, batch: Sequence[ClaimedDelivery]) -> None:
    """Cancel deliveries, because nobody needs to be notified any more."""
    if batch:
        await connection.execute(
            "UPDATE deliveries SET state = 'cancelled' WHERE id = ANY(%s) AND state = 'sending'",
            [[delivery.id for delivery in batch]],
        )


async def incidents_of(connection: Connection, channel: str, address: str, receipt: str) -> list[int]:
    """Return the incidents of a message, by its receipt; none once it was deleted."""
    found = await connection.execute(
        "SELECT DISTINCT incident FROM deliveries WHERE channel = %s AND address = %s AND receipt = %s "
        "AND incident IS NOT NULL ORDER BY incident",
        [channel, address, receipt],
    )
    return [incident for (incident,) in await found.fetchall()]


async def of_step(connection: Connection, step: int, contact: str) -> list[tuple[str, str]]:
    """Return channel and state of a step's deliveries to a contact.

    If two deliveries fail at once, each in its transaction, the second to ask sees both.
    """
    await connection.execute("SELECT FROM escalation_steps WHERE id = %s FOR UPDATE", [step])
    found = await connection.execute(
        "SELECT channel, state FROM deliveries WHERE step = %s AND contact = %s ORDER BY id", [step, contact]
    )
    return [(channel, state) for channel, state in await found.fetchall()]


@dataclass(frozen=True)
class Dead:
    """An event that its endpoint, named by `address`, did not take; `outcome` is its last answer."""

    id: int
    incident: int | None
    address: str
    body: str
    attempts: int
    outcome: str
    written_at: datetime


async def dead(connection: Connection, channel: str, limit: int) -> list[Dead]:
    """Return the failed deliveries of a channel, newest first."""
    cursor = connection.cursor(row_factory=class_row(Dead))
    query = """
        SELECT id, incident, address, body, attempts, outcome, written_at FROM deliveries
        WHERE channel = %s AND state = 'failed' ORDER BY id DESC LIMIT %s
    """
    return await (await cursor.execute(query, [channel, limit])).fetchall()


async def send_again(connection: Connection, channel: str, id_: int) -> bool:
    """Retry a dead letter from the start; return False if it does not exist."""
    found = await connection.execute(
        "UPDATE deliveries SET state = 'waiting', attempts = 0, due_at = clock_timestamp() "
        "WHERE id = %s AND channel = %s AND state = 'failed'",
        [id_, channel],
    )
    await notify(connection)
    return found.rowcount > 0


async def forget(connection: Connection, age: float) -> None:
    """Delete what belongs to no incident and is older than `age` seconds."""
    await connection.execute(
        "DELETE FROM deliveries WHERE incident IS NULL AND state NOT IN ('waiting', 'sending') "
        "AND written_at < clock_timestamp() - make_interval(secs => %s)",
        [age],
    )
