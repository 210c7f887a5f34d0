"""The store of receipts: of what was sent, asked until it is known whether it arrived."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from webhook_actions.store.database import Connection
from webhook_actions.store.deliveries import ClaimedDelivery

DELIVERED, UNDELIVERED, UNKNOWN = "delivered", "undelivered", "unknown"


@dataclass(frozen=True)
class Sent(ClaimedDelivery):
    """A delivery that was sent, and of which it is to be asked whether it arrived."""

    receipt: str = ""
    sent_at: datetime | None = None
    age: float = 0.0  # seconds since it was sent


# Deliveries that were one message have one receipt.
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
    """Return what was one message and is to be asked of now, this process's for `lease` seconds."""
    cursor = connection.cursor(row_factory=class_row(Sent))
    return sorted(await (await cursor.execute(_CLAIM, [lease])).fetchall(), key=lambda one: one.id)


async def next_due(connection: Connection) -> float | None:
    """Return the seconds until one is to be asked of, None where there is none."""
    found = await connection.execute(
        "SELECT extract(epoch FROM min(ask_at) - clock_timestamp())::float8 FROM deliveries "
        "WHERE ask_at IS NOT NULL"
    )
    row = await found.fetchone()
    return row[0] if row else None


async def ask_again(connection: Connection, batch: Sequence[Sent], after: float) -> None:
    """Have it asked again in `after` seconds."""
    await connection.execute(
        "UPDATE deliveries SET ask_at = clock_timestamp() + make_interval(secs => %s) "
        "WHERE id = ANY(%s) AND ask_at IS NOT NULL",
        [after, [one.id for one in batch]],
    )


async def write(connection: Connection, batch: Sequence[Sent], arrived: str, detail: str) -> list[Sent]:
    """Write the last word on whether a message arrived, and return those of which there was none before.

    What did not arrive has failed.
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
