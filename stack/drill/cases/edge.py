"""Cases of the edge watch: the trade with which an alarm begins, and the one with which it ends."""

from collections.abc import Iterator, Sequence

from stack.drill.cases.case import Case, Series, Value, bridge, scrapes
from stack.settings import Settings

_FIGURES = {"of": "live"}


def cases(settings: Settings) -> Iterator[Case]:
    """Yield all of them."""
    yield from _alarm(settings, "EdgeFading", "fading")
    yield from _alarm(settings, "EdgeGone", "gone")


def _alarm(settings: Settings, alert: str, alarm: str) -> Iterator[Case]:
    tick, scrape = settings.collection.evaluation_interval, settings.collection.trading.interval
    wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
    long, better = scrapes(settings, wait) + 1, scrapes(settings, kept + scrape)
    other = {"fading": "gone", "gone": "fading"}[alarm]

    def case(says: str, values: Sequence[Value], at: float, fires: bool) -> Case:
        series = [Series(f"trading_bot_edge_{alarm}", values)]
        series += [
            Series("trading_bot_edge_trades", [120.0] * len(values)),
            Series("trading_bot_edge_expectancy_ratio", [0.001] * len(values), _FIGURES),
        ]
        return Case(alert, says, series, at, fires)

    yield case("from the trade that reaches the limit", [1.0] * long, wait, True)
    yield case("before the limit", [0.0] * long, wait + tick, False)
    if wait:
        yield case("at it, but not long enough", [1.0] * long, wait - tick, False)
    yield case("not a number", [float("nan")] * long, wait + tick, False)
    unrelated = [Series(f"trading_bot_edge_{other}", [1.0] * long)]
    yield Case(alert, "absent", unrelated, wait + tick, False)
    end = long * scrape + kept + tick
    gone: list[Value] = ["stale", *[None] * better]
    yield case("the reference is no longer known", [1.0] * long + gone, end, False)
    yield case("resolves", [1.0] * long + [0.0] * better, end, False)
    alone = [Series(f"trading_bot_edge_{alarm}", [1.0] * long)]
    yield Case(alert, "without the figures of its text", alone, wait, True)
