"""The store of how far programs were told of closed trades."""

from webhook_actions.store.database import Connection


async def until(connection: Connection, bot: str) -> float:
    """Return the unix time of the last trade that was told of a bot, locked for who tells of the next.

    Of a bot that nothing was told of it is now: what it did before is no news.
    """
    await connection.execute(
        "INSERT INTO trades_told (bot, until) VALUES (%s, extract(epoch FROM clock_timestamp())) "
        "ON CONFLICT DO NOTHING",
        [bot],
    )
    found = await connection.execute("SELECT until FROM trades_told WHERE bot = %s FOR UPDATE", [bot])
    row = await found.fetchone()
    return float(row[0]) if row else 0.0


async def told(connection: Connection, bot: str, until_: float) -> None:
    """Write that trades which closed until this unix time were told, with the deliveries that tell them."""
    await connection.execute("UPDATE trades_told SET until = %s WHERE bot = %s", [until_, bot])
