"""A restart by a program of the settings, tested with real programs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from stack.settings.bots import STARTED_BOT
from webhook_actions.bots.command import CommandAdapter
from webhook_actions.outcome import Result


def free() -> None:
    """Allow every request."""


SHOW = [sys.executable, "-c", "import sys; print(sys.argv[1:])"]


def test_a_program_gets_the_bots_name_as_one_argument_and_no_shell_reads_it(tmp_path: Path) -> None:
    name = f"$(touch {tmp_path}/hacked); `touch {tmp_path}/hacked` * 'x"
    outcome = CommandAdapter([*SHOW, "restart", "{bot}"], name, 20, free).restart(0, "key")
    assert outcome.done
    assert repr(["restart", name]) in outcome.detail
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("program", "result", "says"),
    [
        (
            [sys.executable, "-c", "print('disk full'); raise SystemExit(3)"],
            Result.RETRY,
            "with 3: disk full",
        ),
        (["/nowhere/restart"], Result.FAILED, "cannot be started: No such file"),
    ],
)
def test_a_program_that_fails_says_how(program: list[str], result: Result, says: str) -> None:
    outcome = CommandAdapter(program, "alpha", 0.5, free).restart(0, "key")
    assert outcome.result is result
    assert says in outcome.detail


def test_a_program_that_does_not_end_is_the_bot_and_ends_only_before_the_next_start(tmp_path: Path) -> None:
    began = tmp_path / "began"
    says = f"import os, time; open({str(began)!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(60)"
    adapter = CommandAdapter([sys.executable, "-c", says], "alpha", 2, free)
    outcomes = [adapter.restart(0, "key") for _ in range(2)]
    first, second = (int(line) for line in began.read_text().split())
    try:
        assert all(outcome.done for outcome in outcomes)
        assert "still runs after 2s, as a bot does" in outcomes[1].detail
        assert not psutil.pid_exists(first)
        assert STARTED_BOT in psutil.Process(second).environ(), "a stop of Nightdesk spares it"
    finally:
        adapter._end_the_last()
    assert not psutil.pid_exists(second)


def test_a_bot_that_an_earlier_engine_started_ends_before_the_next_start(tmp_path: Path) -> None:
    began = tmp_path / "began"
    says = f"import os, time; open({str(began)!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(60)"
    program = [sys.executable, "-c", says, "{bot}"]
    earlier = (
        "import sys; from webhook_actions.bots.command import CommandAdapter; "
        "CommandAdapter(sys.argv[2:], sys.argv[1], 2, lambda: None).restart(0, 'key')"
    )
    for bot in ("alpha", "beta"):
        subprocess.run([sys.executable, "-c", earlier, bot, *program], check=True)
    adapter = CommandAdapter(program, "alpha", 2, free)
    try:
        adapter.restart(0, "key")
        alpha, beta, again = (int(line) for line in began.read_text().split())
        assert not psutil.pid_exists(alpha)
        assert psutil.pid_exists(beta), "another bot's program goes on"
        assert psutil.pid_exists(again)
    finally:
        for bot in ("alpha", "beta"):
            CommandAdapter(program, bot, 2, free)._end_the_last()


def test_a_program_that_leaves_the_bot_in_the_background_has_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    leaves = f"sleep 60 & echo $! > {pid}; echo started"
    outcome = CommandAdapter(["/bin/sh", "-c", leaves], "alpha", 20, free).restart(0, "key")
    os.kill(int(pid.read_text()), signal.SIGKILL)
    assert outcome.done, outcome
    assert "started" in outcome.detail
