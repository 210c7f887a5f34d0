"""Runs the processes of a Procfile until one of them ends or somebody says stop, and leaves none behind."""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import IO, Any

import psutil
from honcho.process import Popen

STOP_WITHIN = 15.0  # seconds: the embedded PostgreSQL writes its last checkpoint in them
_LAST_WORDS = 0.5  # seconds to read on after the end, since something left behind may hold the pipe open
_REVIVE_AFTER = 1.0  # seconds
_KILL_AFTER = 3.0  # seconds for what a service left behind
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Line:
    """What a process printed."""

    name: str
    text: str


@dataclass(frozen=True)
class Ended:
    """A process that is no more; `code` as subprocess has it, negative for a signal."""

    name: str
    code: int

    def __str__(self) -> str:
        if self.code >= 0:
            return f"{self.name} ended with exit code {self.code}"
        return f"{self.name} was ended by {signal.Signals(-self.code).name}"


class Processes:
    """The processes of a Procfile. What they print and how they end arrives in `events`."""

    def __init__(
        self, commands: Mapping[str, str], events: "SimpleQueue[Any]", *, revive: bool = False
    ) -> None:
        """`revive` starts again what ends by itself."""
        self._events = events
        self._revive = revive
        self._stopping = threading.Event()
        self._children: dict[str, Popen] = {}
        # One thread a process, for as long as it lives: Linux takes the death of the thread that started a
        # process for the death of its parent.
        self._threads = [
            threading.Thread(target=self._run, args=(name, command), name=name, daemon=True)
            for name, command in commands.items()
        ]

    def start(self) -> None:
        """Start all of them."""
        _adopt_orphans()
        for thread in self._threads:
            thread.start()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one; one that has just ended will read everything at its next start."""
        self._children[name].send_signal(number)

    def stop(self, within: float = STOP_WITHIN) -> None:
        """Ask each to end (SIGTERM), wait, then end what is left, whatever it started included."""
        self._stopping.set()
        for (
            child
        ) in self._children.values():  # the leaders only: each knows in which order its own should end
            child.terminate()
        deadline = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        # What outlived its leader is our child now.
        for ask in (psutil.Process.terminate, psutil.Process.kill):
            left = psutil.Process().children(recursive=True)
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    ask(process)
            psutil.wait_procs(left, timeout=_KILL_AFTER)

    def _run(self, name: str, command: str) -> None:
        while True:
            child = Popen(command)  # honcho's: a session of its own, all output in one pipe
            self._children[name] = child
            reader = threading.Thread(target=self._read, args=(name, child.stdout), daemon=True)
            reader.start()
            code = child.wait()
            reader.join(_LAST_WORDS)
            self._events.put(Ended(name, code))
            if not self._revive or self._stopping.wait(_REVIVE_AFTER):
                return

    def _read(self, name: str, output: IO[bytes]) -> None:
        for line in output:
            self._events.put(Line(name, line.decode("utf-8", "replace").rstrip("\r\n")))


def _adopt_orphans() -> None:
    """Become the parent of what our children leave behind, so that `stop` finds it (Linux has it)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl") and libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl: {os.strerror(ctypes.get_errno())}")
