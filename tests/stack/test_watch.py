"""A Procfile's processes start and stop together; one that ends is started again."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import psutil
import pytest

from stack import processes
from stack.processes import back_off
from stack.settings.bots import STARTED_BOT
from stack.status import BotState, Status
from stack.watch import Screen
from tests.conftest import eventually, free_port
from tests.stack.conftest import Desk

ROOT = Path(__file__).parent.parent.parent
SERVER = f"exec {sys.executable} -m http.server --bind 127.0.0.1"
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(desk: Desk) -> Iterator[Start]:
    """Start a Procfile; kill its processes at the end of the test."""
    started = []

    def run(*lines: str, words: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        (desk.root / "Procfile").write_text("\n".join(lines) + "\n")
        runner = subprocess.Popen(
            [sys.executable, "-m", "tests.stack.procfile", str(desk.root), *words],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        started.append(runner)
        return runner

    yield run
    for runner in started:
        if runner.poll() is None:
            runner.kill()
        runner.stdout.close()
        runner.wait()


def pid(file: Path) -> int:
    """Return the id that a process wrote into a file."""
    return int(eventually(lambda: file.exists() and file.read_text().strip(), what=str(file)))


def pids(file: Path) -> list[int]:
    """Return the ids that processes wrote into a file, one a line."""
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def stopped(runner: "subprocess.Popen[str]") -> str:
    """Stop a runner and return its last output."""
    runner.send_signal(signal.SIGTERM)
    return runner.communicate(timeout=30)[0]


def gone(process: int) -> bool:
    return not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE


def test_a_process_that_ends_is_reported_with_code_and_last_lines_and_restarts(start: Start, desk: Desk):
    steady, broken = desk.root / "steady", desk.root / "broken"
    runner = start(
        f"steady: echo $$ >> {steady}; exec sleep 600",
        f"broken: echo $$ >> {broken}; test $(wc -l < {broken}) -gt 1 && exec sleep 600; echo why; exit 7",
    )
    eventually(lambda: len(pids(broken)) == 2, what="the second start")
    assert len(pids(steady)) == 1
    assert not gone(pids(steady)[0])
    assert not gone(pids(broken)[1])
    told = stopped(runner)
    assert runner.returncode == 0
    assert "broken ended with exit code 7; Nightdesk restarts it in 1 s" in told
    assert "    why" in told
    assert str(desk.root / "logs/broken.log") in told
    assert "broken ended with exit code 7" in (desk.root / "logs/nightdesk.log").read_text()
    assert "TOLD" not in told


def test_a_signal_that_ended_a_process_is_named_and_so_is_its_recovery(start: Start, desk: Desk):
    file, port = desk.root / "pid", free_port()
    runner = start(
        f"killed: cd {desk.root}; echo $$ >> {file}; {SERVER} {port}",
        words=(f"killed=http://127.0.0.1:{port}/",),
    )
    assert "all are well" in next(line for line in runner.stdout if "all are" in line)
    os.kill(pids(file)[0], signal.SIGKILL)
    said = [next(line for line in runner.stdout if "killed" in line) for _ in range(2)]
    assert "killed was ended by SIGKILL" in said[0]
    while "healthy" not in said[-1]:
        said.append(next(runner.stdout))
    assert "killed is healthy again" in said[-1]
    stopped(runner)
    assert len(pids(file)) == 2


def test_a_process_that_keeps_failing_is_a_warning_and_notifies_people_once(start: Start):
    runner = start("broken: exit 7", "steady: exec sleep 600")
    told = [next(line for line in runner.stdout if "broken" in line)]
    while "TOLD" not in told[-1]:
        told.append(next(runner.stdout))
    loud = [line for line in told if "WARNING, 5 times in a row: broken ended" in line]
    assert len(loud) == 1
    assert told[-1].strip() == "TOLD broken keeps failing"
    assert "TOLD" not in stopped(runner)


def test_what_never_becomes_healthy_is_a_failure_of_a_run_that_had_its_time(start: Start):
    runner = start("deaf: exec sleep 600", words=("--for", "2", f"deaf=http://127.0.0.1:{free_port()}/"))
    told, _ = runner.communicate(timeout=30)
    assert runner.returncode == 1
    assert "deaf is not healthy" in told


def test_the_waits_between_starts_grow_to_a_minute():
    assert [back_off(times) for times in (1, 2, 3, 4, 5, 6, 7, 8, 5000)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_process_that_the_system_has_no_room_for_is_tried_again(monkeypatch: pytest.MonkeyPatch):
    def full(_command: str) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    events: SimpleQueue[object] = SimpleQueue()
    monkeypatch.setattr(processes, "Popen", full)
    unlucky = processes.Processes({"unlucky": "true"}, events)
    unlucky.start()
    seen = [events.get(timeout=10) for _ in range(4)]
    unlucky.stop()
    assert seen[1::2] == [processes.Ended("unlucky", None, 1, 1.0), processes.Ended("unlucky", None, 2, 2.0)]
    assert "Resource temporarily unavailable" in str(seen[0])
    assert str(seen[1]) == "unlucky could not be started"


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_and_is_no_failure(start: Start, desk: Desk, asked: signal.Signals):
    service = desk.root / "service"
    runner = start(f"steady: echo $$ > {service}; exec sleep 600")
    process = pid(service)
    runner.send_signal(asked)
    told, _ = runner.communicate(timeout=30)
    assert runner.returncode == 0
    assert f"{asked.name} received" in told
    assert gone(process)


def test_it_stops_by_itself_after_the_given_time(start: Start, desk: Desk):
    service = desk.root / "service"
    runner = start(f"steady: echo $$ > {service}; exec sleep 600", words=("--for", "1"))
    runner.communicate(timeout=30)
    assert runner.returncode == 0
    assert gone(pid(service))


def test_what_a_service_left_behind_in_a_session_of_its_own_is_stopped_too(start: Start, desk: Desk):
    orphan = desk.root / "orphan"
    runner = start(
        f"leaver: setsid sh -c 'echo $$ > {orphan}; exec sleep 600' & exec sleep 600",
    )
    process = pid(orphan)
    runner.send_signal(signal.SIGTERM)
    runner.communicate(timeout=30)
    assert runner.returncode == 0
    assert gone(process)


def test_a_bot_that_a_restart_started_outlives_the_runner(start: Start, desk: Desk):
    bot = desk.root / "bot"
    marked = f"{STARTED_BOT}=alpha setsid sh -c 'echo $$ > {bot}; exec sleep 600'"
    runner = start(f"engine: {marked} & exec sleep 600")
    process = pid(bot)
    try:
        runner.send_signal(signal.SIGTERM)
        runner.communicate(timeout=30)
        assert not gone(process), "its owner's positions would be nobody's"
    finally:
        os.kill(process, signal.SIGKILL)


def test_the_end_is_noticed_although_a_child_of_the_service_lives_on(start: Start, desk: Desk):
    child = desk.root / "child"
    runner = start(
        f"parent: sh -c 'echo $$ >> {child}; exec sleep 600' & while [ ! -s {child} ]; do :; done; exit 3"
    )
    assert "parent ended with exit code 3" in next(line for line in runner.stdout if "parent" in line)
    stopped(runner)
    assert all(map(gone, pids(child)))


def test_a_service_that_will_not_end_is_killed(desk: Desk):
    stubborn = desk.root / "stubborn"
    script = (
        "from queue import SimpleQueue; from stack.processes import Processes; import os, time\n"
        f"command = \"trap '' TERM; echo $$ > {stubborn}; while true; do sleep 1; done\"\n"
        "processes = Processes({'stubborn': command}, SimpleQueue()); processes.start()\n"
        f"while not os.path.exists({str(stubborn)!r}): time.sleep(0.05)\n"
        "processes.stop(within=0.5)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=30)
    assert gone(pid(stubborn))


def test_nothing_outlives_a_runner_that_was_killed(start: Start, desk: Desk):
    service = desk.root / "service"
    runner = start(f"steady: exec setpriv --pdeathsig TERM sh -c 'echo $$ > {service}; exec sleep 600'")
    process = pid(service)
    runner.kill()
    eventually(lambda: gone(process), what="the end of the service")


def test_it_waits_until_each_answers_and_then_shows_the_state(start: Start, desk: Desk):
    one, two = free_port(), free_port()
    runner = start(
        f"one: cd {desk.root} && {SERVER} {one}",
        f"two: cd {desk.root} && sleep 1; {SERVER} {two}",
        words=("--for", "8", f"one=http://127.0.0.1:{one}/", f"two=http://127.0.0.1:{two}/"),
    )
    told, _ = runner.communicate(timeout=30)
    lines = [line.strip() for line in told.splitlines()]
    assert runner.returncode == 0
    assert lines[:4] == ["waiting for one, two", "one is healthy", "two is healthy", "all are well"]
    # Without a terminal the state is one line when it changes, not one a reading.
    assert sum("nothing firing" in line for line in lines) == 1


def test_what_services_print_goes_to_their_files_and_not_to_the_terminal(start: Start, desk: Desk):
    runner = start("talker: echo said this; exec sleep 600", words=("--for", "1"))
    told, _ = runner.communicate(timeout=30)
    assert (desk.root / "logs/talker.log").read_text() == "said this\n"
    assert "said this" not in told


def earned(profit: float) -> Status:
    return Status((BotState("demo", up=True, state="running", profit_loss=profit, currency="USDT"),), (), 0)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_state_is_a_line_with_its_time_when_it_changes_and_none_for_the_money_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("COLUMNS", "40")
    screen, many = Screen(), ("TradingBotDown (demo)", "TradingBotLoopHung (demo)", "TradingBotCriticalLoss")
    for status in (earned(1), earned(2), Status((), many, 1)):
        screen.show(status)
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)
    assert lines[1].endswith(f"no bots | firing: {', '.join(many)} | open incidents: 1")
