"""`nightdesk up` with the real services, and what it refuses before the start."""

import json
import signal
import socket
import subprocess

import psutil
import pytest
import requests

from stack import binaries
from stack.binaries import MissingBinary, find
from stack.instance import running
from stack.keys import generate
from stack.services import local_services
from stack.settings import load
from tests.conftest import binary, eventually, has_ended
from tests.stack.conftest import Desk


def test_a_port_in_use_is_named_with_its_service_and_the_way_out(desk: Desk, offset: int):
    binary("prometheus")
    with socket.create_server(("127.0.0.1", 9090 + offset)):
        told = desk.run("up", "--port-offset", str(offset))
    assert told.returncode == 1
    assert f"services.prometheus.port: {9090 + offset} on 127.0.0.1" in told.stderr
    assert "--port-offset" in told.stderr
    assert not (desk.root / ".data/logs").exists()


def test_bad_settings_start_nothing(desk: Desk):
    desk.write(storage={"retention": "forever"})
    told = desk.run("up")
    assert told.returncode == 2
    assert "storage.retention: 'forever' is not a duration" in told.stderr
    assert not (desk.root / ".data").exists()


def test_a_secret_of_the_users_that_is_missing_starts_nothing(desk: Desk):
    desk.write(
        channels={"slack": {"enabled": True, "url_file": "secrets/slack"}},
    )
    told = desk.run("up")
    assert told.returncode == 2
    assert "channels.slack.url_file" in told.stderr
    assert not (desk.root / ".data/logs").exists()


@pytest.mark.parametrize(
    ("number", "shared", "told"),
    [(1, False, "webhook_actions.database_url_file: is not set"), (3, True, "no part has a number 3")],
)
def test_one_of_several_machines_needs_a_shared_database_and_a_known_number(
    desk: Desk, number: int, shared: bool, told: str
):
    binary("prometheus")
    (desk.root / "url").write_text("postgresql://nowhere/")
    both = [{"host": "desk-1", "port": 9099}, {"host": "desk-2", "port": 9099}]
    database = {"webhook_actions": {"database_url_file": "url"}} if shared else {}
    desk.write(services={"webhook_actions": {"replicas": both}}, **database)
    refused = desk.run("up", "--replica", str(number))
    assert refused.returncode == 1
    assert told in refused.stderr
    assert not (desk.root / ".data/logs").exists()


def test_a_missing_binary_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(desk.root))
    monkeypatch.setattr(binaries, "TOOLS", desk.root / ".tools")
    find.cache_clear()
    settings = load([desk.root / "monitoring.yaml"])
    try:
        with pytest.raises(MissingBinary, match="prometheus: not on PATH"):
            local_services(settings, desk.root, desk.root, [])
    finally:
        find.cache_clear()


def test_the_demo_bot_runs_only_where_settings_want_it(desk: Desk):
    binary("prometheus")
    desk.write(demo={"enabled": False})
    settings = load([desk.root / "monitoring.yaml"])
    names = [service.name for service in local_services(settings, desk.root, desk.root, [])]
    assert names[:5] == ["exporter", "webhook_actions", "prometheus", "alertmanager", "blackbox_exporter"]


def test_the_whole_stack_comes_up_is_seen_takes_new_settings_and_leaves_nothing(desk: Desk, offset: int):
    binary("prometheus")
    stack = subprocess.Popen(
        desk.command("up", "--port-offset", str(offset), "--speed", "10", "--watch"),
        cwd=desk.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    seen: list[str] = []
    eventually(lambda: running(desk.root / ".data"), what="the lock of its data")
    stack.send_signal(signal.SIGHUP)  # a reload during the start ends neither the stack nor a part of it
    try:
        for line in stack.stdout:
            seen.append(line.strip())
            if "Ctrl-C" in line:
                break
        assert "Ctrl-C" in (seen[-1] if seen else ""), seen
        assert [line for line in seen if "restarts it" in line] == []
        assert [line for line in seen if "the settings were reloaded" in line]
        settings = load([desk.root / "monitoring.yaml"], port_offset=offset)
        targets = f"{settings.services.prometheus.url}/api/v1/targets"
        eventually(lambda: _all_up(targets), within=90, what="the scrape of every target")
        told = desk.run("status", "--port-offset", str(offset))
        assert told.stdout.startswith("demo up running")
        parts = "exporter runs | prometheus runs | alertmanager runs | webhook_actions runs\n"
        assert (told.returncode, told.stdout.splitlines(keepends=True)[-1]) == (0, parts)
        listed = json.loads(desk.run("bots", "--json", "--port-offset", str(offset)).stdout)
        assert [(one["name"], one["state"], one["source"]) for one in listed] == [("demo", "running", "http")]
        assert "demo  running" in desk.run("bots", "--port-offset", str(offset)).stdout

        other = desk.run("up", "--port-offset", str(offset + 1))
        assert other.returncode == 1
        assert "another `nightdesk up` uses" in other.stderr

        rules = f"{settings.services.prometheus.url}/api/v1/rules"
        desk.write(thresholds={"critical": {"max_drawdown": 0.07}})
        told = _line(stack, "the settings were reloaded")
        assert "exporter" in told
        assert "prometheus" in told
        eventually(lambda: "> 0.07" in str(requests.get(rules, timeout=5).json()), what="the new limit")
        desk.write(thresholds={"critical": {"max_drawdown": 0.07}}, webhook_actions={"workers": 12})
        told = _line(stack, "the settings were reloaded")
        assert "webhook_actions" in told
        assert "prometheus" not in told, "it reads what it read before, and would drop alerts meanwhile"
        asked = desk.run("reload")
        assert (asked.returncode, asked.stdout) == (0, told.partition(" ")[2])
        desk.write(thresholds={"critical": {"max_drawdown": 7}})
        assert "thresholds.critical.max_drawdown" in _line(stack, "the settings stay unchanged")

        below = psutil.Process(stack.pid).children(recursive=True)
        assert len(below) >= 6
        stack.send_signal(signal.SIGINT)
        told, _ = stack.communicate(timeout=60)
        assert stack.returncode == 0, told
        assert [process for process in below if not has_ended(process)] == []
    finally:
        if stack.poll() is None:
            stack.terminate()
            stack.communicate(timeout=60)


def _line(stack: "subprocess.Popen[str]", text: str) -> str:
    """Return the next line that has a text in it."""
    return next(line for line in stack.stdout if text in line)


def _all_up(url: str) -> bool:
    targets = requests.get(url, timeout=5).json()["data"]["activeTargets"]
    return bool(targets) and all(target["health"] == "up" for target in targets)


def test_what_is_generated_for_the_stack_is_enough_for_check(desk: Desk):
    generate(load([desk.root / "monitoring.yaml"]))
    assert desk.run("check").returncode == 0
