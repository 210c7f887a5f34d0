"""`nightdesk up --ha`: a crash heals once while one of each part is killed, and all come back."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import yaml

from stack.settings import Settings, load
from stack.up import HA
from tests.conftest import binary, eventually, free_port
from tests.end_to_end.conftest import PROGRAMS, ROOT

SPEED = 30
MARKS = {
    "exporter": "-m exporter",
    "webhook_actions": "-m webhook_actions --",
    "postgres": "bin/postgres -D",
    "prometheus": "--storage.tsdb.path",
    "alertmanager": "--storage.path",
}


@dataclass(frozen=True)
class Desk:
    """A running `nightdesk up --ha`."""

    settings: Settings
    up: psutil.Process
    log: Path

    def processes(self, part: str) -> list[psutil.Process]:
        found = []
        for process in self.up.children(recursive=True):
            try:
                if MARKS[part] in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def crashes(self) -> list[dict[str, Any]]:
        """Return the incidents of the demo bot's crashes, from whichever engine answers."""
        token = self.settings.webhook_actions.tokens.read_file.read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        for url in self.settings.services.webhook_actions.urls:
            try:
                answer = requests.get(f"{url}/api/v1/incidents?state=all", headers=headers, timeout=5).json()
            except requests.RequestException:
                continue
            every = answer.get("incidents", [])
            return [one for one in every if (one["alert"], one["bot"]) == ("TradingBotDown", "demo")]
        return []

    def seen(self) -> bool:
        """Return whether each Prometheus sees the demo bot up."""
        try:
            answers = [
                requests.get(f"{url}/api/v1/query", params={"query": "trading_bot_up == 1"}, timeout=5).json()
                for url in self.settings.services.prometheus.urls
            ]
        except requests.RequestException:
            return False
        return all(answer["data"]["result"] for answer in answers)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    for program in PROGRAMS:
        binary(program)
    config = tmp_path / "monitoring.yaml"
    config.write_text(yaml.safe_dump({"demo": {"enabled": True}}))
    offset = _offset(config)
    options = ["--config", str(config), "--data", str(tmp_path / "data"), "--speed", str(SPEED)]
    log = tmp_path / "up.log"
    with log.open("wb") as out:
        up = subprocess.Popen(
            [sys.executable, "-m", "stack.cli", "up", "--ha", *options, "--port-offset", str(offset)],
            cwd=ROOT, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        made = Desk(load([config, HA], port_offset=offset, speed=SPEED), psutil.Process(up.pid), log)
        eventually(lambda: up.poll() is not None or "Ctrl-C" in log.read_text(), within=120, what="the stack")
        assert up.poll() is None, log.read_text()
        yield made
    finally:
        if up.poll() is None:
            up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0, log.read_text()


def _offset(config: Path) -> int:
    """Return an offset at which every port is free, those of gossip too."""
    for _ in range(50):
        offset = free_port() % 20_000 + 10_000
        services = load([config, HA], port_offset=offset).services
        every = [each.port for _, part in services for each in getattr(part, "all", (part,))]
        if all(_free(port) and _free(port + 1) for port in every):
            return offset
    pytest.fail("no offset with free ports")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_crash_is_healed_once_while_one_of_each_part_is_killed_and_comes_back(desk: Desk):
    eventually(desk.seen, within=90, what="the demo bot in both Prometheus")
    before = {part: len(desk.processes(part)) for part in MARKS}
    assert before == {"exporter": 2, "webhook_actions": 3, "postgres": 1, "prometheus": 2, "alertmanager": 3}
    token = desk.settings.demo.token_file.read_text().strip()
    url = f"{desk.settings.services.demo_bot.url}/api/v1/faults/crash"
    requests.post(url, headers={"Authorization": f"Bearer {token}"}, timeout=10).raise_for_status()
    killed = [desk.processes(part)[0].pid for part in MARKS]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(
        lambda: any(one["closed_at"] for one in desk.crashes()), within=150, what="the end of the incident"
    )
    restarts = [step for one in desk.crashes() for step in one["steps"] if step["action"] == "restart_bot"]
    assert [step["verdict"] for step in restarts] == ["verified"]

    def back() -> bool:
        return {part: len(desk.processes(part)) for part in MARKS} == before

    eventually(back, within=60, what="the return of all")
    assert desk.log.read_text().count("it is started again") >= len(killed)
