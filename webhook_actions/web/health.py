"""Proves that the database can be written: a database that answers may still have a full disk."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import psycopg

from webhook_actions.store.database import Connection

_FRESH_SECONDS = 1.0  # anyone may ask, so it must be cheap

_WRITE = """
    INSERT INTO health (id, written_at) VALUES (true, now())
    ON CONFLICT (id) DO UPDATE SET written_at = excluded.written_at
"""
# The row fits on a full disk, in the place of the row before; a sort that spills a megabyte does not.
_SPILL = """
    SELECT length(string_agg(text, '' ORDER BY md5(text)))
    FROM (SELECT repeat('x', 1000) || n AS text FROM generate_series(1, 1000) n) spilt
"""


async def writable(connection: Connection) -> str | None:
    """Write a row and a temporary megabyte; return why that is impossible, or None."""
    try:
        async with connection.transaction():
            await connection.execute(_WRITE)
            await connection.execute("SET LOCAL work_mem = '64kB'")
            await connection.execute(_SPILL)
    except psycopg.Error as error:
        return f"the database cannot be written: {type(error).__name__}"
    return None


class Fresh:
    """The result of a check, kept for a second: of many callers only one checks."""

    def __init__(
        self, look: Callable[[], Awaitable[str | None]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`look` returns the fault, or None."""
        self._look = look
        self._clock = clock
        self._turn = asyncio.Lock()
        self._found: str | None = None
        self._until = clock()

    async def __call__(self) -> str | None:
        """Return the fault, or None."""
        async with self._turn:
            if self._clock() >= self._until:
                self._found = await self._look()
                self._until = self._clock() + _FRESH_SECONDS
            return self._found
