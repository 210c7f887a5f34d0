"""Cases about slippage: the prices at which orders are filled."""

from collections.abc import Iterator, Sequence

from stack.drill.cases.case import BOT, Case, Series, Value, bridge, scrapes
from stack.settings import Settings

OF_LEG = {"bot": BOT, "leg": "entry"}
_BEFORE = 3.0  # basis points of earlier slippage


def cases(settings: Settings) -> Iterator[Case]:
    """Yield all of them."""
    alert, tick = "SlippageHigh", settings.collection.evaluation_interval
    is_, scrape = settings.thresholds.warning, settings.collection.trading.interval
    wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
    long, better = scrapes(settings, wait) + 1, scrapes(settings, kept + scrape)
    enough = float(is_.slippage_fills)
    limit = is_.slippage_factor * _BEFORE + is_.slippage_margin

    def case(
        says: str,
        recent: Sequence[Value],
        at: float,
        fires: bool,
        fills: tuple[float, float] = (enough, enough),
        before: float = _BEFORE,
    ) -> Case:
        means = {"recent": recent, "before": [before] * len(recent)}
        counts = zip(means, fills, strict=True)
        series = [
            Series("trading_bot_slippage_mean_basis_points", values, {"span": span}, OF_LEG)
            for span, values in means.items()
        ]
        series += [
            Series("trading_bot_slippage_fills", [count] * len(recent), {"span": span}, OF_LEG)
            for span, count in counts
        ]
        return Case(alert, says, series, at, fires, OF_LEG)

    worse = [limit + 0.1] * long
    yield case("far worse than before", worse, wait, True)
    yield case("not long enough", worse, wait - tick, False)
    yield case("as bad as the limit", [limit] * long, wait + tick, False)
    yield case("not a number", [float("nan")] * long, wait + tick, False)
    yield case("too few fills now", worse, wait + tick, False, fills=(enough - 1, enough))
    yield case("too few fills before", worse, wait + tick, False, fills=(enough, enough - 1))
    margin = is_.slippage_margin
    yield case("worse, and it gained before", [margin + 0.1] * long, wait, True, before=-50.0)
    yield case("within the margin, and it gained before", [margin] * long, wait + tick, False, before=-50.0)
    unrelated = [Series("trading_bot_up", [1.0] * long)]
    yield Case(alert, "absent", unrelated, wait + tick, False, OF_LEG)
    yield case("resolves", worse + [_BEFORE] * better, long * scrape + kept + tick, False)
