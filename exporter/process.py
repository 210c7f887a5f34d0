"""The use of a bot's own process, if that process can be identified."""

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psutil

from exporter.catalogue import Sample, known, sample
from exporter.container import Container
from exporter.system import busy_share, is_here
from stack.settings import Bot, FreqtradeBot, HttpBot

_log = logging.getLogger(__name__)
# Seconds by which a file may seem older than its process: Linux counts a start in ticks since boot.
_CLOCK_SLACK = 2.0


class UnknownProcess(Exception):
    """A process that cannot be identified, though settings name it. The message says why."""


class Usage(Protocol):
    """Measures a bot's process or container."""

    def samples(self, pid: int | None) -> list[Sample]:
        """Return its use, given the pid that the bot reports; nothing if it is unknown."""
        ...


class Finder(Protocol):
    """Finds the bot's process."""

    def pid(self, told: int | None) -> int | None:
        """Return the pid, given the one that the bot reports. Raises UnknownProcess."""
        ...

    def proven(self, process: psutil.Process) -> bool:
        """Return whether the process with this pid can be the bot's."""
        ...


def usage_of(name: str, bot: Bot, timeout: float) -> Usage:
    """Return how a bot's process is watched; `timeout` is the seconds of a call to Docker."""
    process = bot.process
    if process is None:
        called = bot.source if isinstance(bot.source, HttpBot | FreqtradeBot) else None
        return OneProcess(name, Served(str(called.url) if called else ""))
    if process.pid_file is not None:
        return OneProcess(name, PidFile(process.pid_file))
    if process.match is not None:
        return OneProcess(name, Matching(process.match))
    return Container(name, str(process.container), process.url, timeout)


class Served:
    """The process that the bot reports, if it serves the bot's address.

    A bot in a container or on another host reports a pid that belongs to another process here. So the bot's
    address must be this host's, and the process or one of its parents must listen there.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._host = parts.hostname or ""

    def pid(self, told: int | None) -> int | None:
        """Return the pid that the bot reports."""
        return told

    def proven(self, process: psutil.Process) -> bool:
        """Return whether the process, or one of its parents, listens at the bot's address."""
        return is_here(self._host) and any(
            _listens(each, self._port) for each in (process, *process.parents())
        )


class PidFile:
    """The process whose pid is in a file; if it started after the file was written, it is another process."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pid(self, told: int | None) -> int | None:
        """Return the pid in the file. Raises UnknownProcess."""
        del told
        try:
            return int(self._file.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise UnknownProcess(f"{self._file} holds no pid: {error}") from None

    def proven(self, process: psutil.Process) -> bool:
        """Return whether the process existed when the file was written."""
        return process.create_time() <= self._file.stat().st_mtime + _CLOCK_SLACK


class Matching:
    """The only process whose command line matches; its forks, which have the same, do not count."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)
        self._found: psutil.Process | None = None

    def pid(self, told: int | None) -> int | None:
        """Return the pid of the match. Raises UnknownProcess if none or several match."""
        del told
        if self._found is None or not _lives(self._found):
            self._found = self._search()
        return self._found.pid

    def proven(self, process: psutil.Process) -> bool:
        """Return whether it still matches."""
        return process == self._found

    def _search(self) -> psutil.Process:
        own = psutil.Process().pid
        fitting = {
            each.pid: each
            for each in psutil.process_iter(["cmdline", "ppid"])
            if each.pid != own and self._pattern.search(" ".join(each.info["cmdline"] or ()))
        }
        first = [each for each in fitting.values() if each.info["ppid"] not in fitting]
        if len(first) == 1:
            return first[0]
        pids = ", ".join(str(each.pid) for each in first) or "none"
        advice = "write more of the command line, or use process.pid_file"
        raise UnknownProcess(
            f"process.match: {self._pattern.pattern!r} must fit one program; fits {pids}; {advice}"
        )


class OneProcess:
    """A bot's process, followed while it lives."""

    def __init__(self, bot: str, finder: Finder, clock: Callable[[], float] = time.monotonic) -> None:
        self._bot = bot
        self._finder = finder
        self._clock = clock
        self._process: psutil.Process | None = None
        self._spent: tuple[float, float] | None = None  # the clock and the CPU time of the last measurement
        self._problem = ""

    def samples(self, pid: int | None) -> list[Sample]:
        """Return the use of the process; nothing if it cannot be proven to be the bot's."""
        problem = ""
        try:
            process = self._find(pid)
            if process is not None and _lives(process):
                return self._usage(process)
        except UnknownProcess as error:
            problem = str(error)
        except (psutil.Error, OSError):
            self._process = None  # it ended, or belongs to another user: unknown
        finally:
            if problem and problem != self._problem:
                _log.warning("the process is unknown: %s", problem, extra={"bot": self._bot})
            self._problem = problem
        return []

    def _find(self, told: int | None) -> psutil.Process | None:
        pid = self._finder.pid(told)
        if self._process is not None and self._process.pid == pid and self._process.is_running():
            return self._process
        self._process, self._spent = None, None
        if pid is not None:
            process = psutil.Process(pid)
            self._process = process if self._finder.proven(process) else None
        return self._process

    def _usage(self, process: psutil.Process) -> list[Sample]:
        with process.oneshot():
            memory, times, now = process.memory_info().rss, process.cpu_times(), self._clock()
            spent = times.user + times.system
            before, self._spent = self._spent, (now, spent)
            return [
                *known("cpu_usage_ratio", busy_share(before, (now, spent))),
                sample("memory_usage_ratio", memory / psutil.virtual_memory().total),
                sample("process_cpu_seconds_total", spent),
                sample("process_resident_memory_bytes", memory),
                sample("process_threads", process.num_threads()),
                sample("process_open_fds", process.num_fds()),
            ]


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        connections = process.net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)
