"""The store of overrides: who stands in for whom on call, by people's changes at run time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from webhook_actions.store.database import Connection

_COLUMNS = b"SELECT id, rota, contact, starts_at, ends_at, swap, made_by, made_at FROM overrides "


@dataclass(frozen=True)
class Made:
    """An override that a person made; the halves of a swap have the same `swap`."""

    id: int
    rota: str
    contact: str
    starts_at: datetime
    ends_at: datetime
    swap: int | None
    made_by: str
    made_at: datetime


async def lock(connection: Connection) -> None:
    """Wait until no other transaction changes who is on call."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('overrides', 0))")


async def not_over(connection: Connection, since: datetime) -> list[Made]:
    """Return the overrides that are not over at a time, in the order of their making."""
    cursor = connection.cursor(row_factory=class_row(Made))
    query = _COLUMNS + b"WHERE ends_at > greatest(starts_at, %s) ORDER BY id"
    return await (await cursor.execute(query, [since])).fetchall()


async def make(
    connection: Connection, rota: str, spans: Sequence[tuple[str, datetime, datetime]], by: str
) -> list[int]:
    """Write who stands in from when until when; several are the halves of a swap. Return their ids."""
    ids: list[int] = []
    for contact, start, end in spans:
        found = await connection.execute(
            "INSERT INTO overrides (rota, contact, starts_at, ends_at, made_by, swap) "
            "VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
            [rota, contact, start, end, by, ids[0] if ids else None],
        )
        ids += [id_ for (id_,) in await found.fetchall()]
    if len(ids) > 1:
        await connection.execute("UPDATE overrides SET swap = id WHERE id = %s", [ids[0]])
    return ids


async def end(connection: Connection, id_: int, now: datetime) -> list[Made]:
    """End an override now, with the other half of its swap; return those that were not over yet."""
    cursor = connection.cursor(row_factory=class_row(Made))
    which = b"WHERE (id = %(id)s OR swap = (SELECT swap FROM overrides WHERE id = %(id)s)) "
    still = b"AND ends_at > greatest(starts_at, %(now)s) "
    values = {"id": id_, "now": now}
    found = await (await cursor.execute(_COLUMNS + which + still + b"ORDER BY id", values)).fetchall()
    await connection.execute(
        "UPDATE overrides SET ends_at = greatest(starts_at, %s) WHERE id = ANY(%s)",
        [now, [one.id for one in found]],
    )
    return found
