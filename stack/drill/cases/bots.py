"""Cases of the bot alerts that depend on more than one value."""

from collections.abc import Iterator, Sequence

from stack.drill.cases.case import BOT, OF_BOT, Case, Series, Value, bridge, rising, scrapes, slow_pace
from stack.settings import Settings

ENDPOINT = {"endpoint": "kraken №"}


def cases(settings: Settings) -> Iterator[Case]:
    """Yield all of them."""
    yield from (
        *_down(settings),
        *_crash_looping(settings),
        *_loop_hung(settings),
        *_response_times(settings),
        *_win_rate(settings),
        *_activity(settings),
        *_drift(settings),
        *_log_errors(settings),
        *_health(settings),
        *_stopped(settings),
        *_milestones(settings),
    )


def _down(settings: Settings) -> Iterator[Case]:
    tick = settings.collection.evaluation_interval
    scrape = settings.collection.trading.interval
    wait = settings.thresholds.critical.down_after + settings.alerts["Down"].for_
    long = scrapes(settings, wait)
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
    back = [Series("trading_bot_up", [0.0] * long + [1.0] * scrapes(settings, kept + scrape))]
    yield Case("Down", "is kept while it may flap", back, long * scrape + kept - tick, True, lasts=False)
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
    quiet = [*seen, *[1000.0 + 200 * changes] * scrapes(settings, 2 * window)]
    gone = last + window + bridge(settings, "CrashLooping") + 2 * scrape
    yield Case("CrashLooping", "resolves", [Series(name, quiet)], gone, fires=False)

    once: list[Value] = [*[1000.0] * 8, "stale", None, *[2000.0] * scrapes(settings, window)]
    yield Case("CrashLooping", "one ordinary restart", [Series(name, once)], 12 * scrape, fires=False)
    yield Case("CrashLooping", "absent", [Series("trading_bot_up", [0.0] * 9)], 8 * scrape, fires=False)


def _loop_hung(settings: Settings) -> Iterator[Case]:
    tick, scrape = settings.collection.evaluation_interval, settings.collection.trading.interval
    limit, wait = settings.thresholds.critical.loop_hung_after, settings.alerts["LoopHung"].for_
    kept = bridge(settings, "LoopHung")
    long = scrapes(settings, limit + wait) + 1

    def bot(activity: Sequence[Value], up: float = 1.0, *more: Series) -> list[Series]:
        name = "trading_bot_last_activity_timestamp_seconds"
        return [Series(name, activity), Series("trading_bot_up", [up] * len(activity)), *more]

    still: list[Value] = [0.0] * long
    stopped = Series("trading_bot_state", [1.0] * long, {"state": "stopped"})
    fires = limit + tick + wait
    yield Case("LoopHung", "answers, but does not trade", bot(still), fires, fires=True)
    yield Case("LoopHung", "not long enough", bot(still), fires - tick, fires=False)
    yield Case("LoopHung", "stopped by its owner", bot(still, 1.0, stopped), fires, fires=False)
    yield Case("LoopHung", "down: Down fires instead", bot(still, 0.0), fires, fires=False)
    yield Case("LoopHung", "absent", [Series("unrelated", [1.0])], fires, fires=False)
    again = [*still, *rising(scrape, scrapes(settings, kept + scrape) + 1, long * scrape)]
    yield Case("LoopHung", "resolves", bot(again), long * scrape + kept + tick, fires=False)


def _response_times(settings: Settings) -> Iterator[Case]:
    critical, warning = settings.thresholds.critical, settings.thresholds.warning
    twins = {
        "ApiResponseTimeCritical": critical.response_time,
        "ApiResponseTimeHigh": warning.response_time,
    }
    scrape, tick = settings.collection.trading.interval, settings.collection.evaluation_interval
    for alert, threshold in twins.items():
        limit, wait = float(threshold), settings.alerts[alert].for_
        long = scrapes(settings, wait) + 3

        def calls(fast: Sequence[float], slow: Sequence[float], limit: float = limit) -> list[Series]:
            """All fast calls are within the limit, all slow calls are beyond it."""
            every = [a + b for a, b in zip(fast, slow, strict=True)]
            bounds: dict[float, Sequence[Value]] = {
                limit / 2: [0.0] * len(every),
                limit: fast,
                limit * 2: every,
                float("inf"): every,
            }
            buckets = [
                Series("trading_bot_response_time_seconds_bucket", counts, {"le": _le(bound)})
                for bound, counts in bounds.items()
            ]
            return [*buckets, Series("trading_bot_response_time_seconds_count", every)]

        none, some = [0.0] * long, rising(50, long)
        fires = wait + 2 * scrape
        yield Case(alert, "slow", calls(none, some), fires, fires=True)
        yield Case(alert, "not long enough", calls(none, some), wait - tick, fires=False)
        yield Case(alert, "just within the limit", calls(some, none), fires, fires=False)
        few = rising(1, long) if scrape * 20 > settings.collection.rate_window else none
        yield Case(alert, "too few calls for a verdict", calls(none, few), fires, fires=False)
        yield Case(alert, "absent", [Series("unrelated", [1.0])], fires, fires=False)
        kept = bridge(settings, alert) + settings.collection.rate_window + 4 * scrape
        better = scrapes(settings, kept)
        end = long * scrape + kept
        fast = [*none, *rising(50, better)]
        slow = [*some, *([some[-1]] * better)]
        yield Case(alert, "resolves", calls(fast, slow), end, fires=False)


