"""Puts blocks into a data directory of Prometheus: all blocks of one history or none, also after a crash."""

import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from exporter.sources.journal import folder

_MOVING: Final = "moving"  # names the blocks that are being moved, one a line
_DELETED: Final = ".tmp-for-deletion"  # Prometheus ignores such a directory, and removes it at its start


class Busy(Exception):
    """Another process fills in the same history."""


@contextmanager
def all_or_none(data: Path, history: str, tell: Callable[[str], None]) -> Iterator[Path]:
    """Yield a directory for the blocks of a history, and move them into `data` at the end.

    A history that fails leaves nothing. If a process was killed, the next one removes its blocks and logs
    that. Raises Busy, OSError.
    """
    staging = data / f".backfill-{folder(history)}"  # no name of a block, so Prometheus never looks into it
    staging.mkdir(parents=True, exist_ok=True)
    handle = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"{staging}: another backfill of {history} is running; wait for its end") from None
        if any(staging.iterdir()):
            _take_back(data, staging)
            tell(f"{history}: an earlier backfill was interrupted; its blocks are removed")
        try:
            yield staging
            _move(data, staging)
        except BaseException:
            _take_back(data, staging)
            raise
        finally:
            shutil.rmtree(staging)
    finally:
        os.close(handle)


def _move(data: Path, staging: Path) -> None:
    """Move all blocks, in less than a second; a signal waits for the end of the move."""
    blocks = sorted(each.name for each in staging.iterdir() if each.is_dir())
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        with (staging / _MOVING).open("w", encoding="utf-8") as file:
            file.write("\n".join(blocks))
            file.flush()
            os.fsync(file.fileno())
        for name in blocks:
            (staging / name).rename(data / name)
        (staging / _MOVING).unlink()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _take_back(data: Path, staging: Path) -> None:
    """Remove the staged blocks and the blocks that were already moved."""
    moving = staging / _MOVING
    for name in moving.read_text(encoding="utf-8").splitlines() if moving.exists() else ():
        if (data / name).exists():
            (data / name).rename(data / f"{name}{_DELETED}")
            shutil.rmtree(data / f"{name}{_DELETED}")
    moving.unlink(missing_ok=True)
    for left in staging.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
