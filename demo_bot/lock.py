"""Lets one process at a time have a data directory."""

import fcntl
import os
from pathlib import Path
from typing import TextIO


class HeldError(Exception):
    """Another process has the lock; `pid` is its process id."""

    def __init__(self, path: Path, pid: int) -> None:
        self.pid = pid
        super().__init__(
            f"{path.parent} is in use by process {pid}; stop it, or name another directory with --data"
        )


def hold(path: Path) -> TextIO:
    """Return a file that holds the lock until it is closed or the process ends. Raises HeldError."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        pid = int(file.read() or 0)
        file.close()
        raise HeldError(path, pid) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
