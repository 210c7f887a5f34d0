"""The embedded PostgreSQL, and a named one that replicas share."""

import signal
import stat
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.conftest import eventually
from tests.webhook_actions.conftest import Make
from webhook_actions.store.embedded import DatabaseError, EmbeddedPostgres


def test_its_data_survive_and_its_sockets_are_closed_to_others(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 40) / "postgres"  # longer than a socket's path may be
    postgres = EmbeddedPostgres(directory)
    address = postgres.start()
    sockets = Path(address.split()[0].removeprefix("host="))
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    postgres.stop()
    assert not sockets.exists()
    with psycopg.connect(postgres.start()) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
    postgres.stop()


def test_a_server_that_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    left = EmbeddedPostgres(tmp_path / "postgres")
    left.start()
    again = EmbeddedPostgres(tmp_path / "postgres")
    with psycopg.connect(again.start()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    again.stop()
    left.stop()


def test_data_of_another_version_are_refused_with_the_way_out_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("15\n")
    with pytest.raises(DatabaseError, match=r"is of PostgreSQL 15.*pg_dumpall") as error:
        EmbeddedPostgres(tmp_path).start()
    assert str(tmp_path) in str(error.value)
    assert (tmp_path / "PG_VERSION").read_text() == "15\n"


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DatabaseError, match="is not empty"):
        EmbeddedPostgres(tmp_path).start()
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_engine_however_that_ends(make_world: Make, sign: signal.Signals) -> None:
    world = make_world("alpha")
    world.start_engine()
    pid_file = world.directory / "engine-data/postgres/postmaster.pid"
    postgres = psutil.Process(int(pid_file.read_text().split()[0]))
    world.stop(world.engine, sign)
    eventually(lambda: not postgres.is_running() or postgres.status() == "zombie", what="its end")
    assert not pid_file.exists(), "it was shut down in order"
    assert world.engine is not None
    assert world.engine.returncode == (0 if sign == signal.SIGTERM else -sign)


def test_two_replicas_on_one_database_act_once_and_one_takes_over_from_the_other(
    make_world: Make, tmp_path: Path
) -> None:
    postgres = EmbeddedPostgres(tmp_path / "shared")
    (tmp_path / "database_url").write_text(postgres.start())
    tokens = {f"{name}_file": f"{name}_token" for name in ("receive", "read", "act")}
    own = {"heartbeat": "1s", "database_url_file": str(tmp_path / "database_url"), "tokens": tokens}
    world = make_world("alpha", "beta", webhook_actions=own)
    try:
        world.start_prometheus()
        world.start_engine()
        other = world.start_replica()
        world.goes_down("alpha")
        alert = world.alert("alpha")
        world.deliver(alert)
        world.deliver(alert, port=other)
        eventually(lambda: "verified" in world.kinds("alpha"), what="the proof")
        assert len(world.bots.by_name["alpha"].restarts) == 1
        assert world.incident("alpha")["deliveries"] == 2
        world.bots.by_name["beta"].pause = 2
        world.goes_down("beta")
        world.deliver(world.alert("beta"))
        eventually(lambda: world.bots.by_name["beta"].restarts, what="the restart")
        # Whoever is at it dies; the other one has to see what came of it. Both may be: kill the first.
        world.stop(world.engine, signal.SIGKILL)
        world.ports["webhook_actions"] = other
        eventually(lambda: "verified" in world.kinds("beta"), within=30, what="the proof by the other")
        assert len(world.bots.by_name["beta"].restarts) == 1
    finally:
        world.close()
        postgres.stop()
