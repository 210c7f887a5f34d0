"""Fixtures of the stack's tests: a desk of its own, with settings in its own directory."""

import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.conftest import free_port

PORTS = [8000, 8081, 9099, 9090, 9093, 9115, 3000]


@dataclass(frozen=True)
class Desk:
    """A directory with a monitoring.yaml, and the command `nightdesk` run in it."""

    root: Path

    def write(self, **settings: object) -> Path:
        """Write the settings; they include the demo bot unless they say otherwise."""
        file = self.root / "monitoring.yaml"
        file.write_text(yaml.safe_dump({"demo": {"enabled": True}} | settings), encoding="utf-8")
        return file

    def command(self, *words: str) -> Sequence[str]:
        return [sys.executable, "-m", "stack.cli", *words]

    def run(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `nightdesk` to its end."""
        return subprocess.run(
            self.command(*words), cwd=self.root, capture_output=True, text=True, timeout=timeout
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.write()
    return desk


@pytest.fixture
def offset() -> int:
    return free_offset()


def free_offset() -> int:
    """Return a --port-offset at which every port of the stack is free."""
    for _ in range(100):
        candidate = free_port() % 12_000 + 10_000  # below the ports of outgoing connections
        if all(_free(port + candidate) for port in PORTS):
            return candidate
    pytest.fail("no offset with free ports")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
