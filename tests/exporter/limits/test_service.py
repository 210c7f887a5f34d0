"""A real exporter keeps its limits over a kill, and `nightdesk limits` shows the rest of each."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import eventually, free_port
from tests.exporter.harness import ScriptedBot, serve
from tests.exporter.test_service import ROOT, Exporter, http, running

LIMITS = [
    {"name": "top", "kind": "maximum", "money": 1000, "trails": "intraday"},
    {"name": "own part", "kind": "maximum", "ratio": 0.5},
]
SETTINGS: dict[str, Any] = {
    "collection": {"timeout": "1s", "trading": {"interval": "1s"}},
    "accounts": {"main": {"bots": ["a", "b"], "limits": LIMITS}},
}


def state(profit_open: float) -> dict[str, Any]:
    return {"starting_capital": 10_000, "profit_realised": 0, "profit_open": profit_open}


@dataclass
class Desk:
    root: Path
    port: int
    bots: dict[str, ScriptedBot]
    urls: dict[str, str]

    def start(self, stack: ExitStack) -> Exporter:
        bots: dict[str, object] = {name: http(url) for name, url in self.urls.items()}
        return stack.enter_context(running(self.root, bots, port=self.port, **SETTINGS))

    def top(self, exporter: Exporter) -> dict[str, Any]:
        found = json.loads(exporter.get("/limits")[1])["limits"]
        return next(dict(each) for each in found if each["limit"] == "top")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        words = ("limits", *words, "--config", str(self.root / "monitoring.yaml"))
        return subprocess.run(
            [sys.executable, "-m", "stack.cli", *words], cwd=ROOT, capture_output=True, text=True, timeout=60
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    bots = {name: ScriptedBot(state(0)) for name in ("a", "b")}
    with ExitStack() as stack:
        urls = {name: stack.enter_context(serve(bot)) for name, bot in bots.items()}
        yield Desk(tmp_path, free_port(), bots, urls)


def test_a_kill_of_the_exporter_forgets_no_mark_and_a_bot_that_is_gone_takes_nothing_back(desk: Desk):
    with ExitStack() as stack:
        exporter = desk.start(stack)
        eventually(lambda: desk.top(exporter)["left"] == "1000.0", what="the first polls")
        desk.bots["a"].state = state(1500.25)
        eventually(lambda: desk.top(exporter)["threshold"] == "20500.25", what="the mark to trail")
        desk.bots["b"].state = state(-900.10)
        eventually(lambda: desk.top(exporter)["left"] == "99.90", what="the loss")
        exporter.process.send_signal(signal.SIGKILL)
        exporter.process.wait(30)
    desk.bots["b"].status = 500
    with ExitStack() as stack:
        exporter = desk.start(stack)
        eventually(lambda: exporter.up("b") == 0 and exporter.up("a") == 1, what="the polls after the kill")
        found = desk.top(exporter)
        assert (found["left"], found["threshold"], found["gap"]) == ("99.90", "20500.25", "b: no answer")
        desk.bots["a"].state = state(3000)  # b is unknown
        told = desk.command()
        assert told.returncode == 0, told.stderr
        [line] = [line for line in told.stdout.splitlines() if " top " in line]
        words = " ".join(line.split())
        assert words.startswith("account main top 90.0% 80% 99.90 USDT 1,000.00 USDT 20,500.25 USDT ")
        assert words.endswith("s ago acts; b: no answer")
        desk.bots["b"].status = 200
        eventually(lambda: desk.top(exporter)["gap"] == "", what="b to answer again")
        assert desk.top(exporter)["left"] == "1000.0"


def test_the_command_shows_the_limits_of_one_bot_or_account_and_refuses_what_is_not_there(desk: Desk):
    with ExitStack() as stack:
        exporter = desk.start(stack)
        eventually(lambda: desk.top(exporter)["left"] == "1000.0", what="the first polls")
        every = desk.command().stdout.splitlines()
        assert [line.split("  ")[0] for line in every] == ["bot or account", "a", "b", *["account main"] * 2]
        of_a = desk.command("--bot", "a").stdout.splitlines()
        assert [line.split("  ")[0] for line in of_a] == ["bot or account", "a", *["account main"] * 2]
        of_main = desk.command("--account", "main").stdout.splitlines()
        assert [line.split("  ")[0] for line in of_main] == ["bot or account", *["account main"] * 2]
        strange = desk.command("--bot", "c")
        assert (strange.returncode, strange.stderr) == (2, "bots: c does not exist; known: a, b\n")
    gone = desk.command()
    assert gone.returncode == 1
    assert "does not answer; `nightdesk up` starts it" in gone.stderr
