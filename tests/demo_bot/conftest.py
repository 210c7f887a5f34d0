"""Starts real demo bots on free ports and calls them as Nightdesk does."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.conftest import eventually, free_port

TOKEN = "a token of the tests"


@dataclass
class Bot:
    """A supervisor with its trading process."""

    process: subprocess.Popen[bytes]
    port: int
    data: Path

    def ask(self, method: str, path: str, token: str | None = TOKEN, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        headers |= more.pop("headers", {})
        url = f"http://127.0.0.1:{self.port}{more.pop('at', '')}/api/v1{path}"
        return requests.request(method, url, headers=headers, timeout=more.pop("timeout", 10), **more)

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self) -> Any:
        return self.get("/state")

    def control(self, verb: str, arguments: Any = None, key: str | None = None) -> requests.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.ask("POST", f"/control/{verb}", json=arguments, headers=headers)

    def done(self, verb: str, arguments: Any = None) -> str:
        answer = self.control(verb, arguments)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"done": True, "verb": verb, "detail": answer.json()["detail"]}
        return str(answer.json()["detail"])

    def fault(self, name: str, arguments: Any = None) -> None:
        answer = self.ask("POST", f"/faults/{name}", json=arguments)
        assert answer.status_code == 200, answer.text

    def mend(self, name: str) -> None:
        assert self.ask("DELETE", f"/faults/{name}").status_code == 200

    def is_on(self, name: str) -> bool | None:
        found: bool | None = self.get("/faults")["faults"][name].get("active")
        return found

    def trades(self) -> list[dict[str, Any]]:
        trades, more = [], True
        while more:
            page = self.get(f"/trades?since_id={trades[-1]['id'] if trades else 0}&limit=50")
            trades, more = trades + page["trades"], page["more"]
        return trades

    def log(self) -> str:
        return (self.data / "demo_bot.log").read_text()

    def is_up(self) -> bool:
        assert self.process.poll() is None, "the supervisor ended"
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/healthz", timeout=10).status_code == 200
        except requests.ConnectionError:
            return False

    def end(self) -> None:
        """End the supervisor, and the trading process even if a test has frozen it."""
        children = psutil.Process(self.process.pid).children() if self.process.poll() is None else []
        for child in children:
            child.resume()
        self.process.terminate()
        self.process.wait(15)


Start = Callable[..., Bot]


def launch(home: Path, *options: str, demo: dict[str, Any] | None = None) -> Bot:
    port = free_port()
    (home / "token").write_text(TOKEN + "\n")
    settings = {
        "demo": {"enabled": True, "token_file": "token"} | (demo or {}),
        "services": {"demo_bot": {"port": port}},
    }
    (home / "monitoring.yaml").write_text(json.dumps(settings))
    files = [f"--config={home / 'monitoring.yaml'}", f"--data={home / 'data'}"]
    command = [sys.executable, "-m", "demo_bot", *files, "--pace=0.3", *options]
    with (home / "supervisor.log").open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    bot = Bot(process, port, home / "data")
    eventually(bot.is_up, what="the start of the demo bot")
    return bot


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a bot for one test; the same directory continues its account."""
    started: list[Bot] = []

    def start(*options: str, demo: dict[str, Any] | None = None) -> Bot:
        started.append(launch(tmp_path, *options, demo=demo))
        return started[-1]

    yield start
    for bot in started:
        bot.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A bot for all tests of a module."""
    bot = launch(tmp_path_factory.mktemp("bot"))
    yield bot
    bot.end()


@pytest.fixture
def bot(shared: Bot) -> Bot:
    """The shared bot, running and without faults."""
    for name, fault in shared.get("/faults")["faults"].items():
        if fault.get("active") is not False and not fault["momentary"]:
            shared.mend(name)
    shared.done("start")
    shared.done("resume")
    return shared
