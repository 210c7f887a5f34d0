"""The store of how far closed trades were reported to programs."""

from webhook_actions.store.database import Connection


async def until(connection: Connection, bot: str) -> float:
    """Return the unix time of a bot's last reported trade, locked for the next report.

    For a new bot it is now: earlier trades are not reported.
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
    """Write that trades up to this unix time were reported, with the deliveries that report them."""
    await connection.execute("UPDATE trades_told SET until = %s WHERE bot = %s", [until_, bot])
