"""Runs the processes of a Procfile until a stop, restarts those that end, and leaves none behind."""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from queue import SimpleQueue
from typing import IO, Any

import psutil
from honcho.process import Popen

from stack.settings.bots import STARTED_BOT

STOP_WITHIN = 15.0  # seconds for the embedded PostgreSQL's last checkpoint
_LAST_WORDS = 0.5  # seconds to read on after the end, since a child may hold the pipe open
_FIRST_WAIT = 1.0  # seconds until the first restart; each further one waits twice as long
_LONGEST_WAIT = 60.0  # seconds
_STEADY = 300.0  # seconds after which a process counts as running, and its ends are counted from 0 again
_KILL_AFTER = 3.0  # seconds for the children of a service
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Line:
    """A line that a process printed."""

    name: str
    text: str


@dataclass(frozen=True)
class Ended:
    """A process that has ended.

    `code` is as in subprocess: negative for a signal, None if it could not start. `times` counts its ends
    without a steady run between; it restarts after `wait` seconds.
    """

    name: str
    code: int | None
    times: int
    wait: float

    def __str__(self) -> str:
        if self.code is None:
            return f"{self.name} could not be started"
        if self.code >= 0:
            return f"{self.name} ended with exit code {self.code}"
        return f"{self.name} was ended by {signal.Signals(-self.code).name}"


class Processes:
    """The processes of a Procfile. `events` has their output and their ends."""

    def __init__(self, commands: Mapping[str, str], events: "SimpleQueue[Any]") -> None:
        """Restart a process that ends; the wait is shorter if it ran well before."""
        self._events = events
        self._stopping = threading.Event()
        self._children: dict[str, Popen] = {}
        # One thread for each process, as long as it lives: Linux takes the death of the thread that started a
        # process for the death of its parent.
        self._threads = [
            threading.Thread(target=self._run, args=(name, command), name=name, daemon=True)
            for name, command in commands.items()
        ]

    def start(self) -> None:
        """Start all of them."""
        os.environ.pop(STARTED_BOT, None)  # inherited: our own parts are no bots
        _adopt_orphans()
        for thread in self._threads:
            thread.start()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Signal one process, if it runs; it reads everything when it starts."""
        if child := self._children.get(name):
            child.send_signal(number)

    def stop(self, within: float = STOP_WITHIN) -> None:
        """Ask each to end (SIGTERM), wait, then kill the rest, children included, but no bot."""
        self._stopping.set()
        # Only the leaders: each ends its own children in the right order.
        for child in list(self._children.values()):
            child.terminate()
        deadline = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        # A process that outlived its leader is now our child.
        for ask in (psutil.Process.terminate, psutil.Process.kill):
            left = [child for child in psutil.Process().children(recursive=True) if not _is_of_a_bot(child)]
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    ask(process)
            psutil.wait_procs(left, timeout=_KILL_AFTER)

    def _run(self, name: str, command: str) -> None:
        times = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            code = self._once(name, command)
            times = 1 if time.monotonic() - started >= _STEADY else times + 1
            wait = back_off(times)
            self._events.put(Ended(name, code, times, wait))
            self._stopping.wait(wait)

    def _once(self, name: str, command: str) -> int | None:
        """Run a process to its end and return its exit code; None if the system cannot start it."""
        try:
            child = Popen(command)  # as honcho starts it: a session of its own, all output in one pipe
        except OSError as error:
            self._events.put(Line(name, f"cannot be started: {error}"))
            return None
        self._children[name] = child
        if self._stopping.is_set():  # `stop` may have run before the process was listed
            child.terminate()
        reader = threading.Thread(target=self._read, args=(name, child.stdout), daemon=True)
        reader.start()
        code: int = child.wait()
        reader.join(_LAST_WORDS)
        return code

    def _read(self, name: str, output: IO[bytes]) -> None:
        for line in output:
            self._events.put(Line(name, line.decode("utf-8", "replace").rstrip("\r\n")))


def _is_of_a_bot(process: psutil.Process) -> bool:
    """Return whether a process is a bot that a restart started, or belongs to one."""
    try:
        ours = takewhile(lambda each: each.pid != os.getpid(), (process, *process.parents()))
        return any(STARTED_BOT in each.environ() for each in ours)
    except psutil.Error:  # it has ended, or belongs to another user
        return False


def back_off(times: int) -> float:
    """Return the seconds until the next start of a process that has ended this often."""
    wait = _FIRST_WAIT
    for _ in range(min(times, 10) - 1):  # ten doublings exceed the longest wait
        wait *= 2
    return min(_LONGEST_WAIT, wait)


def _adopt_orphans() -> None:
    """Become the parent of our children's orphans, so that `stop` finds them (Linux only)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl") and libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl: {os.strerror(ctypes.get_errno())}")
