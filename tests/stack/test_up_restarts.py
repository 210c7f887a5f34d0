"""Each part of a real stack is killed: it comes back, or people are notified, and the others continue."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable

import psutil
import requests

from stack.settings import Settings, load
from tests.conftest import binary, eventually
from tests.stack.conftest import Desk

PARTS = ("demo_bot", "exporter", "webhook_actions", "prometheus", "alertmanager", "blackbox_exporter")


def test_a_killed_part_comes_back_and_one_that_cannot_is_reported(desk: Desk, offset: int):
    binary("prometheus")
    stack = subprocess.Popen(
        desk.command("up", "--port-offset", str(offset), "--speed", "10"),
        cwd=desk.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        _until(stack, "Ctrl-C")
        settings = load([desk.root / "monitoring.yaml"], port_offset=offset)
        for part in PARTS:
            leader = _leader(stack.pid, getattr(settings.services, part).port)
            leader.kill()
            _until(stack, f"{part} was ended by SIGKILL; Nightdesk restarts it in 1 s")
            _until(stack, f"{part} is healthy again")
        asked = ("status", "--port-offset", str(offset))
        eventually(
            lambda: desk.run(*asked).stdout.startswith("demo up running"), within=60, what="a watched bot"
        )
        eventually(lambda: not _red(desk, offset), within=90, what="a stack that the doctor finds well")
        _the_exporter_cannot_be_started(stack, settings, lambda: _red(desk, offset))
        assert "exporter was ended by SIGKILL" in (desk.root / ".data/logs/nightdesk.log").read_text()
        stack.send_signal(signal.SIGTERM)
        stack.communicate(timeout=60)
        assert stack.returncode == 0
    finally:
        if stack.poll() is None:
            stack.terminate()
            stack.communicate(timeout=60)


def _red(desk: Desk, offset: int) -> set[str]:
    """Return the doctor's red findings."""
    told = desk.run("doctor", "--json", "--port-offset", str(offset), "--speed", "10")
    found = {one["about"] for one in json.loads(told.stdout) if one["level"] == "red"}
    assert told.returncode == (1 if found else 0)
    return found


def _the_exporter_cannot_be_started(
    stack: "subprocess.Popen[str]", settings: Settings, red: Callable[[], set[str]]
) -> None:
    """Another program takes its port: Alertmanager and the terminal report it, and it comes back."""
    port = settings.services.exporter.port
    _leader(stack.pid, port).kill()
    with _taken(port):
        _until(stack, "times in a row: exporter ended with exit code 1")
        eventually(lambda: "TradingBotExporterDown" in _alerts(settings), within=60, what="ExporterDown")
        assert {"part exporter", "targets of Prometheus"} <= red()
        assert stack.poll() is None
    _until(stack, "exporter is healthy again")


def _taken(port: int) -> socket.socket:
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > deadline:
                raise


def _leader(runner: int, port: int) -> psutil.Process:
    """Return the process right below the runner, or below its child, that listens on a port."""
    for leader in psutil.Process(runner).children():
        family = [leader, *leader.children(recursive=True)]
        if any(
            port == one.laddr.port
            for each in family
            for one in each.net_connections()
            if one.status == "LISTEN"
        ):
            return leader
    raise AssertionError(f"nobody below the runner listens on {port}")


def _alerts(settings: Settings) -> set[str]:
    found = requests.get(f"{settings.services.alertmanager.url}/api/v2/alerts", timeout=5).json()
    return {one["labels"]["alertname"] for one in found}


def _until(stack: "subprocess.Popen[str]", text: str) -> None:
    """Read the runner's output up to a text."""
    seen = []
    for line in stack.stdout:
        seen.append(line)
        if text in line:
            return
    raise AssertionError(f"{text!r} was not said: {seen}")
