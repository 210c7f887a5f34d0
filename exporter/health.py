"""Shows each bot's health: the verdicts of Prometheus's recording rules, with their figures."""

import asyncio
import json
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Literal

from clients.observer import Observer, Unanswered
from exporter.catalogue import Histogram, Sample
from stack.settings import Settings

_log = logging.getLogger(__name__)
Verdict = Literal["healthy", "unhealthy", "unknown"]
_OVERALL: Final = "bot:trading_bot_health:min"
# What each check's rules apply to, and the label that names it; the label `bot` names a bot's own checks.
_CHECKS: Final = {
    "bot_check:trading_bot_health:bool": "bot",
    "host_check:trading_bot_health:bool": "host",
    "endpoint_check:trading_bot_health:bool": "endpoint",
}
_PROBES: Final = ("probe_success", "probe_duration_seconds")


@dataclass(frozen=True)
class Input:
    """One figure of a check, None if unknown, and its limit: an upper one, or a lower one if `above`.

    Without a limit the figure must be 1.
    """

    name: str
    value: float | None
    limit: float | None = None
    above: bool = False


@dataclass(frozen=True)
class Judged:
    """Prometheus's verdicts by bot, host or endpoint and check, and its probes by endpoint."""

    overall: Mapping[str, Verdict] = field(default_factory=dict)
    checks: Mapping[tuple[str, str, str], Verdict] = field(default_factory=dict)
    probes: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def of(self, kind: str, names: Collection[str], check: str) -> Verdict:
        """Return the worst verdict on any of the names, unknown if there is none."""
        found = {self.checks.get((kind, name, check), "unknown") for name in names}
        return "unhealthy" if "unhealthy" in found else "healthy" if "healthy" in found else "unknown"


@dataclass(frozen=True)
class Vitals:
    """The health figures of one poll. Ages are seconds at `polled_at`; None is unknown."""

    polled_at: float
    up: bool | None = None
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
        """Return the median in seconds, computed as histogram_quantile does; None without calls."""
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
    """Return the health figures in the samples of a poll.

    `polled_at` is by the exporter's clock, `bot_time` the same moment by the bot's; `here`: the bot runs on
    this host.
    """
    found: dict[str, list[float]] = {}
    median = None
    for each in samples:
        name = each.metric.name
        if isinstance(each.value, Histogram):
            median = latency.add(each.value) if name == "response_time_seconds" else median
        else:
            found.setdefault(name, []).append(each.value)

    def worst(name: str, pick: Callable[[Sequence[float]], float] = max) -> float | None:
        return pick(found[name]) if name in found else None

    active = worst("last_activity_timestamp_seconds")
    return Vitals(
        polled_at=polled_at,
        up=worst("up") == 1,
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
    """Asks Prometheus for its verdicts. `host` is this machine's name in the labels."""

    def __init__(self, settings: Settings, host: str) -> None:
        self._limits = settings.health
        self._observer = Observer.of(settings)
        self._endpoints = [probe.name for probe in settings.collection.probes]
        self._host = host

    async def judged(self, bots: Sequence[str] = ()) -> Judged:
        """Return the verdicts on the named bots, or on all.

        They are unknown while Prometheus does not answer; the log says so.
        """
        names = "|".join((_OVERALL, *_CHECKS, *_PROBES))
        # verdicts on hosts and endpoints have no bot
        of = "|".join(map(re.escape, bots)) + "|" if bots else ".*"
        try:
            samples = await asyncio.to_thread(
                self._observer.ask, f'{{__name__=~"{names}", bot=~{json.dumps(of)}}}'
            )
        except Unanswered as error:
            _log.warning("health is unknown: %s", error)
            return Judged()
        found = [(each.labels["__name__"], each.labels, each.value) for each in samples]
        return Judged(
            {of["bot"]: _verdict(value) for name, of, value in found if name == _OVERALL},
            {
                (kind, of.get(kind, ""), of.get("check", "")): _verdict(value)
                for name, of, value in found
                if (kind := _CHECKS.get(name))
            },
            {(name, of.get("endpoint", "")): value for name, of, value in found if name in _PROBES},
        )

    def as_json(
        self, name: str, bot: Vitals, disk: float | None, judged: Judged, now: float
    ) -> dict[str, Any]:
        """Return a bot's verdict, then each check's with its figures; `disk` is this host's used ratio."""
        of = {
            "disk_space": ("host", [self._host] if bot.here else []),
            "network_connectivity": ("endpoint", self._endpoints),
        }
        return {
            "overall": judged.overall.get(name, "unknown"),
            "checks": {
                check: {
                    "status": judged.of(*of.get(check, ("bot", [name])), check),
                    "inputs": {each.name: _figure(each) for each in inputs},
                }
                for check, inputs in self._inputs(bot, disk, judged, now).items()
            },
        }

    def _inputs(
        self, bot: Vitals, disk: float | None, judged: Judged, now: float
    ) -> dict[str, tuple[Input, ...]]:
        limits, age = self._limits, max(0.0, now - bot.polled_at)
        idle = None if bot.idle is None else bot.idle + age
        stale = None if bot.data_age is None else bot.data_age + age
        return {
            "bot_running": (
                Input("up", None if bot.up is None else float(bot.up)),
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
            "network_connectivity": tuple(
                each
                for name in self._endpoints
                for each in (
                    Input(f"{name}_succeeded", judged.probes.get(("probe_success", name))),
                    Input(
                        f"{name}_latency_seconds",
                        judged.probes.get(("probe_duration_seconds", name)),
                        limits.network_latency,
                    ),
                )
            ),
        }


def _verdict(value: float) -> Verdict:
    return "healthy" if value == 1 else "unhealthy"


def _figure(each: Input) -> dict[str, Any]:
    limit = {} if each.limit is None else {"above" if each.above else "below": each.limit}
    return {"value": each.value} | limit
