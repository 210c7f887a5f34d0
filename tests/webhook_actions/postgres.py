"""A real PostgreSQL for tests that need its data no longer than they run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from webhook_actions.store.embedded import EmbeddedPostgres


@contextmanager
def throwaway(directory: Path) -> Iterator[str]:
    """Yield the address of a server that does not wait for the disk: no test crashes the machine."""
    server = EmbeddedPostgres(directory / "data")
    address = server.start()
    try:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield address
    finally:
        server.stop()
