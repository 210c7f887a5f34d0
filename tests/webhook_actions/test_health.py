"""Whether the database can be written, by a real one: whole, read-only, and on a disk that is full."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from webhook_actions.store.embedded import EmbeddedPostgres
from webhook_actions.web.health import Fresh, writable

TABLE = (
    "CREATE TABLE health (id boolean PRIMARY KEY DEFAULT true CHECK (id), written_at timestamptz NOT NULL)"
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a directory on a small disk of its own."""
    small = tmp_path / "disk"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", small]).returncode:
        pytest.skip("only root may mount a small disk")
    yield small
    subprocess.run(["umount", small], check=True)


def look(address: str, *before: str) -> str | None:
    async def ask() -> str | None:
        async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
            for each in before:
                await connection.execute(each)
            return await writable(connection)

    return asyncio.run(ask())


def test_a_database_that_can_be_written_keeps_one_row(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    address = postgres.start()
    try:
        assert "UndefinedTable" in str(look(address))
        assert [look(address, TABLE), look(address), look(address)] == [None] * 3
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT count(*) FROM health").fetchone() == (1,)
        read_only = look(address, "SET default_transaction_read_only = on")
        assert "ReadOnlySqlTransaction" in str(read_only)
    finally:
        postgres.stop()


def test_a_full_disk_is_reported_although_the_database_answers(
    disk: Path,
) -> None:
    postgres = EmbeddedPostgres(disk / "postgres")
    address = postgres.start()
    try:
        assert look(address, TABLE) is None
        with (disk / "filler").open("wb", buffering=0) as filler:
            left = shutil.disk_usage(disk).free
            filler.write(b"x" * left)
        assert "DiskFull" in str(look(address))
        (disk / "filler").unlink()
        assert look(address) is None
    finally:
        postgres.stop()


def test_however_many_ask_one_looks_a_second() -> None:
    now, looks = [1000.0], []

    async def once() -> str | None:
        looks.append(now[0])
        await asyncio.sleep(0)
        return "red"

    async def ask() -> None:
        health = Fresh(once, clock=lambda: now[0])
        assert await asyncio.gather(*(health() for _ in range(50))) == ["red"] * 50
        now[0] += 1
        await health()

    asyncio.run(ask())
    assert looks == [1000.0, 1001.0]
