"""The store of Telegram's polls: which engine polls, and which button presses were handled."""

from dataclasses import dataclass

from webhook_actions.store.database import Connection

# After a week without updates Telegram continues with a random number, which may be lower.
_FORGOTTEN_AFTER = "6 days"


@dataclass(frozen=True)
class PollLease:
    """The right to ask for updates from `offset` on, None for all that wait.

    `silent_for` is the seconds since Telegram last answered, None if it never did.
    """

    offset: int | None
    silent_for: float | None


async def begin(connection: Connection, bot: str, poller: str, lease: float) -> PollLease | None:
    """Claim the polling for `lease` seconds; None while another engine has it."""
    await connection.execute("INSERT INTO telegram_polls (bot) VALUES (%s) ON CONFLICT DO NOTHING", [bot])
    found = await connection.execute(
        f"""
        UPDATE telegram_polls SET poller = %(poller)s,
            lease_ends = clock_timestamp() + make_interval(secs => %(lease)s)
        WHERE bot = %(bot)s AND (poller = %(poller)s OR lease_ends <= clock_timestamp())
        RETURNING
            CASE WHEN updated_at > clock_timestamp() - interval '{_FORGOTTEN_AFTER}' THEN next_update END,
            extract(epoch FROM clock_timestamp() - asked_at)::float8
        """.encode(),  # noqa: S608 - ours
        {"bot": bot, "poller": poller, "lease": lease},
    )
    row = await found.fetchone()
    return PollLease(*row) if row else None


async def answered(connection: Connection, bot: str, poller: str) -> None:
    """Write that Telegram answered now."""
    await connection.execute(
        "UPDATE telegram_polls SET asked_at = clock_timestamp() WHERE bot = %s AND poller = %s", [bot, poller]
    )


async def take(connection: Connection, bot: str, poller: str, update: int) -> bool:
    """Claim an update; False if it was handled before, or another engine polls."""
    taken = await connection.execute(
        f"""
        UPDATE telegram_polls SET next_update = %(update)s + 1, updated_at = clock_timestamp()
        WHERE bot = %(bot)s AND poller = %(poller)s AND lease_ends > clock_timestamp()
        AND (next_update IS NULL OR next_update <= %(update)s
            OR updated_at <= clock_timestamp() - interval '{_FORGOTTEN_AFTER}')
        """.encode(),  # noqa: S608 - ours
        {"bot": bot, "poller": poller, "update": update},
    )
    return taken.rowcount > 0


async def end(connection: Connection, bot: str, poller: str) -> None:
    """Give the polling back, to whichever engine asks next."""
    await connection.execute(
        "UPDATE telegram_polls SET lease_ends = clock_timestamp() WHERE bot = %s AND poller = %s",
        [bot, poller],
    )
