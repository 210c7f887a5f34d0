"""Fixtures of the stack's tests: a desk of its own, with settings in a directory that nothing else uses."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml


@dataclass(frozen=True)
class Desk:
    """A directory with a monitoring.yaml, and the command `nightdesk` run in it."""

    root: Path

    def write(self, **settings: object) -> Path:
        """Write the settings; the demo bot is watched unless they say otherwise."""
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
