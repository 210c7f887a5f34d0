"""kill -9 of the exporter while a log is written and rotated: its counters lose and repeat nothing."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests
import yaml

from tests.conftest import free_port

WRITER = Path(__file__).with_name("writing.py")
SPEED = "20"


class Exporter:
    """The exporter's process over one log."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "bot.log"
        self._directory = directory
        self._port = free_port()
        source = {"type": "http", "url": "http://127.0.0.1:9", "token_file": "t"}
        (directory / "t").write_text("t")
        (directory / "monitoring.yaml").write_text(
            yaml.safe_dump(
                {
                    "bots": {"mine": {"source": source, "logs": ["bot.log"]}},
                    "services": {"exporter": {"port": self._port}},
                }
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--config", "monitoring.yaml", "--data", "data", "--speed", SPEED]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "exporter", *options],
            cwd=self._directory,
            env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
            stderr=(self._directory / "exporter.err").open("ab"),
        )

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def counts(self) -> tuple[float, float] | None:
        """Return the counted lines and failures, None without a count."""
        try:
            page = requests.get(f"http://127.0.0.1:{self._port}/metrics?collect[]=logs", timeout=5).text
        except requests.ConnectionError:
            return None
        lines = re.search(r"^trading_bot_log_lines_total\{.*\} (\S+)$", page, re.M)
        failures = re.search(r'^trading_bot_log_events_total\{.*event="failed_to".*\} (\S+)$', page, re.M)
        return (float(lines[1]), float(failures[1])) if lines and failures else None

    def wait_for(self, at_least: float) -> tuple[float, float]:
        """Return the counts once they include so many lines."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            counts = self.counts()
            if counts and counts[0] >= at_least:
                return counts
            time.sleep(0.05)
        raise AssertionError(f"{self.counts()} after a minute, {at_least} lines were expected")


def test_counters_go_on_after_kill_9_without_a_line_lost_or_repeated(tmp_path: Path):
    exporter = Exporter(tmp_path)
    writer = subprocess.Popen([sys.executable, str(WRITER), str(exporter.log)])
    seen = 1.0
    try:
        for round_ in range(3):
            exporter.start()
            before, seen = seen, exporter.wait_for(seen + 1)[0]
            assert seen > before  # never back, or Prometheus would take it for a reset and count all again
            if round_ == 1:
                exporter.log.rename(tmp_path / "bot.log.1")
            exporter.kill()
        (tmp_path / "stop").touch()
        assert writer.wait(20) == 0
        written = int((tmp_path / "written").read_text())
        exporter.start()
        assert exporter.wait_for(written) == (written, written)
        time.sleep(1)
        assert exporter.counts() == (written, written)
    finally:
        writer.kill()
        writer.wait()
        exporter.kill()
