"""Defines a case: series as Prometheus scrapes them, and whether an alert fires at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stack.settings import Duration, Settings

# Cases share one storage, so each bot, host and endpoint has its case's number in its name.
NUMBER = "№"
BOT = f'a_b*c[d] "x" {NUMBER}'
OF_BOT: Mapping[str, str] = {"bot": BOT}
Value = float | Literal["stale"] | None


@dataclass(frozen=True)
class Series:
    """A series: one value for each scrape, None for a scrape without one."""

    name: str
    values: Sequence[Value]
    labels: Mapping[str, str] = field(default_factory=dict)
    subject: Mapping[str, str] = field(default_factory=lambda: OF_BOT)


@dataclass(frozen=True)
class Case:
    """Whether `alert` with `labels` fires at `at` seconds with these series. `together`: it shares a storage
    with other cases. `slow`: it takes hours. `lasts`: the cause lasts as long as the alert fires, so its
    `verify` is false until then.
    """

    alert: str
    says: str
    series: Sequence[Series]
    at: float
    fires: bool
    labels: Mapping[str, str] = field(default_factory=lambda: OF_BOT)
    together: bool = True
    slow: bool = False
    lasts: bool = True


def bridge(settings: Settings, alert: str) -> float:
    """Return the seconds by which an alert outlives its cause."""
    return min(settings.alerts[alert].cooldown, 300.0)


def slow_pace(settings: Settings) -> Duration:
    """Return the seconds between two evaluations in slow cases."""
    return Duration(4 * settings.collection.evaluation_interval)


def scrapes(settings: Settings, seconds: float) -> int:
    """Return the number of a bot's scrapes within `seconds`."""
    return int(seconds // settings.collection.trading.interval) + 2


def rising(step: float, count: int, start: float = 0.0) -> list[float]:
    """Return a counter that grows by `step` a scrape."""
    return [start + step * index for index in range(count)]
