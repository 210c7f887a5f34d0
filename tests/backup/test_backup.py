"""A backup restores a desk elsewhere, replaces nothing unasked, and is refused if it does not fit."""

import asyncio
import gzip
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import yaml

from stack.backup.archive import Unusable
from stack.backup.command import bring_back, make
from stack.oncall import NotDone
from webhook_actions.store.backup import restore as restore_database
from webhook_actions.store.database import DatabaseError, Pool
from webhook_actions.store.embedded import EmbeddedPostgres
from webhook_actions.store.migrate import VERSION, migrate

OLD = Path(__file__).parents[1] / "fixtures/schemas/0001_first_release.sql"
BLOCK = "01HZZZZZZZZZZZZZZZZZZZZZZZ"
BOT = {"source": {"type": "http", "url": "http://a:1", "token_file": "secrets/bot"}, "starting_capital": 1}
SETTINGS = {"bots_directory": "bots", "logs": {"suffix": ".%Y"}}


@contextmanager
def database(data: Path) -> Iterator[str]:
    server = EmbeddedPostgres(data / "postgres")
    try:
        yield server.start()
    finally:
        server.stop()


def written(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk of the first release, with a bot in a file of its own."""
    root = tmp_path_factory.mktemp("desk")
    written(root / "monitoring.yaml", yaml.safe_dump(SETTINGS))
    written(root / "bots/mine.yaml", yaml.safe_dump({"mine": BOT}))
    written(root / "secrets/bot", "canary-token")
    written(root / ".data/exporter/bots/mine/trades.jsonl", '{"id": 1}\n')
    written(root / f".data/prometheus/{BLOCK}/chunks/000001", "samples")
    written(root / ".data/prometheus/wal/00000000", "newest samples")
    written(root / ".data/logs/exporter.log", "words")
    with sqlite3.connect(root / ".data/grafana.db") as grafana:
        grafana.execute("CREATE TABLE board (title text)")
    with database(root / ".data") as address, psycopg.connect(address, autocommit=True) as connection:
        connection.execute(OLD.read_bytes())
    return root


def back_up(desk: Path, file: Path, *, history: bool = False, secrets: bool = False) -> list[str]:
    return make(file, [desk / "monitoring.yaml"], desk / ".data", history=history, secrets=secrets)


@pytest.fixture(scope="module")
def archive(desk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("kept") / "all.tar.gz"
    back_up(desk, file, history=True, secrets=True)
    return file


def ask(address: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(address) as connection:
        return connection.execute(query.encode()).fetchall()


def test_it_comes_back_under_other_paths_and_is_upgraded_there(archive: Path, desk: Path, tmp_path: Path):
    there = tmp_path / "another machine"
    told = bring_back(archive, there, there / "kept data", force=False)
    for name in ("monitoring.yaml", "bots/mine.yaml", "secrets/bot"):
        assert (there / name).read_text() == (desk / name).read_text()
    data = there / "kept data"
    assert (data / "exporter/bots/mine/trades.jsonl").read_text() == '{"id": 1}\n'
    assert (data / "prometheus/wal/00000000").read_text() == "newest samples"
    assert sqlite3.connect(data / "grafana.db").execute("SELECT * FROM board").fetchall() == []
    assert not (data / "logs").exists()
    assert "it is paused" in "\n".join(told)
    query = "SELECT id, alert, bot FROM incidents ORDER BY id"
    with database(desk / ".data") as address:
        before = ask(address, query)
    with database(data) as address:
        assert ask(address, query) == before != []
        assert ask(address, "SELECT paused_by FROM pauses WHERE ended_at IS NULL") == [("nightdesk restore",)]

        async def upgrade() -> None:
            async with Pool(address, max_size=2) as pool:
                await migrate(pool)

        asyncio.run(upgrade())
        assert ask(address, "SELECT max(number) FROM schema_migrations") == [(VERSION,)]
        assert ask(address, "SELECT id FROM incidents ORDER BY id") == [(row[0],) for row in before]


def test_nothing_that_is_there_is_replaced_unless_it_is_forced_and_then_it_is_moved_aside(
    archive: Path, tmp_path: Path
):
    written(tmp_path / "monitoring.yaml", "currency: EUR\n")
    written(tmp_path / ".data/own", "mine")
    with pytest.raises(NotDone, match=r"monitoring\.yaml.*--force"):
        bring_back(archive, tmp_path, tmp_path / ".data", force=False)
    assert sorted(each.name for each in tmp_path.iterdir()) == [".data", "monitoring.yaml"]
    bring_back(archive, tmp_path, tmp_path / ".data", force=True)
    (kept,) = tmp_path.glob("monitoring.yaml.before-*")
    assert kept.read_text() == "currency: EUR\n"
    (data,) = tmp_path.glob(".data.before-*")
    assert (data / "own").read_text() == "mine"


def test_secrets_and_history_are_in_it_only_where_that_is_wanted(desk: Path, tmp_path: Path):
    told = back_up(desk, tmp_path / "small.tar.gz")
    assert "without secrets" in "\n".join(told)
    with tarfile.open(tmp_path / "small.tar.gz") as tar:
        names = tar.getnames()
    assert not [name for name in names if "secrets" in name or "prometheus" in name or "postgres" in name]
    assert b"canary-token" not in gzip.decompress((tmp_path / "small.tar.gz").read_bytes())
    assert (tmp_path / "small.tar.gz").stat().st_mode & 0o777 == 0o600
    with pytest.raises(NotDone, match="exists"):
        back_up(desk, tmp_path / "small.tar.gz")


def test_while_prometheus_runs_its_finished_blocks_are_taken(
    desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("stack.backup.command.is_held", lambda _data: True)
    told = back_up(desk, tmp_path / "running.tar.gz", history=True)
    with tarfile.open(tmp_path / "running.tar.gz") as tar:
        history = [name for name in tar.getnames() if "prometheus" in name]
    assert history == [f"data/prometheus/{BLOCK}/chunks/000001"]
    assert "last block" in "\n".join(told)


def test_a_desk_that_runs_is_backed_up_and_not_restored_into(desk: Path, archive: Path, tmp_path: Path):
    program = "import sys, time; from pathlib import Path; from stack.instance import Instance\n"
    program += "from stack.up import only_one\n"
    program += "with only_one(Instance(Path(sys.argv[1]))): print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(desk / ".data")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with database(desk / ".data"):  # as webhook_actions then has it
            assert "schema 1" in back_up(desk, tmp_path / "now.tar.gz")[0]
        with pytest.raises(NotDone, match="stop that first"):
            bring_back(archive, tmp_path, desk / ".data", force=True)
    finally:
        holder.kill()
        holder.wait()


def rewritten(archive: Path, into: Path, change: str, by: str) -> Path:
    """Write the archive with a changed part of its manifest or database."""
    with tarfile.open(archive) as old, tarfile.open(into, "w:gz") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            text = content.read()
            if member.name == "manifest.json":
                text = re.sub(change, by, text.decode()).encode()
            (into.parent / "one").write_bytes(text)
            new.add(into.parent / "one", member.name)
    return into


@pytest.mark.parametrize(
    ("change", "by", "says"),
    [
        ('"schema": 1', '"schema": 999', "schema 999, this Nightdesk works with"),
        ('"format": 1', '"format": 2', "has another format"),
        (
            '"settings/monitoring.yaml": "....',
            '"settings/monitoring.yaml": "0000',
            "differ from the manifest",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_touched(
    archive: Path, tmp_path: Path, change: str, by: str, says: str
):
    file = rewritten(archive, tmp_path / "x.tar.gz", change, by)
    written(tmp_path / "desk/monitoring.yaml", "currency: EUR\n")
    with pytest.raises((NotDone, Unusable), match=says):
        bring_back(file, tmp_path / "desk", tmp_path / "desk/.data", force=True)
    assert [each.name for each in (tmp_path / "desk").iterdir()] == ["monitoring.yaml"]


@pytest.mark.parametrize("name", ["../outside", "/etc/outside"])
def test_an_archive_that_leads_out_of_its_directory_is_refused(tmp_path: Path, name: str):
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(Unusable, match="does not belong in a backup"):
        bring_back(tmp_path / "evil.tar.gz", tmp_path / "to", tmp_path / "to/.data", force=False)


def test_a_file_that_is_cut_off_or_no_archive_is_refused(archive: Path, tmp_path: Path):
    (tmp_path / "half.tar.gz").write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    (tmp_path / "none.tar.gz").write_text(json.dumps({}))
    for name in ("half", "none"):
        with pytest.raises(Unusable, match="not a backup"):
            bring_back(tmp_path / f"{name}.tar.gz", tmp_path / "to", tmp_path / "to/.data", force=False)


def test_an_external_database_is_replaced_only_with_force(tmp_path: Path):
    shutil.copy2(OLD, tmp_path / "old.sql")
    with database(tmp_path) as address:
        restore_database(address, tmp_path / "old.sql", 1, force=False)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("CREATE TABLE public.of_a_newer_release ()")
        with pytest.raises(DatabaseError, match="--force"):
            restore_database(address, tmp_path / "old.sql", 1, force=False)
        restore_database(address, tmp_path / "old.sql", 1, force=True)
        assert ask(address, "SELECT to_regclass('public.of_a_newer_release')") == [(None,)]
        written(tmp_path / "broken.sql", "CREATE TABLE public.half ();\nNONSENSE;\n")
        with pytest.raises(DatabaseError, match="NONSENSE"):
            restore_database(address, tmp_path / "broken.sql", 1, force=True)
        assert ask(address, "SELECT count(*) > 0 FROM incidents") == [(True,)]  # unchanged


def test_a_restore_into_a_database_that_runs_fails_where_its_file_cannot_be_read(tmp_path: Path):
    with database(tmp_path):
        command = [sys.executable, "-m", "webhook_actions.store.backup", "restore", "--data", str(tmp_path)]
        told = subprocess.run(
            [*command, "--file", str(tmp_path / "gone.sql")], capture_output=True, text=True
        )
    assert told.returncode == 1
    assert "gone.sql" in told.stderr


def test_settings_with_paths_of_the_other_machine_are_reported(desk: Path, tmp_path: Path):
    elsewhere = tmp_path / "desk"
    shutil.copytree(desk / "bots", elsewhere / "bots")
    written(
        elsewhere / "monitoring.yaml",
        yaml.safe_dump(SETTINGS | {"storage": {"file": {"directory": "/nowhere/x"}}}),
    )
    make(
        tmp_path / "b.tar.gz",
        [elsewhere / "monitoring.yaml"],
        elsewhere / ".data",
        history=False,
        secrets=False,
    )
    told = bring_back(tmp_path / "b.tar.gz", tmp_path / "to", tmp_path / "to/.data", force=False)
    assert "warning: storage.file.directory: /nowhere/x does not exist here" in told
