"""Records who did what and from where, in the transaction of the act."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from webhook_actions.store.database import Connection


@dataclass(frozen=True)
class Caller:
    """The caller, as the timeline and the audit name them, and their address."""

    who: str
    address: str

    def named(self, name: str) -> "Caller":
        """Return the caller with the name that they give, beside what is known of them."""
        return Caller(f"{name} ({self.who})", self.address) if name else self


@dataclass(frozen=True)
class Entry:
    """One act of a person or a token."""

    id: int
    at: datetime
    who: str
    address: str
    act: str
    incident: int | None
    bot: str | None
    detail: str


async def write(
    connection: Connection,
    caller: Caller,
    act: str,
    *,
    incident: int | None = None,
    bot: str | None = None,
    detail: str = "",
) -> None:
    """Write an act; if its transaction fails, the act was not done and is not recorded."""
    await connection.execute(
        "INSERT INTO audit (who, address, act, incident, bot, detail) VALUES (%s, %s, %s, %s, %s, %s)",
        [caller.who, caller.address, act, incident, bot, detail],
    )


async def entries(connection: Connection, *, before: int | None, limit: int) -> list[Entry]:
    """Return the last acts, newest first; with `before`, those older than that id."""
    cursor = connection.cursor(row_factory=class_row(Entry))
    return await (
        await cursor.execute(
            "SELECT id, at, who, address, act, incident, bot, detail FROM audit "
            "WHERE %(before)s::bigint IS NULL OR id < %(before)s "
            "ORDER BY id DESC LIMIT %(limit)s",
            {"before": before, "limit": limit},
        )
    ).fetchall()
