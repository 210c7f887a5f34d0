"""What a bot's own process uses, where that process can be told for certain."""

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
# Seconds that a file's time may lie before a process's, which Linux keeps in ticks of the boot's clock.
_CLOCK_SLACK = 2.0


class UnknownProcess(Exception):
    """A process that cannot be told, though settings name it; the message says why."""


class Usage(Protocol):
    """What is known of the use of a bot's process or container."""

    def samples(self, pid: int | None) -> list[Sample]:
        """Return it, given the pid that the bot names; nothing where it is unknown."""
        ...


class Finder(Protocol):
    """Tells which process is the bot's."""

    def pid(self, told: int | None) -> int | None:
        """Return the pid, given what the bot says of itself. Raises UnknownProcess."""
        ...

    def proven(self, process: psutil.Process) -> bool:
        """Return whether the process with this pid can be the bot's."""
        ...


def usage_of(name: str, bot: Bot, timeout: float) -> Usage:
    """Return how the process of a bot is watched; `timeout` is the seconds of a call to Docker."""
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
    """The process that the bot names itself, where it serves the address at which the bot is called.

    A bot in a container or on another host names a pid of its own numbering, which here is some other
    process. So the bot's address must be this host's, and the process or one of its parents must be what
    listens there.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._host = parts.hostname or ""

    def pid(self, told: int | None) -> int | None:
        """Return what the bot says."""
        return told

    def proven(self, process: psutil.Process) -> bool:
        """Return whether the process, or one of its parents, listens at the bot's address."""
        return is_here(self._host) and any(
            _listens(each, self._port) for each in (process, *process.parents())
        )


class PidFile:
    """The process whose pid a file holds, unless it began after the file was written: then it is another."""

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
        """Return whether the process was there when the file was written."""
        return process.create_time() <= self._file.stat().st_mtime + _CLOCK_SLACK


class Matching:
    """The only process whose command line fits; those that it forked, which have the same, are not meant."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)
        self._found: psutil.Process | None = None

    def pid(self, told: int | None) -> int | None:
        """Return the pid of what fits. Raises UnknownProcess where none or several do."""
        del told
        if self._found is None or not _lives(self._found):
            self._found = self._search()
        return self._found.pid

    def proven(self, process: psutil.Process) -> bool:
        """Return whether it still is what was found."""
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
        self._spent: tuple[float, float] | None = None  # the clock and the CPU time at the last look
        self._problem = ""

    def samples(self, pid: int | None) -> list[Sample]:
        """Return what the process uses; nothing where it cannot be proven to be the bot's."""
        problem = ""
        try:
            process = self._find(pid)
            if process is not None and _lives(process):
                return self._usage(process)
        except UnknownProcess as error:
            problem = str(error)
        except (psutil.Error, OSError):
            self._process = None  # it ended, or is not ours to look at: unknown
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
