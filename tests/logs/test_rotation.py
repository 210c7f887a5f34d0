"""logrotate, or our own rotation, rotates a log that is written and followed: each line is read once."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter.logs.follow import Follower
from stack.logrotate import logrotate
from stack.rotation import rotate
from stack.settings import load
from tests.conftest import eventually

WRITER = Path(__file__).with_name("writing.py")
LOGROTATE = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_logrotate = pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed")


class Harness:
    """A log with its writer, its rotation by the settings, and the lines that a follower read."""

    def __init__(self, directory: Path, *, copy_truncate: bool, compress: bool, own: bool) -> None:
        self.log = directory / "bot.log"
        self.read: list[int] = []
        self._state = directory / "logrotate.state"
        self._config = directory / "bots.conf"
        source = {"type": "http", "url": "http://127.0.0.1:9", "token_file": "t"}
        settings = directory / "monitoring.yaml"
        settings.write_text(
            yaml.safe_dump(
                {
                    "bots": {"mine": {"source": source, "logs": ["bot.log"]}},
                    "logs": {"copy_truncate": copy_truncate, "compress": compress},
                }
            )
        )
        self._rules, self._own = load([settings]).logs, own
        self._config.write_text(logrotate(load([settings])))
        self._config.chmod(0o644)
        options = ["--keep-open"] if copy_truncate else []
        self.writer = subprocess.Popen([sys.executable, str(WRITER), str(self.log), *options])
        while not self.log.exists():
            time.sleep(0.01)

    def rotate(self, *, pause: bool) -> None:
        """Rotate now; `pause` the writer meanwhile, between two lines: truncating would cut one."""
        asked, paused = self.log.with_name("pause"), self.log.with_name("paused")
        if pause:
            asked.touch()
            eventually(paused.exists, what="the writer's pause")
        if self._own:
            rotate(self.log, self._rules, time.time())
        else:
            force = [LOGROTATE, "--force", "--state", self._state, self._config]
            subprocess.run(force, check=True, timeout=60)
        if pause:
            asked.unlink()
            eventually(lambda: not paused.exists(), what="the end of the writer's pause")

    def take(self, follower: Follower) -> None:
        """Read the new lines."""
        try:
            for block in follower.blocks(1 << 30):
                assert block.endswith(b"\n")
                self.read += [int(number) for number in re.findall(rb"order (\d+)\n", block)]
                assert len(re.findall(rb"order \d+\n", block)) == block.count(b"\n")
        except FileNotFoundError:
            pass  # between logrotate's renaming and the writer's next line

    def stop(self) -> int:
        """Stop the writer; return how many lines it wrote."""
        self.log.with_name("stop").touch()
        assert self.writer.wait(20) == 0
        return int(self.log.with_name("written").read_text())


@pytest.fixture(
    params=list(itertools.product((False, True), repeat=3)),
    ids=lambda all_: (
        ("copied and truncated" if all_[0] else "renamed")
        + (", compressed" if all_[1] else "")
        + (", by ourselves" if all_[2] else "")
    ),
)
def harness(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Harness]:
    tmp_path.chmod(0o755)
    copy_truncate, compress, own = request.param
    if not own and LOGROTATE is None:
        pytest.skip("logrotate is not installed")
    harness = Harness(tmp_path, copy_truncate=copy_truncate, compress=compress, own=own)
    harness.pause = copy_truncate
    yield harness
    harness.writer.kill()
    harness.writer.wait()


def rotate_while(harness: Harness, follower: Follower, *, meanwhile: bool) -> Follower:
    """Rotate three times, a second apart, since the second is part of a file's name."""
    for _ in range(3):
        until = time.monotonic() + 1.1
        while time.monotonic() < until:
            if meanwhile:
                harness.take(follower)
            time.sleep(0.02)
        harness.rotate(pause=harness.pause)
    return follower


def test_a_running_follower_reads_every_line_once(harness: Harness):
    follower = rotate_while(harness, Follower(harness.log), meanwhile=True)
    written = harness.stop()
    harness.take(follower)
    assert len(list(harness.log.parent.glob("bot.log.2*"))) == 3
    assert harness.read == list(range(written))
    assert follower.lost == 0


def test_a_follower_that_slept_through_three_rotations_reads_every_line_once(harness: Harness):
    follower = Follower(harness.log)
    while not harness.read:  # it cannot find the position in a file that it has never read
        harness.take(follower)
    rotate_while(harness, follower, meanwhile=False)
    written = harness.stop()
    harness.take(follower)
    assert harness.read == list(range(written))
    assert follower.lost == 0


def test_a_follower_started_again_after_rotations_goes_on_where_the_last_one_ended(harness: Harness):
    first = Follower(harness.log)
    harness.take(first)
    mark = first.mark
    first.close()
    rotate_while(harness, first, meanwhile=False)
    written = harness.stop()
    second = Follower(harness.log, mark)
    harness.take(second)
    assert harness.read == list(range(written))
    assert second.lost == 0
