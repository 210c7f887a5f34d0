"""Dumps the database into a file, or restores it, for `nightdesk backup` and `restore`."""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from webhook_actions.store.database import DatabaseError
from webhook_actions.store.embedded import BIN, EmbeddedPostgres
from webhook_actions.store.migrate import VERSION, version

# statements that a PostgreSQL before 17 refuses, or whose objects exist already
_LEFT_OUT = re.compile(rb"^(SET transaction_timeout|CREATE SCHEMA public;)")
_EMPTY = b"DROP SCHEMA IF EXISTS public CASCADE;\nCREATE SCHEMA public;\n"
# Orders that were open at the dump are stale: a person must look first.
_PAUSE = b"""
INSERT INTO public.pauses (paused_by, reason)
SELECT 'nightdesk restore', 'restored from a backup: look at the incidents, then `nightdesk pause --resume`'
WHERE NOT EXISTS (SELECT FROM public.pauses WHERE ended_at IS NULL);
"""


def dump(address: str, file: Path) -> int:
    """Write the database as SQL and return its schema's number; 0 for an empty one. Raises DatabaseError."""
    number = asyncio.run(_version(address))
    _run("pg_dump", address, ["--no-owner", "--no-privileges", f"--file={file}"])
    return number


def restore(address: str, file: Path, schema: int, *, force: bool) -> None:
    """Restore the database from a dump, whole or not at all, and pause it. Raises DatabaseError.

    `schema` is the dump's number. Without `force` a database with content stays as it is.
    """
    accepts(schema)
    if not force:
        is_free(address)
    with file.open("rb") as lines:
        sql = _EMPTY + b"".join(line for line in lines if not _LEFT_OUT.match(line))
    if schema:
        sql += _PAUSE
    _run("psql", address, ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"], sql)


def accepts(schema: int) -> None:
    """Raise DatabaseError if a schema is newer than this code."""
    if schema > VERSION:
        raise DatabaseError(
            f"the backup has schema {schema}, this Nightdesk works with {VERSION}: restore it by a newer one"
        )


def is_free(address: str) -> None:
    """Raise DatabaseError if a database has content of Nightdesk, or does not answer."""
    if asyncio.run(_version(address)):
        raise DatabaseError("the database holds incidents already; --force replaces all of it")


async def _version(address: str) -> int:
    try:
        async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
            return await version(connection)
    except psycopg.Error as error:
        raise DatabaseError(f"the database cannot be asked: {error}") from None


def _run(program: str, address: str, options: list[str], given: bytes = b"") -> None:
    """Run a program of PostgreSQL; the environment gives it a password, never an argument."""
    named = conninfo_to_dict(address)
    password = named.pop("password", None)
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    command = [str(BIN / program), *options, f"--dbname={make_conninfo('', **named)}"]
    done = subprocess.run(command, input=given, capture_output=True, env=environment)
    if done.returncode:
        raise DatabaseError(f"{program} failed: {done.stderr.decode(errors='replace').strip()[-1000:]}")


@contextmanager
def _database(data: Path, url_file: Path | None) -> Iterator[str]:
    """Give the address of the database: a file's, the running embedded one's, or of one started for this."""
    if url_file:
        yield url_file.read_text(encoding="utf-8").strip()
        return
    directory = data / "postgres"
    if running := _running(directory):
        yield running
        return
    postgres = EmbeddedPostgres(directory)
    address = postgres.start()
    try:
        yield address
    finally:
        postgres.stop()


def _running(directory: Path) -> str | None:
    """Return the address of a running embedded database, or None."""
    with suppress(OSError, IndexError, DatabaseError):
        sockets = (directory / "postmaster.pid").read_text(encoding="utf-8").splitlines()[4]
        address = f"host={sockets} user=nightdesk dbname=postgres"
        asyncio.run(_version(address))
        return address
    return None


def main() -> int:
    """Run one of both commands; return 1, with the reason, if it fails."""
    parser = argparse.ArgumentParser(prog="backup", description=__doc__)
    parser.add_argument("what", choices=("dump", "restore", "accepts"))
    parser.add_argument("--file", type=Path, default=Path(), help="of SQL")
    parser.add_argument("--data", type=Path, required=True, help="where the embedded database is kept")
    parser.add_argument("--url-file", type=Path, help="the address of another database")
    parser.add_argument("--schema", type=int, default=0, help="the number of the dump's schema")
    parser.add_argument("--force", action="store_true", help="replace what the database holds")
    arguments = parser.parse_args()
    try:
        accepts(arguments.schema)
        if arguments.what == "accepts":
            if arguments.url_file and not arguments.force:
                is_free(arguments.url_file.read_text(encoding="utf-8").strip())
            return 0
        with _database(arguments.data, arguments.url_file) as address:
            if arguments.what == "dump":
                print(json.dumps({"schema": dump(address, arguments.file)}))
            else:
                restore(address, arguments.file, arguments.schema, force=arguments.force)
    except (DatabaseError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
