"""The CPU and memory of a bot's container, from a Docker API."""

import logging
import math
import time
from collections.abc import Callable, Iterator

import docker
import requests
from docker.errors import DockerException
from pydantic import BaseModel, Field, ValidationError

from exporter.catalogue import Sample, known, sample
from exporter.system import busy_share

_log = logging.getLogger(__name__)
_NANOSECONDS = 1e9


class _Stats(BaseModel):
    """The used part of Docker's statistics; most of it is absent if the container does not run."""

    class Cpu(BaseModel):
        class Usage(BaseModel):
            total_usage: int = Field(ge=0)

        cpu_usage: Usage

    class Memory(BaseModel):
        usage: int | None = None
        limit: int | None = None
        stats: dict[str, int] = {}

    class Pids(BaseModel):
        current: int | None = None

    cpu_stats: Cpu
    memory_stats: Memory
    pids_stats: Pids


class Container:
    """One container, asked by its name at each poll."""

    def __init__(
        self, bot: str, name: str, url: str, timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bot = bot
        self._name = name
        self._url = url
        self._timeout = timeout
        self._clock = clock
        self._client: docker.APIClient | None = None
        self._spent: tuple[float, float] | None = None
        self._problem = ""

    def samples(self, pid: int | None) -> list[Sample]:
        """Return the container's use; nothing while it does not run or Docker does not answer."""
        del pid  # the pid is by the container's own numbering
        try:
            found = list(self._usage(self._ask()))
            problem = "" if found else f"container {self._name} does not run"
        except (DockerException, requests.RequestException, ValidationError, OSError) as error:
            found, self._client = [], None
            advice = "check process.container, and whether process.url may be read"
            problem = f"container {self._name} at {self._url}: {error}; {advice}"
        if problem and problem != self._problem:
            _log.warning("the container's use is unknown: %s", problem, extra={"bot": self._bot})
        self._problem = problem
        return found

    def _ask(self) -> _Stats:
        if self._client is None:
            self._client = docker.APIClient(self._url, version="auto", timeout=math.ceil(self._timeout))
        # One shot: otherwise Docker waits a second for a difference; here the polls give the difference.
        return _Stats.model_validate(self._client.stats(self._name, stream=False, one_shot=True))

    def _usage(self, stats: _Stats) -> Iterator[Sample]:
        memory = stats.memory_stats
        if memory.usage is None:
            self._spent = None
            return
        now = (self._clock(), stats.cpu_stats.cpu_usage.total_usage / _NANOSECONDS)
        before, self._spent = self._spent, now
        restarted = before is not None and now[1] < before[1]
        yield from known("cpu_usage_ratio", None if restarted else busy_share(before, now))
        # As `docker stats` shows it: without the cached files that are given back on demand (cgroup v2, v1).
        cached = memory.stats.get("inactive_file", memory.stats.get("total_inactive_file", 0))
        used = max(0, memory.usage - cached)
        if memory.limit:
            yield sample("memory_usage_ratio", used / memory.limit)
        yield sample("process_cpu_seconds_total", now[1])
        yield sample("process_resident_memory_bytes", used)
        yield from known("process_threads", stats.pids_stats.current)
