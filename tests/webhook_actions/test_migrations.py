"""A database of any earlier release becomes one of this release, whole or not at all."""

import asyncio
import hashlib
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.webhook_actions.postgres import throwaway
from webhook_actions.store import migrate
from webhook_actions.store.database import DatabaseError, Pool

DUMPS = sorted((Path(__file__).parents[1] / "fixtures" / "schemas").glob("*.sql"))
MIGRATIONS = Path(migrate.__file__).parent / "migrations"
RELEASED = {"0001_first_release.sql": "7b065d8e35fbb683211f57cd5656eb436efa240f67895847bc085ecbfd7174c6"}
_NAMES = (f"migrations{number}" for number in itertools.count())
_SHAPE = """
    SELECT table_name, column_name, data_type, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
"""
_INDEXES = "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"
_ROUTINES = "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with throwaway(tmp_path_factory.mktemp("postgres")) as address:
        yield address


@asynccontextmanager
async def database(address: str, dump: Path | None = None) -> AsyncIterator[Pool]:
    name = next(_NAMES)
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name}".encode())
    own = re.sub("dbname=[^ ]*", f"dbname={name}", address)
    if dump is not None:
        async with await psycopg.AsyncConnection.connect(own, autocommit=True) as connection:
            await connection.execute(dump.read_bytes())  # noqa: ASYNC240 - a test
    async with Pool(own, max_size=4) as pool:
        yield pool


async def rows(pool: Pool, query: str) -> list[tuple[Any, ...]]:
    async with pool.connection() as connection:
        return await (await connection.execute(query.encode())).fetchall()


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_a_database_of_a_release_becomes_what_a_new_one_is(postgres: str, dump: Path) -> None:
    async def both() -> None:
        async with database(postgres) as new, database(postgres, dump) as old:
            for pool in (new, old):
                await migrate.migrate(pool)
            for query in (_SHAPE, _INDEXES, _ROUTINES):
                assert await rows(old, query) == await rows(new, query)
            numbers = "SELECT number FROM schema_migrations ORDER BY 1"
            assert await rows(old, numbers) == await rows(new, numbers)

    asyncio.run(both())


def test_what_the_first_release_left_undone_goes_on_but_no_order_by_hand(postgres: str) -> None:
    async def upgrade() -> None:
        async with database(postgres, DUMPS[0]) as pool:
            await migrate.migrate(pool)
            open_ = await rows(pool, "SELECT id FROM incidents WHERE due_at <= now() ORDER BY id")
            assert open_ == [(1,), (2,), (3,), (4,)], "each open incident is looked at"
            unjudged = "SELECT id, verdict FROM runs WHERE verdict IS NULL OR id = 2 ORDER BY id"
            # A run without a verdict is unknown; a run without an outcome counts as interrupted.
            assert await rows(pool, unjudged) == [(2, "unknown"), (3, None)]
            assert await rows(pool, "SELECT state FROM runs WHERE id = 3") == [("running",)]
            lifted = "SELECT address FROM deliveries WHERE channel = 'alertmanager'"
            assert await rows(pool, lifted) == [("5e1f-silence",)]
            assert await rows(pool, "SELECT bot FROM halts WHERE released_at IS NULL") == [("alpha",)]
            left = "SELECT bot, before FROM controls WHERE removed_at IS NULL"
            assert await rows(pool, left) == [("alpha", None)], "its release is to undo the pause"
            assert await rows(pool, "SELECT FROM runs WHERE state = 'wanted'") == []
            answered = (
                "SELECT i.responded_at = min(a.at) FROM incidents i "
                "JOIN acknowledgements a ON a.incident = i.id GROUP BY i.id"
            )
            assert set(await rows(pool, answered)) == {(True,)}, "it was answered then already"
            left = "SELECT relname FROM pg_class WHERE relname LIKE 'procrastinate%'"
            assert await rows(pool, left) == []

    asyncio.run(upgrade())


def test_engines_that_start_together_migrate_once(postgres: str) -> None:
    async def together() -> None:
        async with database(postgres, DUMPS[0]) as pool:
            await asyncio.gather(*(migrate.migrate(pool) for _ in range(3)))
            assert await rows(pool, "SELECT count(*) FROM schema_migrations") == [(migrate.VERSION,)]

    asyncio.run(together())


def test_a_newer_database_is_refused_with_the_way_out(postgres: str) -> None:
    async def newer() -> None:
        async with database(postgres) as pool:
            await migrate.migrate(pool)
            async with pool.transaction() as connection:
                await connection.execute("INSERT INTO schema_migrations VALUES (9999, 'later', now())")
            with pytest.raises(DatabaseError, match="start the newer Nightdesk"):
                await migrate.migrate(pool)

    asyncio.run(newer())


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "0003_broken.sql"
    broken.write_text("CREATE TABLE half (id int); SELECT 1 / 0;")
    monkeypatch.setattr(migrate, "_FILES", {**migrate._FILES, 3: broken})

    async def fails() -> None:
        async with database(postgres, DUMPS[0]) as pool:
            before = await rows(pool, _SHAPE)
            with pytest.raises(psycopg.errors.DivisionByZero):
                await migrate.migrate(pool)
            assert await rows(pool, _SHAPE) == before

    asyncio.run(fails())


def test_migrations_are_numbered_without_gaps_and_a_released_one_is_never_changed() -> None:
    files = sorted(MIGRATIONS.glob("*.sql"))
    assert [int(file.name[:4]) for file in files] == list(range(1, migrate.VERSION + 1))
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert {name: found[name] for name in RELEASED} == RELEASED
