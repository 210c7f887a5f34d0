"""The store of receipts: of sent messages, asked for until the result is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from webhook_actions.store.database import Connection
from webhook_actions.store.deliveries import ClaimedDelivery

DELIVERED, UNDELIVERED, UNKNOWN = "delivered", "undelivered", "unknown"


@dataclass(frozen=True)
class Sent(ClaimedDelivery):
    """A sent delivery whose receipt is asked for."""

    receipt: str = ""
    sent_at: datetime | None = None
    age: float = 0.0  # seconds since it was sent


# Deliveries of one message share a receipt.
_CLAIM = """
WITH first AS (
    SELECT channel, receipt FROM deliveries WHERE ask_at <= clock_timestamp()
    ORDER BY ask_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE deliveries o SET ask_at = clock_timestamp() + make_interval(secs => %s) FROM first f
WHERE o.ask_at IS NOT NULL AND o.channel = f.channel AND o.receipt = f.receipt
RETURNING o.id, o.incident, o.step, o.contact, o.channel, o.address, o.attempts, o.receipt, o.sent_at,
    extract(epoch FROM clock_timestamp() - o.sent_at)::float8 AS age
"""


async def claim(connection: Connection, lease: float) -> list[Sent]:
    """Return the deliveries of one message whose receipt is due, claimed for `lease` seconds."""
    cursor = connection.cursor(row_factory=class_row(Sent))
    return sorted(await (await cursor.execute(_CLAIM, [lease])).fetchall(), key=lambda one: one.id)


async def next_due(connection: Connection) -> float | None:
    """Return the seconds until a receipt is due, None without one."""
    found = await connection.execute(
        "SELECT extract(epoch FROM min(ask_at) - clock_timestamp())::float8 FROM deliveries "
        "WHERE ask_at IS NOT NULL"
    )
    row = await found.fetchone()
    return row[0] if row else None


async def ask_again(connection: Connection, batch: Sequence[Sent], after: float) -> None:
    """Ask again in `after` seconds."""
    await connection.execute(
        "UPDATE deliveries SET ask_at = clock_timestamp() + make_interval(secs => %s) "
        "WHERE id = ANY(%s) AND ask_at IS NOT NULL",
        [after, [one.id for one in batch]],
    )


async def write(connection: Connection, batch: Sequence[Sent], arrived: str, detail: str) -> list[Sent]:
    """Write whether a message arrived, and return the deliveries without an earlier result.

    A message that did not arrive has failed.
    """
    found = await connection.execute(
        """
        UPDATE deliveries SET arrived = %(arrived)s, ask_at = NULL, outcome = %(detail)s,
            state = CASE WHEN %(arrived)s = 'undelivered' THEN 'failed' ELSE state END
        WHERE id = ANY(%(ids)s) AND ask_at IS NOT NULL RETURNING id
        """,
        {"arrived": arrived, "detail": detail, "ids": [one.id for one in batch]},
    )
    written = {id_ for (id_,) in await found.fetchall()}
    return [one for one in batch if one.id in written]
