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
from typing import Any

import psutil
from honcho.process import Process

STOP_WITHIN = 15.0  # seconds: the embedded PostgreSQL writes its last checkpoint in them
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
    """The running processes of a Procfile. What they print and how they end arrives in `events`."""

    def __init__(self, commands: Mapping[str, str], events: "SimpleQueue[Any]") -> None:
        self._events = events
        self._pids: dict[str, int] = {}
        self._threads = [
            threading.Thread(target=self._run, args=(name, command), name=name, daemon=True)
            for name, command in commands.items()
        ]

    def start(self) -> None:
        """Start all of them."""
        _adopt_orphans()
        for thread in self._threads:
            thread.start()

    def stop(self, within: float = STOP_WITHIN) -> None:
        """Ask each to end (SIGTERM), wait, then kill what is left, whatever it started included."""
        # The leaders only: each knows in which order its own children should end.
        for pid in list(self._pids.values()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        # What outlived its leader is our child now, and the next call of children() finds it.
        for ask in (psutil.Process.terminate, psutil.Process.kill):
            left = psutil.Process().children(recursive=True)
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    ask(process)
            psutil.wait_procs(left, timeout=_KILL_AFTER)

    def _run(self, name: str, command: str) -> None:
        # One thread a process, for as long as it lives: Linux counts the death of the thread that started a
        # process as the death of its parent.
        Process(command, name=name).run(_Inbox(name, self._pids, self._events))


class _Inbox:
    """Takes honcho's messages of one process and puts ours into the queue."""

    def __init__(self, name: str, pids: dict[str, int], events: "SimpleQueue[Any]") -> None:
        self._name, self._pids, self._events = name, pids, events

    def put(self, message: Any) -> None:  # noqa: ANN401 - honcho is untyped
        """Take one message: a start, a line or a stop."""
        if message.type == "start":
            self._pids[self._name] = message.data["pid"]
        elif message.type == "line":
            self._events.put(Line(self._name, message.data.decode("utf-8", "replace").rstrip("\r\n")))
        elif message.type == "stop":
            del self._pids[self._name]
            self._events.put(Ended(self._name, message.data["returncode"]))


def _adopt_orphans() -> None:
    """Become the parent of what our children leave behind, so that `stop` finds it (Linux has it)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl") and libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl: {os.strerror(ctypes.get_errno())}")
