"""Writes down who did what and from where, in the transaction of the act."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from webhook_actions.store.database import Connection


@dataclass(frozen=True)
class Caller:
    """Who asks, as the timeline and the audit name them, and the address it came from."""

    who: str
    address: str

    def named(self, name: str) -> "Caller":
        """Return the caller with the name that they give themselves, beside what is known of them."""
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
    """Write an act; where its transaction fails, it was not done and is not written."""
    await connection.execute(
        "INSERT INTO audit (who, address, act, incident, bot, detail) VALUES (%s, %s, %s, %s, %s, %s)",
        [caller.who, caller.address, act, incident, bot, detail],
    )


async def entries(connection: Connection, *, before: int | None, limit: int) -> list[Entry]:
    """Return the last acts, newest first, those older than the act `before` where it is given."""
    cursor = connection.cursor(row_factory=class_row(Entry))
    return await (
        await cursor.execute(
            "SELECT id, at, who, address, act, incident, bot, detail FROM audit "
            "WHERE %(before)s::bigint IS NULL OR id < %(before)s "
            "ORDER BY id DESC LIMIT %(limit)s",
            {"before": before, "limit": limit},
        )
    ).fetchall()
