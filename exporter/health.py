"""Judges each bot's health by the thresholds of the settings, as the recording rules do in Prometheus."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from exporter.catalogue import Histogram, Sample
from stack.settings import Settings

Verdict = Literal["healthy", "unhealthy", "unknown"]
_STOPPED = ("stopped", "paused")


@dataclass(frozen=True)
class Input:
    """One figure that a check looks at; a value of None is unknown.

    Healthy below the limit, or above it where `above`; where it has none, 1 is healthy and 0 is not.
    """

    name: str
    value: float | None
    limit: float | None = None
    above: bool = False

    @property
    def verdict(self) -> Verdict:
        """What the figure alone says."""
        if self.value is None:
            return "unknown"
        if self.limit is None:
            well = self.value == 1
        else:
            well = self.value > self.limit if self.above else self.value < self.limit
        return "healthy" if well else "unhealthy"


@dataclass(frozen=True)
class Endpoint:
    """What Prometheus last saw of a probe: whether it succeeded, and its seconds."""

    name: str
    succeeded: bool
    latency: float


@dataclass(frozen=True)
class Vitals:
    """What one poll told of a bot's health. Ages are seconds at `polled_at`; None is unknown."""

    polled_at: float
    up: bool | None = None
    state: str | None = None
    idle: float | None = None
    latency: float | None = None
    error_rate: float | None = None
    models_loaded: float | None = None
    model_accuracy: float | None = None
    data_age: float | None = None
    memory: float | None = None
    cpu: float | None = None
    here: bool = False


class Latency:
    """The median response time of a bot's calls within a window of seconds, from a growing histogram."""

    def __init__(self, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = window
        self._clock = clock
        self._seen: deque[tuple[float, Histogram]] = deque()

    def add(self, histogram: Histogram) -> float | None:
        """Return the median, in seconds, as histogram_quantile has it; None where nothing was called."""
        now = self._clock()
        if self._seen and _restarted(self._seen[-1][1], histogram):
            self._seen.clear()
        self._seen.append((now, histogram))
        while len(self._seen) > 2 and self._seen[1][0] <= now - self._window:
            self._seen.popleft()
        return _median(self._seen[0][1], histogram)


def _restarted(before: Histogram, now: Histogram) -> bool:
    bounds = [bound for bound, _ in before.buckets] != [bound for bound, _ in now.buckets]
    return bounds or now.buckets[-1][1] < before.buckets[-1][1]


def _median(before: Histogram, now: Histogram) -> float | None:
    counts = [
        (bound, count - old) for (bound, count), (_, old) in zip(now.buckets, before.buckets, strict=True)
    ]
    half = counts[-1][1] / 2
    if half <= 0:
        return None
    for (low, below), (high, reached) in pairwise(((0.0, 0), *counts)):
        if reached >= half:
            return low if high == float("inf") else low + (high - low) * (half - below) / (reached - below)
    raise AssertionError("the last bucket holds all")


def vitals(
    samples: Iterable[Sample], polled_at: float, bot_time: float, latency: Latency, *, here: bool
) -> Vitals:
    """Return what the samples of a poll tell of health.

    `polled_at` is by the exporter's clock, `bot_time` the same moment by the bot's; `here` is whether the bot
    runs on this host.
    """
    found: dict[str, list[float]] = {}
    state = median = None
    for each in samples:
        name = each.metric.name
        if isinstance(each.value, Histogram):
            median = latency.add(each.value) if name == "response_time_seconds" else median
        elif name == "state":
            state = each.labels[0] if each.value == 1 else state
        else:
            found.setdefault(name, []).append(each.value)

    def worst(name: str, pick: Callable[[Sequence[float]], float] = max) -> float | None:
        return pick(found[name]) if name in found else None

    active = worst("last_activity_timestamp_seconds")
    return Vitals(
        polled_at=polled_at,
        up=worst("up") == 1,
        state=state,
        idle=None if active is None else max(0.0, bot_time - active),
        latency=median,
        error_rate=worst("error_rate"),
        models_loaded=worst("model_loaded", min),
        model_accuracy=worst("model_accuracy", min),
        data_age=worst("data_freshness_seconds"),
        memory=worst("memory_usage_ratio"),
        cpu=worst("cpu_usage_ratio"),
        here=here,
    )


class Judge:
    """Applies `health` of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._limits = settings.health

    def checks(
        self, bot: Vitals, disk: float | None, endpoints: Sequence[Endpoint], now: float
    ) -> dict[str, tuple[Input, ...]]:
        """Return the checks of a bot with what they look at; `disk` is the fullest of this host (ratio)."""
        limits, age = self._limits, max(0.0, now - bot.polled_at)
        # A bot that its owner stopped is neither running nor unhealthy, and wants no new data.
        wanted = bot.state not in _STOPPED
        idle = None if bot.idle is None or not wanted else bot.idle + age
        stale = None if bot.data_age is None or not wanted else bot.data_age + age
        return {
            "bot_running": (
                Input("up", float(bot.up) if wanted and bot.up is not None else None),
                Input("idle_seconds", idle, limits.active_within),
            ),
            "api_connectivity": (
                Input("latency_seconds", bot.latency, limits.api_latency),
                Input("error_rate", bot.error_rate, limits.api_error_rate),
            ),
            "model_loaded": (
                Input("loaded", bot.models_loaded),
                Input("accuracy", bot.model_accuracy, limits.model_accuracy, above=True),
            ),
            "data_freshness": (Input("age_seconds", stale, limits.data_age),),
            "memory_usage": (Input("ratio", bot.memory, limits.memory_usage),),
            "cpu_usage": (Input("ratio", bot.cpu, limits.cpu_usage),),
            "disk_space": (Input("ratio", disk if bot.here else None, limits.disk_usage),),
            "network_connectivity": (
                *(Input(f"{each.name}_succeeded", float(each.succeeded)) for each in endpoints),
                *(
                    Input(f"{each.name}_latency_seconds", each.latency, limits.network_latency)
                    for each in endpoints
                    if each.succeeded
                ),
            ),
        }


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Return unhealthy where one is, else healthy where one is; what is unknown does not count."""
    found = set(verdicts)
    return "unhealthy" if "unhealthy" in found else "healthy" if "healthy" in found else "unknown"


def as_json(checks: Mapping[str, Sequence[Input]]) -> dict[str, Any]:
    """Return a bot's checks as JSON: the overall verdict, then each with its figures and limits."""
    judged = {name: overall(each.verdict for each in inputs) for name, inputs in checks.items()}
    return {
        "overall": overall(judged.values()),
        "checks": {
            name: {"status": judged[name], "inputs": {each.name: _figure(each) for each in inputs}}
            for name, inputs in checks.items()
        },
    }


def _figure(each: Input) -> dict[str, Any]:
    limit = {} if each.limit is None else {"above" if each.above else "below": each.limit}
    return {"status": each.verdict, "value": each.value} | limit
