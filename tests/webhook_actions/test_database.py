"""The embedded PostgreSQL, and a named one that replicas share."""

import os
import pwd
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.conftest import eventually, has_ended
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


_KILLED = """
import os, signal, sys
from pathlib import Path
from webhook_actions.store import embedded
embedded._ends_with_us = list  # as where there is no setpriv
embedded.EmbeddedPostgres(Path(sys.argv[1])).start()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_server_that_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(data)], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = postmaster(data)
    again = EmbeddedPostgres(data)
    with psycopg.connect(again.start()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert has_ended(left)
    again.stop()


def test_data_that_another_nightdesk_runs_on_are_left_to_it(tmp_path: Path) -> None:
    first, second = (EmbeddedPostgres(tmp_path / "postgres") for _ in range(2))
    with psycopg.connect(first.start()) as connection:
        with pytest.raises(DatabaseError, match="another Nightdesk runs on it"):
            second.start()
        second.stop()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    first.stop()
    second.start()
    second.stop()


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


def postmaster(data: Path) -> psutil.Process:
    return psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))


def test_one_that_is_killed_is_back_where_it_was_with_its_data(tmp_path: Path) -> None:
    ends: list[int] = []
    postgres = EmbeddedPostgres(tmp_path / "postgres", ended=lambda: ends.append(1))
    address = postgres.start()
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    for killed in (1, 2):
        before = postmaster(tmp_path / "postgres").pid
        with psycopg.connect(address):  # the server's process lives for a moment longer
            os.kill(before, signal.SIGKILL)
        eventually(lambda before=before: answers(address, before), what="another one")  # type: ignore[misc]
        assert len(ends) == killed
    postgres.stop()
    assert not (tmp_path / "postgres/postmaster.pid").exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address)


def answers(address: str, not_by: int) -> bool:
    """Return whether another postmaster has the data."""
    try:
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
            return psutil.Process(connection.info.backend_pid).ppid() != not_by
    except psycopg.OperationalError:
        return False


def test_one_that_cannot_start_again_is_tried_until_it_can_or_is_stopped(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    postgres = EmbeddedPostgres(data)
    address = postgres.start()
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    before = postmaster(data)
    (data / "global/pg_control").rename(tmp_path / "pg_control")
    before.kill()
    eventually(
        lambda: "could not find the database system" in (data / "postgres.log").read_text(), what="a try"
    )
    (tmp_path / "pg_control").rename(data / "global/pg_control")
    eventually(lambda: answers(address, before.pid), what="its return")
    (data / "global/pg_control").rename(tmp_path / "pg_control")
    postmaster(data).kill()
    postgres.stop()
    assert not Path(address.split()[0].removeprefix("host=")).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be others")
def test_of_all_users_only_the_one_who_started_it_connects_also_to_data_made_with_trust(
    tmp_path: Path,
) -> None:
    data = tmp_path / "postgres"
    postgres = EmbeddedPostgres(data)
    postgres.start()
    postgres.stop()
    (data / "pg_hba.conf").write_text("local all all trust\n")
    nobody = pwd.getpwnam("nobody").pw_uid
    for path in (data, *data.rglob("*")):  # the state that an earlier Nightdesk left
        os.chown(path, nobody, -1)
    address = postgres.start()
    ours = postmaster(data).uids().real
    assert ours not in [each.pw_uid for each in pwd.getpwall()], "no service and no user runs as it"
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("nightdesk",)
    sockets = Path(address.split()[0].removeprefix("host="))
    for user in (nobody, 1000):
        assert "Permission denied" in refused(address, user)
        assert subprocess.run([*be(user), "ls", str(data)], capture_output=True).returncode
    for directory in (sockets, *sockets.parents):  # even if the directory lets others in
        directory.chmod(directory.stat().st_mode | 0o005)
    next(sockets.glob(".s.PGSQL.*[0-9]")).chmod(0o777)
    for user in (nobody, 1000, ours):
        assert "Peer authentication failed" in refused(address, user) or "could not look up" in refused(
            address, user
        )
    postgres.stop()


def be(user: int) -> list[str]:
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def refused(address: str, user: int) -> str:
    """Return the error of a user who connects without permission."""
    script = f"import psycopg; psycopg.connect({address!r})"
    made = subprocess.run([*be(user), sys.executable, "-c", script], capture_output=True, text=True)
    assert made.returncode, "it connected"
    return made.stderr


def test_a_link_among_the_data_gives_nothing_else_away(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    postgres.start()
    postgres.stop()
    (tmp_path / "other").write_text("another's")
    owner = (tmp_path / "other").stat().st_uid
    for name in ("link", "pg_hba.conf"):
        (tmp_path / "postgres" / name).unlink(missing_ok=True)
        (tmp_path / "postgres" / name).symlink_to(tmp_path / "other")
    postgres.start()
    postgres.stop()
    assert ((tmp_path / "other").stat().st_uid, (tmp_path / "other").read_text()) == (owner, "another's")


def test_a_shared_one_that_is_killed_is_back_and_ends_in_order(tmp_path: Path) -> None:
    url = tmp_path / "url"
    command = [sys.executable, "-m", "webhook_actions.store.shared_database", "--data", str(tmp_path)]
    process = subprocess.Popen([*command, "--url-file", str(url)])
    try:
        eventually(lambda: url.exists() and url.read_text(), what="its address")
        with psycopg.connect(url.read_text()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        before = postmaster(tmp_path / "postgres")
        before.kill()
        eventually(lambda: answers(url.read_text(), before.pid), what="another one")
    finally:
        process.terminate()
    assert process.wait(60) == 0
    assert not (tmp_path / "postgres/postmaster.pid").exists()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_engine_however_that_ends(make_harness: Make, sign: signal.Signals) -> None:
    harness = make_harness("alpha")
    harness.start_engine()
    pid_file = harness.directory / "engine-data/postgres/postmaster.pid"
    postgres = psutil.Process(int(pid_file.read_text().split()[0]))
    harness.stop(harness.engine, sign)
    eventually(lambda: has_ended(postgres), what="its end")
    assert not pid_file.exists(), "it was shut down in order"
    assert harness.engine is not None
    assert harness.engine.returncode == (0 if sign == signal.SIGTERM else -sign)


def test_two_replicas_on_one_database_act_once_and_one_takes_over_from_the_other(
    make_harness: Make, tmp_path: Path
) -> None:
    postgres = EmbeddedPostgres(tmp_path / "shared")
    (tmp_path / "database_url").write_text(postgres.start())
    tokens = {f"{name}_file": f"{name}_token" for name in ("receive", "read", "act")}
    own = {"heartbeat": "1s", "database_url_file": str(tmp_path / "database_url"), "tokens": tokens}
    harness = make_harness("alpha", "beta", webhook_actions=own)
    try:
        harness.start_prometheus()
        harness.start_engine()
        other = harness.start_replica()
        harness.goes_down("alpha")
        alert = harness.alert("alpha")
        harness.deliver(alert)
        harness.deliver(alert, port=other)
        eventually(lambda: "verified" in harness.kinds("alpha"), what="the proof")
        assert len(harness.bots.by_name["alpha"].restarts) == 1
        assert harness.incident("alpha")["notifications"] == 2
        harness.bots.by_name["beta"].pause = 2
        harness.goes_down("beta")
        harness.deliver(harness.alert("beta"))
        eventually(lambda: harness.bots.by_name["beta"].restarts, what="the restart")
        # The process with the lock dies; the other one has to see the result.
        harness.stop(harness.engine, signal.SIGKILL)
        harness.ports["webhook_actions"] = other
        eventually(lambda: "verified" in harness.kinds("beta"), within=120, what="the proof by the other")
        assert len(harness.bots.by_name["beta"].restarts) == 1
    finally:
        harness.close()
        postgres.stop()
