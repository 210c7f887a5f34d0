"""The whole stack as `nightdesk up` starts it, with every wait divided by SPEED."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from stack.settings import Settings, load
from tests.conftest import binary, eventually, free_port
from tests.freqtrade_replay import PASSWORD, USER, Recording, serve
from tests.webhook_actions.escalation.harness import Mailbox

SPEED = 60
_REPORT_AFTER = timedelta(minutes=2)  # so that there is something to report
ROOT = Path(__file__).parents[2]
PROGRAMS = ("prometheus", "alertmanager", "blackbox_exporter")


@dataclass(frozen=True)
class Stack:
    """A running stack: its settings, and requests to it from outside."""

    config: Path
    settings: Settings
    recording: Recording
    mailbox: Mailbox

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return Prometheus's answer, as (labels, value)."""
        url = f"{self.settings.services.prometheus.url}/api/v1/query"
        answer = requests.get(url, params={"query": expression}, timeout=10).json()
        return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]

    def value(self, expression: str) -> float | None:
        """Return the value of a query with one answer, None without one."""
        found = self.query(expression)
        return found[0][1] if found else None

    def alertmanager(self) -> list[tuple[str, str]]:
        """Return the alerts that Alertmanager holds, as (name, bot)."""
        url = f"{self.settings.services.alertmanager.url}/api/v2/alerts"
        labels = [alert["labels"] for alert in requests.get(url, timeout=10).json()]
        return [(each["alertname"], each.get("bot", "")) for each in labels]

    def says(self, alert: str, bot: str) -> str:
        """Return the description of an alert as Prometheus renders it now."""
        url = f"{self.settings.services.prometheus.url}/api/v1/alerts"
        held = requests.get(url, timeout=10).json()["data"]["alerts"]
        found = {(each["labels"]["alertname"], each["labels"].get("bot")): each for each in held}
        return str(found[alert, bot]["annotations"]["description"])

    def incidents(self, alert: str, bot: str) -> list[dict[str, Any]]:
        """Return the incidents of one alert of one bot, oldest first."""
        token = self.settings.webhook_actions.tokens.read_file.read_text().strip()
        url = f"{self.settings.services.webhook_actions.url}/api/v1/incidents?state=all"
        answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10).json()
        every = reversed(answer["incidents"])
        return [each for each in every if (each["alert"], each["bot"]) == (alert, bot)]

    def demo(self, method: str, path: str, arguments: Mapping[str, float] | None = None) -> requests.Response:
        """Call the demo bot's API."""
        token = self.settings.demo.token_file.read_text().strip()
        url = f"{self.settings.services.demo_bot.url}/api/v1/{path}"
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, url, headers=headers, json=arguments, timeout=10)


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start `nightdesk up` with the demo bot and the recorded Freqtrade, and stop it at the end."""
    for program in PROGRAMS:
        binary(program)
    directory = tmp_path_factory.mktemp("stack")
    recording, mailbox = Recording(now=True), Mailbox()
    with serve(recording) as url, mailbox.serving() as smtp:
        (directory / "freqtrade_password").write_text(PASSWORD)
        config = directory / "monitoring.yaml"
        config.write_text(yaml.safe_dump(_settings(url, smtp)))
        options = ["--config", str(config), "--data", str(directory / "data"), "--speed", str(SPEED)]
        log = (directory / "up.log").open("wb")
        up = subprocess.Popen(
            [sys.executable, "-m", "stack.cli", "up", *options], cwd=ROOT, stdout=log, stderr=log
        )
        try:
            settings = load([config], speed=SPEED)
            made = Stack(config, settings, recording, mailbox)
            eventually(lambda: _sees_both(made, up, directory), within=60, what="the stack")
            yield made
        finally:
            os.kill(up.pid, signal.SIGINT)
            assert up.wait(40) == 0, (directory / "up.log").read_text()


def _settings(freqtrade: str, smtp: int) -> dict[str, Any]:
    source = {
        "type": "freqtrade",
        "url": freqtrade,
        "username": USER,
        "password_file": "freqtrade_password",
    }
    names = ("exporter", "demo_bot", "webhook_actions", *PROGRAMS, "grafana")
    ports = {name: free_port() for name in names}
    reached = f"http://127.0.0.1:{ports['prometheus']}/-/healthy"
    return {
        "demo": {"enabled": True},
        "bots": {"recorded": {"source": source}},
        "services": {name: {"port": port} for name, port in ports.items()},
        "actions": {"restart": {"boot": "4s"}},
        "collection": {"timeout": "500ms", "probes": [{"name": "near", "url": reached}]},
        "sla": {"requests_minimum": 5},  # of the few samples in a rate's window at this speed
        "routing": {"info_hours": None},  # the summary is sent at night, too
        "summaries": _only_the_daily(datetime.now(UTC) + _REPORT_AFTER),
        "channels": {
            "email": {
                "enabled": True,
                "host": "127.0.0.1",
                "port": smtp,
                "starttls": False,
                "from": "desk@example.org",
                "to": ["owner@example.org"],
            }
        },
    }


def _only_the_daily(at: datetime) -> dict[str, Any]:
    """Return the names of the summaries; those of a Sunday or a month's end would disturb the tests."""
    return {
        "daily": {"at": f"{at:%H:%M}"},
        "weekly": {"enabled": False},
        "monthly": {"enabled": False},
    }


def _sees_both(stack: Stack, up: subprocess.Popen[bytes], directory: Path) -> bool:
    assert up.poll() is None, (directory / "up.log").read_text()
    try:
        engine = requests.get(f"{stack.settings.services.webhook_actions.url}/healthz", timeout=10)
        return engine.ok and len(stack.query("trading_bot_up == 1")) == 2
    except requests.RequestException:
        return False
