"""What must fire and what must not, for each alert: written in the limits and paces of the settings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stack.settings import Settings

BOT = r'a_b*c[d] "x"'
Value = float | Literal["stale"] | None


@dataclass(frozen=True)
class Series:
    """A series of one bot: a value a scrape, None where nothing was scraped."""

    name: str
    values: Sequence[Value]
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """Whether `alert` fires `at` seconds, given the series."""

    alert: str
    says: str
    series: Sequence[Series]
    at: float
    fires: bool


def cases(settings: Settings) -> Iterator[Case]:
    """Yield all cases of the alerts of the rules."""
    yield from _down(settings)
    yield from _crash_looping(settings)
    limits = settings.thresholds.critical
    yield from _above(settings, "HighDrawdown", "trading_bot_drawdown_ratio", limits.max_drawdown)
    yield from _above(settings, "ApiErrorRate", "trading_bot_error_rate", limits.error_rate)
    yield from _exporter_down(settings)
    yield Case("Watchdog", "fires whatever is there", [Series("unrelated", [1])], 0, fires=True)


def bridge(settings: Settings, alert: str) -> float:
    """Return the seconds that an alert outlives its cause."""
    return min(settings.alerts[alert].cooldown, 300.0)


def _scrapes(settings: Settings, seconds: float) -> int:
    """Return how many scrapes of a bot there are until `seconds` have passed."""
    return int(seconds // settings.collection.trading.interval) + 2


def _down(settings: Settings) -> Iterator[Case]:
    tick = settings.collection.evaluation_interval
    scrape = settings.collection.trading.interval
    wait = settings.thresholds.critical.down_after + settings.alerts["Down"].for_
    long = _scrapes(settings, wait)
    silent = [Series("trading_bot_up", [0.0] * long)]
    yield Case("Down", "no sign of life for the limit", silent, wait, fires=True)
    yield Case("Down", "no sign of life just shorter", silent, wait - tick, fires=False)
    yield Case("Down", "absent", [Series("unrelated", [1.0] * long)], wait + tick, fires=False)

    blip = [Series("trading_bot_up", [0.0] * (long - 3) + [1.0] + [0.0] * long)]
    again = (long - 2) * scrape
    yield Case("Down", "one success resets the wait", blip, wait, fires=False)
    yield Case("Down", "the wait after a success is whole", blip, again + wait - tick, fires=False)
    yield Case("Down", "and then it fires", blip, again + wait, fires=True)

    kept = bridge(settings, "Down")
    back = [Series("trading_bot_up", [0.0] * long + [1.0] * _scrapes(settings, kept + scrape))]
    yield Case("Down", "is kept while it may flap", back, long * scrape + kept - tick, fires=True)
    yield Case("Down", "resolves", back, long * scrape + kept + tick, fires=False)


def _crash_looping(settings: Settings) -> Iterator[Case]:
    scrape = settings.collection.trading.interval
    changes = settings.thresholds.critical.crash_loop_restarts
    name = "trading_bot_start_time_seconds"
    seen: list[Value] = []
    for start in range(changes + 1):
        seen += [1000.0 + 200 * start, "stale", None, None]
    last = 4 * changes * scrape
    yield Case("CrashLooping", "up one scrape in four", [Series(name, seen)], last, fires=True)
    yield Case("CrashLooping", "one change less", [Series(name, seen)], last - scrape, fires=False)

    window = max(settings.thresholds.critical.crash_loop_window, (4 * changes + 1) * scrape)
    quiet = seen + [1000.0 + 200 * changes] * _scrapes(settings, 2 * window)
    gone = last + window + bridge(settings, "CrashLooping") + 2 * scrape
    yield Case("CrashLooping", "resolves once the starts are past", [Series(name, quiet)], gone, fires=False)

    once: list[Value] = [1000.0] * 8 + ["stale", None] + [2000.0] * _scrapes(settings, window)
    yield Case("CrashLooping", "one ordinary restart", [Series(name, once)], 12 * scrape, fires=False)
    yield Case("CrashLooping", "absent", [Series("trading_bot_up", [0.0] * 9)], 8 * scrape, fires=False)


def _above(settings: Settings, alert: str, name: str, limit: float) -> Iterator[Case]:
    """Yield the cases of an alert that fires when one value stays above its limit."""
    tick = settings.collection.evaluation_interval
    scrape = settings.collection.trading.interval
    wait = settings.alerts[alert].for_
    long = _scrapes(settings, wait) + 1
    over, kept = limit * 1.001, bridge(settings, alert)
    yield Case(alert, "just above the limit", [Series(name, [over] * long)], wait, fires=True)
    yield Case(
        alert, "above it, but not long enough", [Series(name, [over] * long)], wait - tick, fires=False
    )
    yield Case(alert, "at the limit", [Series(name, [limit] * long)], wait + tick, fires=False)
    yield Case(alert, "absent", [Series("trading_bot_up", [1.0] * long)], wait + tick, fires=False)
    yield Case(alert, "not a number", [Series(name, [float("nan")] * long)], wait + tick, fires=False)
    better = [Series(name, [over] * long + [limit] * _scrapes(settings, kept + scrape))]
    yield Case(alert, "resolves", better, long * scrape + kept + tick, fires=False)


def _exporter_down(settings: Settings) -> Iterator[Case]:
    tick = settings.collection.evaluation_interval
    scrape = settings.collection.trading.interval
    wait, kept = settings.alerts["ExporterDown"].for_, bridge(settings, "ExporterDown")
    long = _scrapes(settings, wait)

    def scraped(trading: Sequence[Value]) -> list[Series]:
        return [
            Series("up", [1.0] * len(trading), {"job": "exporter"}),
            Series("up", trading, {"job": "exporter-trading"}),
            Series("up", [0.0] * len(trading), {"job": "alertmanager"}),
        ]

    dead, well = scraped([0.0] * long), scraped([1.0] * long)
    back = scraped([0.0] * long + [1.0] * _scrapes(settings, kept + scrape))
    yield Case("ExporterDown", "one group is not answered", dead, wait, fires=True)
    yield Case("ExporterDown", "not long enough", dead, wait - tick, fires=False)
    yield Case("ExporterDown", "not scraped at all", [Series("unrelated", [1.0])], wait, fires=True)
    yield Case("ExporterDown", "every group is answered", well, wait + tick, fires=False)
    yield Case("ExporterDown", "resolves", back, long * scrape + kept + tick, fires=False)
