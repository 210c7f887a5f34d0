"""What a case is made of: series as they are scraped, and whether an alert fires at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stack.settings import Duration, Settings

# Cases share one storage, so the number of its case stands in the name of each case's bot, host or endpoint.
NUMBER = "№"
BOT = f'a_b*c[d] "x" {NUMBER}'
OF_BOT: Mapping[str, str] = {"bot": BOT}
Value = float | Literal["stale"] | None


@dataclass(frozen=True)
class Series:
    """A series: a value a scrape, None where nothing was scraped."""

    name: str
    values: Sequence[Value]
    labels: Mapping[str, str] = field(default_factory=dict)
    subject: Mapping[str, str] = field(default_factory=lambda: OF_BOT)


@dataclass(frozen=True)
class Case:
    """Whether `alert` with `labels` fires `at` seconds, given the series.

    `together` with others in one storage, unless it is about what has no name. What takes hours is `slow`.
    Where the cause `lasts` as long as the alert fires, its `verify` is false until then.
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
    """Return the seconds that an alert outlives its cause."""
    return min(settings.alerts[alert].cooldown, 300.0)


def slow_pace(settings: Settings) -> Duration:
    """Return the seconds between two evaluations of what takes hours."""
    return Duration(4 * settings.collection.evaluation_interval)


def scrapes(settings: Settings, seconds: float) -> int:
    """Return how many scrapes of a bot there are until `seconds` have passed."""
    return int(seconds // settings.collection.trading.interval) + 2


def rising(step: float, count: int, start: float = 0.0) -> list[float]:
    """Return a counter that grows by `step` a scrape."""
    return [start + step * index for index in range(count)]
