"""Brings a database to the schema of this code: numbered SQL files, forward only, under a lock."""

from pathlib import Path

from webhook_actions.store.database import Connection, DatabaseError, Pool

_FILES = {int(file.name[:4]): file for file in sorted((Path(__file__).parent / "migrations").glob("*.sql"))}
VERSION = max(_FILES)  # the number of the schema that this code uses
_LOCK = 0x6E_64_6D_67  # the number of an advisory lock ("ndmg"): of several engines only one migrates


async def migrate(pool: Pool) -> None:
    """Apply the migrations that the database lacks. Raises DatabaseError for a newer database."""
    async with pool.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        known = await version(connection)
        if known > VERSION:
            raise DatabaseError(
                f"the database has schema {known}, this Nightdesk works with {VERSION}: start the newer "
                "Nightdesk, or restore the backup that was made before the upgrade"
            )
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations "
            "(number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL)"
        )
        for number, file in _FILES.items():
            if number > known:
                await connection.execute(file.read_bytes())
            if number > known or known == 1:  # the first release wrote no row
                await connection.execute(
                    "INSERT INTO schema_migrations (number, name, applied_at) "
                    "VALUES (%s, %s, clock_timestamp()) ON CONFLICT DO NOTHING",
                    [number, file.stem],
                )


async def version(connection: Connection) -> int:
    """Return the number of the database's last migration; 0 for an empty one."""
    found = await connection.execute(
        "SELECT to_regclass('schema_migrations') IS NOT NULL, to_regclass('incidents') IS NOT NULL"
    )
    numbered, first_release = await found.fetchone() or (False, False)
    if not numbered:
        return int(first_release)
    row = await (
        await connection.execute("SELECT coalesce(max(number), 0) FROM schema_migrations")
    ).fetchone()
    return int(row[0]) if row else 0
