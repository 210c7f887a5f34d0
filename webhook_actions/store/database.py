"""The connections to the database, and the errors of an absent one."""

import asyncio
import select
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

Connection = AsyncConnection[Any]

CONNECT_SECONDS = 30.0  # a restarting database is back by then
CHANNEL = "nightdesk"  # of NOTIFY: some row became due

# Errors while the database is away; after its return the engine repeats the unwritten work.
GONE = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


class DatabaseError(Exception):
    """The database cannot be used. The message says which, why, and what to do."""


class Pool(AsyncConnectionPool[Connection]):
    """Connections to the database.

    A `transaction()` is written as a whole, or not at all. On a `connection()` each statement is its own
    transaction, which suits reads: a third of the round trips.
    """

    def __init__(self, address: str, *, max_size: int, timeout: float = CONNECT_SECONDS) -> None:
        """Make a closed pool; `timeout` is the seconds to wait for a connection."""
        self.address = address
        super().__init__(
            address,
            min_size=min(2, max_size),
            max_size=max_size,
            open=False,
            configure=_configure,
            check=_check,
            timeout=timeout,
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Give a connection in a transaction, which is committed at the end, or rolled back by an error."""
        async with self.connection() as connection, connection.transaction():
            yield connection


class Clock:
    """The database's clock, as last read: only this clock decides what is due or expired."""

    def __init__(self, own: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`own` is this machine's clock, used until the database's was read."""
        self._own = own
        self._read: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        """Return the time: the last one read, plus the seconds since."""
        if self._read is None:
            return self._own()
        then, at = self._read
        return then + timedelta(seconds=asyncio.get_running_loop().time() - at)

    async def read(self, connection: Connection) -> None:
        """Read the database's clock."""
        at = asyncio.get_running_loop().time()
        self._read = await now(connection), at


async def now(connection: Connection) -> datetime:
    """Return the database's time."""
    row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
    if row is None:
        raise TypeError("the database told no time")
    return datetime.fromtimestamp(row[0].timestamp(), UTC)


async def notify(connection: Connection) -> None:
    """Wake all that wait for rows to become due, once the transaction is committed."""
    await connection.execute("SELECT pg_notify(%s, '')", [CHANNEL])


async def _configure(connection: Connection) -> None:
    await connection.set_autocommit(True)


async def _check(connection: Connection) -> None:
    """Raise OperationalError if the server is gone.

    An idle connection has nothing to read unless the server closed it, so that usually no query is needed.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        await AsyncConnectionPool.check_connection(connection)
