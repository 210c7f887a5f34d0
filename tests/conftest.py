"""Fixtures that all tests share: free ports, bounded waits, and the real Prometheus binaries."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from stack.binaries import MissingBinary, find

T = TypeVar("T")


def free_port() -> int:
    """Return a loopback port on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def eventually(look: Callable[[], T], *, within: float = 60.0, what: str = "it") -> T:
    """Return the first truthy answer of `look`; if none comes in time, fail and name the last answer."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen within {within:g}s; last seen: {seen!r}")
        time.sleep(0.05)


def has_ended(process: psutil.Process) -> bool:
    """Return whether a process has ended; it may stay in the table as a zombie."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def binary(name: str) -> Path:
    """Return a Prometheus binary, or skip the test by name if the machine has none."""
    try:
        return find(name)
    except MissingBinary as error:
        pytest.skip(str(error))


# Tests that share one stack, or one set of containers, run in one process. So do the tests of most files, for
# their fixtures. Each test of these files starts its own stack and waits for it, so it may run in any
# process. A file with a stack of its own need not wait for the others of its folder.
_TOGETHER = ("compose", "end_to_end", "routes", "rules")
_OWN_STACK = ("test_faults.py",)
_ALONE = ("test_accepting.py", "test_database.py", "test_survival.py")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests that stay together in parallel runs, before xdist reads the marks."""
    folder = item.path.parent.name
    if item.path.name not in _ALONE:
        shared = folder in _TOGETHER and item.path.name not in _OWN_STACK
        group = folder if shared else f"{folder}/{item.path.name}"
        item.add_marker(pytest.mark.xdist_group(group))
