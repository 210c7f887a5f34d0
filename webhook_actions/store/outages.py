"""The store of outages: channels that fail for an address, from the first failure to the next success."""

from dataclasses import dataclass

from webhook_actions.store.database import Connection

ENOUGH = 3  # failures in a row until people are notified


@dataclass(frozen=True)
class Outage:
    """A failing channel; `failures` is the number in a row, `reason` the last one."""

    channel: str
    address: str
    failures: int
    reason: str


async def failed(
    connection: Connection, channel: str, address: str, reason: str, *, final: bool
) -> Outage | None:
    """Record a failure, in the caller's transaction, and return the outage if people must be notified now.

    That is after some failures, or one that is `final`, and once a channel, not for each address.
    """
    await _lock(connection, channel)
    found = await connection.execute(
        """
        INSERT INTO outages AS o (channel, address, failures, reason)
        VALUES (%(channel)s, %(address)s, 1, %(reason)s)
        ON CONFLICT (channel, address) DO UPDATE SET failures = o.failures + 1, reason = EXCLUDED.reason
        RETURNING failures,
            EXISTS (SELECT FROM outages t WHERE t.channel = %(channel)s AND told_at IS NOT NULL)
        """,
        {"channel": channel, "address": address, "reason": reason},
    )
    failures, told = await found.fetchone() or (0, True)
    if told or (failures < ENOUGH and not final):
        return None
    await _tell(connection, channel, address)
    return Outage(channel, address, failures, reason)


async def ended(connection: Connection, channel: str, address: str) -> Outage | None:
    """Record a success, and return the outage if people must hear of its end: no other address fails."""
    one = "outages WHERE channel = %s AND address = %s"
    known = await connection.execute(f"SELECT FROM {one}".encode(), [channel, address])
    if await known.fetchone() is None:
        return None  # the usual case, without a lock
    await _lock(connection, channel)
    query = f"DELETE FROM {one} RETURNING failures, reason, told_at IS NOT NULL"  # noqa: S608 - ours
    row = await (await connection.execute(query.encode(), [channel, address])).fetchone()
    if row is None or not row[2]:
        return None
    others = await connection.execute(
        "SELECT address FROM outages WHERE channel = %s AND failures >= %s ORDER BY address LIMIT 1",
        [channel, ENOUGH],
    )
    if other := await others.fetchone():
        await _tell(connection, channel, other[0])
        return None
    return Outage(channel, address, row[0], row[1])


async def failing(connection: Connection) -> set[tuple[str, str]]:
    """Return failing channels and addresses."""
    found = await connection.execute("SELECT channel, address FROM outages")
    return {(channel, address) for channel, address in await found.fetchall()}


async def _tell(connection: Connection, channel: str, address: str) -> None:
    await connection.execute(
        "UPDATE outages SET told_at = clock_timestamp() WHERE channel = %s AND address = %s",
        [channel, address],
    )


async def _lock(connection: Connection, channel: str) -> None:
    """Lock a channel: if two addresses fail at once, people are notified of one."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('outage ' || %s))", [channel])
