"""What the parts share of the database: its connections, and what it means that there is none."""

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

CONNECT_SECONDS = 30.0  # a database that is started again is back by then
CHANNEL = "nightdesk"  # of NOTIFY: some row became due

# What is raised while the database is away; it comes back, and what was not written is done again.
GONE = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


class DatabaseError(Exception):
    """The database cannot be used; the message says which, why, and what to do."""


class Pool(AsyncConnectionPool[Connection]):
    """Connections to the database.

    `transaction()` is for what is written together, or not at all. On a `connection()` each statement stands
    for itself, which suits what is only read: a third of the round trips.
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
    """The database's clock, as it was read last: what is due or expires is so by this clock alone."""

    def __init__(self, own: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`own` is this machine's, which counts until the database's was read."""
        self._own = own
        self._read: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        """Return the time: the one that was read, and the seconds that have passed since."""
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
    """Wake whoever waits for rows to become due, once the transaction is committed."""
    await connection.execute("SELECT pg_notify(%s, '')", [CHANNEL])


async def _configure(connection: Connection) -> None:
    await connection.set_autocommit(True)


async def _check(connection: Connection) -> None:
    """Raise OperationalError where the server has gone.

    An idle connection has nothing to read unless the server said goodbye, so that in the usual case nothing
    need be asked of it.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        await AsyncConnectionPool.check_connection(connection)
