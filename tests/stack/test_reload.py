"""`nightdesk reload` says whether a running stack accepted its settings; `up --watch` sees each edit once."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.keys import generate
from stack.reload import Edits
from stack.settings import load
from tests.stack.conftest import Desk

# Locks the data directory and logs SIGHUP, as `nightdesk up` does.
STAND_IN = """
import signal, sys
from pathlib import Path
from stack.instance import Instance
from stack.up import only_one

data, answer = Path(sys.argv[1]), sys.argv[2]

def heard(*_):
    if answer == "ends":
        sys.exit()
    with (data / "logs/nightdesk.log").open("a") as log:
        log.write(f"2026-01-01T00:00:00+00:00 {answer}\\n")

(data / "logs").mkdir(parents=True)
before = "2026-01-01T00:00:00+00:00 the settings stay unchanged: long ago\\n"
(data / "logs/nightdesk.log").write_text(before)
signal.signal(signal.SIGHUP, heard)
with only_one(Instance(data, (Path("monitoring.yaml"),))):
    print("held", flush=True)
    while True:
        signal.pause()
"""


@pytest.fixture
def ready(desk: Desk, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A desk with a running process that answers as the test says."""
    generate(load([desk.root / "monitoring.yaml"]))
    process = subprocess.Popen(
        [sys.executable, "-c", STAND_IN, str(desk.root / ".data"), request.param],
        cwd=desk.root, env={"PYTHONPATH": str(Path(__file__).parents[2])}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield desk
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("ready", ["the settings were reloaded by prometheus"], indirect=True)
def test_a_reload_says_who_read_the_settings(ready: Desk):
    told = ready.run("reload")
    assert (told.returncode, told.stdout) == (0, "the settings were reloaded by prometheus\n")


@pytest.mark.parametrize("ready", ["the settings stay unchanged: promtool does not like them"], indirect=True)
def test_a_reload_that_was_refused_is_a_failure_with_the_reason(ready: Desk):
    told = ready.run("reload")
    assert told.returncode == 1
    assert "promtool does not like them" in told.stdout


@pytest.mark.parametrize("ready", ["the settings were reloaded"], indirect=True)
def test_wrong_settings_are_reported_before_anybody_is_asked(ready: Desk):
    ready.write(currencie="EUR")
    told = ready.run("reload")
    assert told.returncode == 2
    assert "did you mean currency?" in told.stderr
    assert len((ready.root / ".data/logs/nightdesk.log").read_text().splitlines()) == 1


@pytest.mark.parametrize("ready", ["ends"], indirect=True)
def test_a_stack_that_ends_before_it_answers_is_not_waited_for(ready: Desk):
    told = ready.run("reload", timeout=30)
    assert told.returncode == 1
    assert "`nightdesk up` ended before it read the settings" in told.stderr


def test_a_reload_where_nothing_runs_says_so(desk: Desk):
    told = desk.run("reload")
    assert told.returncode == 1
    assert "nothing runs with .data" in told.stderr


def test_an_edit_is_seen_once_and_when_it_is_over(desk: Desk):
    file = desk.write(bots_directory="bots")
    (desk.root / "bots").mkdir()
    edits = Edits([file], lambda: load([file]))
    assert not edits.settled()
    file.write_text(file.read_text() + "currency: EU")
    assert not edits.settled()  # somebody may still be writing
    file.write_text(file.read_text() + "R\n")
    assert [edits.settled() for _ in range(3)] == [False, True, False]
    (desk.root / "bots/new.yaml").write_text("{}")
    assert [edits.settled() for _ in range(3)] == [False, True, False]
    file.unlink()
    file.write_text("{}")
    assert [edits.settled() for _ in range(3)] == [False, True, False]
