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


class World:
    """A log with its writer, the rotation that settings give it, and what a follower read of it."""

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
        """Read what is new."""
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
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    tmp_path.chmod(0o755)
    copy_truncate, compress, own = request.param
    if not own and LOGROTATE is None:
        pytest.skip("logrotate is not installed")
    world = World(tmp_path, copy_truncate=copy_truncate, compress=compress, own=own)
    world.pause = copy_truncate
    yield world
    world.writer.kill()
    world.writer.wait()


def rotate_while(world: World, follower: Follower, *, meanwhile: bool) -> Follower:
    """Rotate three times, at times a second apart since the files are named by it."""
    for _ in range(3):
        until = time.monotonic() + 1.1
        while time.monotonic() < until:
            if meanwhile:
                world.take(follower)
            time.sleep(0.02)
        world.rotate(pause=world.pause)
    return follower


def test_a_running_follower_reads_every_line_once(world: World):
    follower = rotate_while(world, Follower(world.log), meanwhile=True)
    written = world.stop()
    world.take(follower)
    assert len(list(world.log.parent.glob("bot.log.2*"))) == 3
    assert world.read == list(range(written))
    assert follower.lost == 0


def test_a_follower_that_slept_through_three_rotations_reads_every_line_once(world: World):
    follower = Follower(world.log)
    while not world.read:  # what it has never read from is no place that it could find again
        world.take(follower)
    rotate_while(world, follower, meanwhile=False)
    written = world.stop()
    world.take(follower)
    assert world.read == list(range(written))
    assert follower.lost == 0


def test_a_follower_started_again_after_rotations_goes_on_where_the_last_one_ended(world: World):
    first = Follower(world.log)
    world.take(first)
    mark = first.mark
    first.close()
    rotate_while(world, first, meanwhile=False)
    written = world.stop()
    second = Follower(world.log, mark)
    world.take(second)
    assert world.read == list(range(written))
    assert second.lost == 0
