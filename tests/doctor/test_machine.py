"""Ports, disk, clock and database."""

import shutil
import socket
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace

import pytest

from stack.doctor import machine
from stack.doctor.finding import Finding, Level
from stack.settings import Settings
from tests.conftest import free_port
from tests.doctor.conftest import Make, Server

PARTS = ("exporter", "prometheus", "alertmanager", "webhook_actions")


def at(settings: Settings, part: str) -> Finding:
    (found,) = [one for one in machine.ports(settings) if one.about == f"part {part}"]
    return found


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_answers_is_green(make: Make, server: Server, part: str):
    server.answers = {"/healthz": (200, "ok"), "/-/ready": (200, "ok")}
    assert at(make(services={part: {"port": server.port}}), part).level is Level.GREEN


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_does_not_run_names_what_starts_it(make: Make, part: str):
    found = at(make(services={part: {"port": free_port()}}), part)
    assert (found.level, found.way_out) == (Level.RED, "`nightdesk up` starts it")


def test_a_port_in_use_is_reported(make: Make):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = at(make(services={"exporter": {"port": port}}), "exporter")
    assert (found.level, found.says) == (Level.RED, f"another program listens on port {port}")
    assert "--port-offset" in found.way_out


def test_a_part_that_is_not_well_says_so_and_the_database_with_it(make: Make, server: Server):
    server.answers = {"/healthz": (503, "its database is gone")}
    settings = make(services={"webhook_actions": {"port": server.port}})
    assert "is NOT well" in at(settings, "webhook_actions").says
    (found,) = machine.database(settings)
    assert (found.level, "its database is gone" in found.says) == (Level.RED, True)
    server.answers = {"/healthz": (200, "ok")}
    assert next(iter(machine.database(settings))).level is Level.GREEN


def test_the_database_is_unknown_while_webhook_actions_does_not_answer(make: Make):
    (found,) = machine.database(make(services={"webhook_actions": {"port": free_port()}}))
    assert found.level is Level.YELLOW


@pytest.mark.parametrize(("free", "level"), [(300e9, Level.GREEN), (10e9, Level.YELLOW), (1e9, Level.RED)])
def test_a_disk_that_fills_is_yellow_then_red(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: float, level: Level
):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free, total=1000e9 / 10))
    (found,) = machine.disk(tmp_path / "not/there/yet")
    assert (found.level, found.about) == (level, f"disk of {tmp_path}")


@pytest.mark.parametrize(
    ("ahead", "level"), [(0, Level.GREEN), (10, Level.YELLOW), (-10, Level.YELLOW), (3600, Level.RED)]
)
def test_a_clock_that_differs_from_an_exchanges_is_reported(
    make: Make, server: Server, monkeypatch: pytest.MonkeyPatch, ahead: float, level: Level
):
    now = 1_800_000_000.0
    monkeypatch.setattr(machine, "time", SimpleNamespace(time=lambda: now + ahead))
    server.answers, server.headers = {"/": (200, "pong")}, {"Date": formatdate(now, usegmt=True)}
    probes = [
        {"name": "gone", "url": f"http://127.0.0.1:{free_port()}/"},
        {"name": "venue", "url": f"{server.url}/"},
    ]
    (found,) = machine.clock(make(collection={"probes": probes}))
    assert found.level is level
    assert found.says.endswith("of venue")


@pytest.mark.parametrize(("says", "level"), [("yes", Level.GREEN), ("no", Level.YELLOW)])
def test_without_an_exchange_the_system_is_asked_for_the_clock(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, level: Level
):
    program = tmp_path / "timedatectl"
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (found,) = machine.clock(make())
    assert found.level is level
