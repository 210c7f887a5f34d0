"""After a start or a reload Prometheus soon resends the alerts that fired while it knew no Alertmanager."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from stack.binaries import alertmanager_command
from stack.flags import write_flags
from stack.render import ROOT, as_data, evaluate
from stack.settings import Settings, load
from tests.conftest import binary, eventually, free_port

DISCOVERED = 5.0  # seconds within which Prometheus knows an Alertmanager after a start or a reload
AGAIN = 15.0  # seconds after which it sends dropped alerts: the default of collection.evaluation_interval
SLACK = 5.0


@dataclass
class Pair:
    """A Prometheus with the rendered flags, and the Alertmanager that its rendered configuration names."""

    directory: Path
    settings: Settings
    prometheus: subprocess.Popen[bytes]

    def fires(self, alert: str) -> None:
        """Write a rule that always fires."""
        rule = {"alert": alert, "expr": "vector(1)", "labels": {"severity": "critical"}}
        groups = {"groups": [{"name": alert, "interval": "1s", "rules": [rule]}]}
        (self.directory / "rules" / f"{alert}.yml").write_text(yaml.safe_dump(groups))

    def reload(self) -> None:
        """Make Prometheus reload its files, as a reload of settings does."""
        self.prometheus.send_signal(signal.SIGHUP)

    def held(self) -> set[str]:
        """Return the alerts that Alertmanager holds."""
        url = f"{self.settings.services.alertmanager.url}/api/v2/alerts"
        return {each["labels"]["alertname"] for each in requests.get(url, timeout=10).json()}

    def dropped(self) -> float:
        """Return how many alerts Prometheus dropped."""
        text = requests.get(f"{self.settings.services.prometheus.url}/metrics", timeout=10).text
        found = [line for line in text.splitlines() if line.startswith("prometheus_notifications_dropped")]
        return sum(float(line.rpartition(" ")[2]) for line in found)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Run Alertmanager, then Prometheus with an alert that fires from the start."""
    binary("prometheus")
    ports = {name: free_port() for name in ("prometheus", "alertmanager")}
    config = tmp_path / "monitoring.yaml"
    config.write_text(yaml.safe_dump({"services": {name: {"port": port} for name, port in ports.items()}}))
    settings = load([config])
    write_flags(settings, tmp_path / "build", tmp_path / "build")
    made: dict[str, Any] = evaluate(ROOT / "prometheus/prometheus.jsonnet", json.dumps(as_data(settings)))
    (tmp_path / "rules").mkdir()
    written = {"rule_files": ["rules/*.yml"], "alerting": made["prometheus.yml"]["alerting"]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(written))
    (tmp_path / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with ExitStack() as stack:
        stack.enter_context(
            running(
                alertmanager_command(
                    f"--config.file={tmp_path / 'alertmanager.yml'}",
                    f"--storage.path={tmp_path / 'alertmanager'}",
                    f"--web.listen-address=127.0.0.1:{ports['alertmanager']}",
                    "--cluster.listen-address=",
                )
            )
        )
        eventually(lambda: ready(settings.services.alertmanager.url), what="Alertmanager")
        both = Pair(tmp_path, settings, subprocess.Popen(["true"]))
        both.fires("AtTheStart")
        command = [
            str(binary("prometheus")),
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
            f"@{tmp_path / 'build/prometheus/flags'}",
        ]
        both.prometheus = stack.enter_context(running(command))
        eventually(lambda: ready(settings.services.prometheus.url), what="Prometheus")
        yield both


class running:  # noqa: N801 - reads as a word of the `with` that it stands in
    """A process while in the block."""

    def __init__(self, command: list[str]) -> None:
        self._command = command

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


def ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=2).ok
    except requests.RequestException:
        return False


def test_what_fires_at_a_start_or_right_after_a_reload_reaches_alertmanager_within_seconds(
    pair: Pair,
) -> None:
    within = DISCOVERED + AGAIN + SLACK
    eventually(lambda: "AtTheStart" in pair.held(), within=within, what="the alert of the start")
    pair.fires("AfterTheReload")
    began = time.monotonic()
    pair.reload()
    eventually(lambda: "AfterTheReload" in pair.held(), within=within, what="the alert of the reload")
    assert time.monotonic() - began < within
    assert pair.dropped() > 0, "this Prometheus keeps its Alertmanagers: the test shows nothing"
