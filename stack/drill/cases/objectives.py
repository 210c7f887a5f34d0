"""Cases of the service level over hours: missed objectives and burning budgets."""

from collections.abc import Iterator, Sequence

from stack.drill.cases.case import OF_BOT, Case, Series, Value, bridge, rising, scrapes, slow_pace
from stack.settings import Duration, Settings


def cases(settings: Settings) -> Iterator[Case]:
    """Yield all of them."""
    yield from _burning(settings)
    yield from _missed(settings)


def _slow(alert: str, says: str, series: Sequence[Series], at: float, fires: bool, **labels: str) -> Case:
    return Case(alert, says, series, at, fires, {**OF_BOT, **labels}, slow=True)


def _bot(name: str, values: Sequence[Value], **labels: str) -> list[Series]:
    """Return a series of a bot that reports to the end."""
    return [Series(name, values, labels), Series("trading_bot_up", [1.0] * len(values))]


def _burning(settings: Settings) -> Iterator[Case]:
    alert, scrape, tick = "ErrorBudgetBurn", settings.collection.trading.interval, slow_pace(settings)
    kept = bridge(settings, alert)
    for rate in settings.sla.burn_rates:
        # Bricks hold enough samples after some evaluations: the budget of a bot with few samples does not
        # burn.
        known = rate.for_ + 30 * tick
        long = scrapes(settings, known)

        def case(
            says: str, series: Sequence[Series], at: float, fires: bool, objective: str = "error_rate",
            severity: str = rate.severity, window: Duration = rate.long,
        ) -> Case:  # fmt: skip
            return _slow(
                alert, says, series, at, fires, objective=objective, severity=severity, window=str(window)
            )

        limit = rate.factor * settings.sla.error_rate
        errors = "trading_bot_error_rate"
        yield case("just too fast", _bot(errors, [limit * 1.001] * long), known, True)
        yield case("as fast as it may", _bot(errors, [limit * 0.999] * long), known, False)
        yield case("not long enough", _bot(errors, [limit * 1.001] * long), rate.for_ - tick, False)
        yield case("absent", _bot("unrelated", [1.0] * long), known, False)
        end = scrapes(settings, rate.short + kept + 10 * scrape)
        over: list[Value] = [*[limit * 3] * long, *[0.0] * end]
        at = long * scrape + rate.short + kept + 4 * tick
        yield case("resolves", _bot(errors, over), at, False)
        removed = [
            Series(errors, [limit * 3] * long + ["stale"]),
            Series("trading_bot_up", [1.0] * long + ["stale"]),
        ]
        yield case("removed from the settings", removed, long * scrape + kept + 3 * tick, False)

        down = [Series("trading_bot_up", [0.0] * long)]
        up = [Series("trading_bot_up", [1.0] * long)]
        yield case("does not answer", down, known, True, "availability")
        yield case("answers", up, known, False, "availability")
        blips = [Series("trading_bot_up", [0.0, *([1.0] * (long - 2)), 0.0])]
        yield case("misses a scrape now and then", blips, known, False, "availability")
        if rate.factor * 0.05 < 1:
            yield case("answers late", _calls(settings, long, late=1.0), known, True, "response_time")
        late = _calls(settings, long, late=min(rate.factor * 0.05 * 0.9, 0.9))
        yield case("late, within budget", late, known, False, "response_time")


def _few(settings: Settings, count: int) -> list[Series]:
    """Return failing requests, half as many as a verdict needs."""
    few = settings.sla.requests_minimum / 2
    made = rising(few / count, count)
    ok = Series("trading_bot_api_requests_total", [0.0] * count, {"outcome": "ok"})
    return [*_bot("trading_bot_api_requests_total", made, outcome="error"), ok]


def _calls(settings: Settings, count: int, late: float) -> list[Series]:
    """Return calls of which `late` are slower than the objective's p95."""
    name, limit = "trading_bot_response_time_seconds", float(settings.sla.response_time.p95)
    every = rising(100, count)
    in_time = rising(100 * (1 - late), count)
    return [
        Series(f"{name}_bucket", in_time, {"le": repr(limit)}),
        Series(f"{name}_bucket", every, {"le": "+Inf"}),
        Series(f"{name}_count", every),
        Series("trading_bot_up", [1.0] * count),
    ]


def _missed(settings: Settings) -> Iterator[Case]:
    alert, sla = "ObjectiveMissed", settings.sla
    wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
    scrape, tick = settings.collection.trading.interval, slow_pace(settings)
    known = wait + (sla.requests_minimum + 10) * tick  # one event for each scrape, if a bot reports no number
    long = scrapes(settings, known)

    def case(says: str, objective: str, series: Sequence[Series], at: float, fires: bool) -> Case:
        return _slow(alert, says, series, at, fires, objective=objective)

    for objective, name, limit, labels in (
        ("data_age", "trading_bot_data_freshness_seconds", float(sla.data_age), {"feed": "candles"}),
        ("model_accuracy", "trading_bot_model_accuracy", sla.model_accuracy, {"model": "trend"}),
    ):
        bad, good = (limit, limit * 0.99) if objective == "data_age" else (limit, limit * 1.01)
        yield case("at its limit", objective, _bot(name, [bad] * long, **labels), known, True)
        yield case("not long enough", objective, _bot(name, [bad] * long, **labels), wait - tick, False)
        yield case("within", objective, _bot(name, [good] * long, **labels), known, False)
        yield case("absent", objective, _bot("unrelated", [1.0] * long), known, False)
        back = [bad] * long + [good] * scrapes(settings, kept + scrape)
        end = long * scrape + kept + 2 * tick
        yield case("resolves", objective, _bot(name, back, **labels), end, False)

    rate = "trading_bot_error_rate"
    yield case("too many errors", "error_rate", _bot(rate, [sla.error_rate * 1.01] * long), known, True)
    yield case("too few requests for a verdict", "error_rate", _few(settings, long), known, False)
    precise = [*_bot(rate, [settings.thresholds.critical.error_rate * 1.01] * long)]
    yield case("ApiErrorRate already fires", "error_rate", precise, known, False)
    yield case("few errors", "error_rate", _bot(rate, [sla.error_rate * 0.99] * long), known, False)
    down, up = [Series("trading_bot_up", [0.0] * long)], [Series("trading_bot_up", [1.0] * long)]
    blip = [Series("trading_bot_up", [0.0, *([1.0] * (long - 1))])]
    yield case("missed its first scrape", "availability", blip, known, False)
    yield case("does not answer", "availability", down, known, True)
    yield case("answers", "availability", up, known, False)
    yield case("slow", "response_time", _slow_calls(settings, long), known, True)
    calls = _bot("trading_bot_api_requests_total", rising(100, long), outcome="ok")
    yield case("throughput has no alert", "throughput", calls, known, sla.throughput.alert)


def _slow_calls(settings: Settings, count: int) -> list[Series]:
    """Return calls that are all slower than every quantile's objective."""
    name, limit = "trading_bot_response_time_seconds", float(settings.sla.response_time.p99)
    every = rising(100, count)
    bounds: dict[str, Sequence[Value]] = {repr(limit): [0.0] * count, repr(limit * 2): every, "+Inf": every}
    buckets = [Series(f"{name}_bucket", counts, {"le": le}) for le, counts in bounds.items()]
    return [*buckets, Series(f"{name}_count", every), Series("trading_bot_up", [1.0] * count)]