def _le(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(bound)


def _win_rate(settings: Settings) -> Iterator[Case]:
    limits_, wait = settings.thresholds.warning, settings.alerts["LowWinRate"].for_
    long = scrapes(settings, wait) + 1
    few = float(limits_.win_rate_trades - 1)
    series = [Series("trading_bot_win_rate", [0.0] * long), Series("trading_bot_trades_total", [few] * long)]
    yield Case("LowWinRate", "too few trades for a verdict", series, wait, fires=False)


def _activity(settings: Settings) -> Iterator[Case]:
    limits_, wait = settings.thresholds.warning, settings.alerts["LowTradingActivity"].for_
    long = scrapes(settings, wait) + 1

    def bot(up_for: float, *more: Series) -> list[Series]:
        return [Series("trading_bot_uptime_seconds", [up_for] * long), *more]

    after = limits_.trades_per_hour_after
    resting = Series("trading_bot_state", [1.0] * long, {"state": "paused"})
    alert = "LowTradingActivity"
    yield Case(alert, "up for a long time, without a trade", bot(after + 1), wait, fires=True)
    yield Case(alert, "just started", bot(after), wait, fires=False)
    yield Case(alert, "paused by its owner", bot(after + 1, resting), wait, fires=False)


def _drift(settings: Settings) -> Iterator[Case]:
    wait = settings.alerts["ModelDrift"].for_
    long = scrapes(settings, wait) + 1
    flag = [Series("trading_bot_model_drift_detected", [1.0] * long, {"model": "trend"})]
    yield Case(
        "ModelDrift", "the bot's own test found drift", flag, wait, True, {"bot": BOT, "model": "trend"}
    )


def _log_errors(settings: Settings) -> Iterator[Case]:
    limits_, alert = settings.thresholds.warning, "LogErrorBurst"
    scrape, window = settings.collection.trading.interval, settings.collection.rate_window
    wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
    hour = scrapes(settings, limits_.error_burst_baseline + window)
    each = (
        limits_.error_burst_count * scrape / window
    )  # a scrape: this rate gives the count within the window
    long = scrapes(settings, window + wait) + 2
    now = (hour + long - 2) * scrape

    def log(values: Sequence[Value]) -> list[Series]:
        kind = {"category": "error", "event": "error", "severity": "error"}
        return [
            Series("trading_bot_log_events_total", values, kind),
            Series("trading_bot_up", [1.0] * (hour + 3 * long)),
        ]

    quiet: list[Value] = [0.0] * hour
    burst = [*quiet, *rising(each * 1.2, long)]
    usual = rising(each * 0.8, hour)
    busy = usual + rising(each * 1.2, long, usual[-1])
    yield Case(alert, "a burst after a quiet hour", log(burst), now, fires=True)
    yield Case(alert, "fewer than count", log([*quiet, *rising(each * 0.8, long)]), now, fires=False)
    yield Case(alert, "many, as always", log(busy), now, fires=False)
    born: list[Value] = [*[None] * hour, *[limits_.error_burst_count * 2.0] * long]
    yield Case(alert, "the first errors ever", log(born), hour * scrape + wait, True, lasts=False)
    yield Case(alert, "absent", log([])[1:], now, fires=False)
    end = (hour + long) * scrape + window + kept + scrape
    over = burst + [burst[-1]] * scrapes(settings, window + kept + 2 * scrape)
    yield Case(alert, "resolves", log(over), end, fires=False)


def _health(settings: Settings) -> Iterator[Case]:
    alert, tick = "HealthUnhealthy", settings.collection.evaluation_interval
    wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
    scrape = settings.collection.trading.interval
    long = scrapes(settings, wait) + 1

    def model(loaded: Sequence[Value], *more: Series) -> list[Series]:
        return [Series("trading_bot_model_loaded", loaded, {"model": "trend"}), *more]

    out: list[Value] = [0.0] * long
    errors = Series("trading_bot_error_rate", [settings.health.api_error_rate * 2] * long)
    back = [*out, *([1.0] * scrapes(settings, kept + scrape))]
    yield Case(alert, "a model is not loaded", model(out), wait, fires=True)
    yield Case(alert, "not long enough", model(out), wait - tick, fires=False)
    yield Case(alert, "a more precise alert fires", model(out, errors), wait, fires=False)
    yield Case(alert, "absent", [Series("unrelated", [1.0])], wait, fires=False)
    yield Case(alert, "resolves", model(back), long * scrape + kept + tick, fires=False)

    def probe(success: float) -> list[Series]:
        job = {"job": "probe-kraken"}
        return [
            Series("probe_success", [success] * long, job, ENDPOINT),
            Series("probe_duration_seconds", [0.01] * long, job, ENDPOINT),
        ]

    labels = ENDPOINT | {"scope": "endpoint"}
    yield Case(alert, "an endpoint cannot be reached", probe(0.0), wait, True, labels)
    yield Case(alert, "an endpoint is reached", probe(1.0), wait, False, labels)


def _stopped(settings: Settings) -> Iterator[Case]:
    for alert, age in (
        ("DataStale", settings.thresholds.critical.data_age),
        ("DataStaleWarning", settings.thresholds.warning.data_age),
    ):
        wait = settings.alerts[alert].for_
        long = scrapes(settings, wait) + 1
        series = [
            Series("trading_bot_data_freshness_seconds", [age * 2] * long, {"feed": "candles"}),
            Series("trading_bot_state", [1.0] * long, {"state": "stopped"}),
        ]
        yield Case(alert, "stopped by its owner", series, wait + 1, fires=False)


def _milestones(settings: Settings) -> Iterator[Case]:
    alert, scrape = "MilestoneReached", settings.collection.trading.interval
    hours = settings.routing.info_hours
    hold = 0
    if hours is not None:
        minutes = [60 * int(time[:2]) + int(time[3:]) for time in (hours.from_, hours.to)]
        hold = (25 * 60 - (minutes[1] - minutes[0])) * 60  # the night on which the clocks go back
    rearm = settings.milestones.rearm
    figures = {
        "daily_pnl": ("trading_bot_pnl", {"window": "day"}),
        "weekly_pnl": ("trading_bot_pnl", {"window": "week"}),
        "monthly_pnl": ("trading_bot_pnl", {"window": "month"}),
        "trades_count": ("trading_bot_trades_total", {"outcome": "won"}),
        "uptime": ("trading_bot_uptime_seconds", {}),
        "sharpe_ratio": ("trading_bot_sharpe_ratio", {}),
        "max_consecutive_wins": ("trading_bot_max_consecutive_wins", {}),
        "recovery_factor": ("trading_bot_recovery_factor", {}),
    }
    for milestone, (name, kind) in figures.items():
        limit = float(getattr(settings.milestones, milestone))
        labels = {**OF_BOT, "milestone": milestone}

        def case(
            says: str, values: Sequence[Value], at: float, fires: bool,
            name: str = name, kind: dict[str, str] = kind, labels: dict[str, str] = labels,
        ) -> Case:  # fmt: skip
            return Case(alert, says, [Series(name, values, kind)], at, fires, labels, slow=True)

        below, above = limit * 0.99, limit
        yield case("crosses", [below] * 5 + [above] * 3, 6 * scrape + slow_pace(settings), True)
        yield case("just below", [below] * 8, 7 * scrape, False)
        yield case("the event was there at the first scrape", [above] * 8, 7 * scrape, False)
        yield case("absent", [], 7 * scrape, False)
        long = scrapes(settings, hold + 900)
        yield case("resolves", [below] * 5 + [above] * long, 5 * scrape + hold + 900, False)
    night = [0.0] * 5 + [limit] * scrapes(settings, hold)
    yield case("the event is there in the morning", night, 5 * scrape + hold, True)
    flaps = [0.0] * 5 + [limit] * 3 + [0.0] * scrapes(settings, rearm / 2) + [limit] * 3
    yield case("resolves", flaps + [limit] * scrapes(settings, hold + 900), 8 * scrape + hold + 900, False)
