"""Series for which every recording rule has a value that a person can compute, and those values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stack.drill.cases.case import Series, Value, rising
from stack.settings import Settings

# A good bot, a bad one that does not answer, and one that its owner stopped.
GOOD, POOR, STOPPED = 'a_b*c[d] "x"', "poor", "stopped"
OK, ERRORS, LOGGED = 99.95, 0.05, 3  # of the good bot, for each scrape
COUNT = 25  # scrapes
# Figures of the good one that only dashboards keep while it is down.
LAST_KNOWN = {
    "sortino_ratio": 2.5, "calmar_ratio": 3.5, "profit_factor": 1.25, "expectancy": 12.5,
    "last_trade_timestamp_seconds": 900.0, "position_duration_avg_seconds": 60.0, "pending_orders": 2.0,
}  # fmt: skip
MARKET = {"volatility_ratio": 0.02, "volume_24h": 1e6, "liquidity_score": 0.8, "price_change_ratio": 0.1}


@dataclass(frozen=True)
class Recorded:
    """The expected result of a recording rule: all of its samples, by their labels."""

    record: str
    samples: tuple[tuple[Mapping[str, str], float], ...]


def every_record(settings: Settings) -> Iterator[Series]:
    """Yield the series as Prometheus scrapes them."""
    yield from _good(settings)
    yield from _poor(settings)
    yield from _series({"bot": STOPPED}, up=1.0, state__stopped=1.0, data_freshness_seconds__candles=1e6)
    for mountpoint, used in (("/", 0.1), ("/var", 0.9)):
        kind = {"mountpoint": mountpoint}
        yield Series("trading_bot_host_disk_usage_ratio", [used] * COUNT, kind, {"host": "box"})
    for endpoint, success, duration in (("kraken", 1.0, 0.25), ("binance", 0.0, 0.1)):
        about, job = {"endpoint": endpoint}, {"job": f"probe-{endpoint}"}
        yield Series("probe_success", [success] * COUNT, job, about)
        yield Series("probe_duration_seconds", [duration] * COUNT, job, about)


def _good(settings: Settings) -> Iterator[Series]:
    about = {"bot": GOOD}
    yield from _series(
        about, up=1.0, state__running=1.0, error_rate=0.01, win_rate=0.75, sharpe_ratio=1.5, equity=10500.0,
        max_drawdown_ratio=0.05, drawdown_ratio=0.02, profit_loss=500.0, trades_per_hour=0.5,
        trades_per_day=12.0, uptime_seconds=settings.thresholds.warning.trades_per_hour_after + 60,
        max_consecutive_wins=5.0, recovery_factor=1.5, current_exposure=1000.0, memory_usage_ratio=0.5,
        cpu_usage_ratio=0.4, data_freshness_seconds__candles=10.0, data_freshness_seconds__trades=20.0,
        model_loaded__trend=1.0, model_accuracy__trend=0.9, model_accuracy__swing=0.85,
        prediction_confidence__trend=0.8, model_drift_score__trend=0.05,
        prediction_time_seconds__trend=0.05, active_positions__BTC=1.0, active_positions__ETH=2.0,
        pnl__day=100.0, pnl__week=400.0, pnl__month=450.0, pnl_all__day=90.0,
        pnl_window_end_timestamp_seconds__day=1e6, loss_limit_used_ratio__daily=0.4,
        loss_limit_acts_at_ratio__daily=0.8, position_unprotected__BTC=0.0,
        position_liquidation_distance_ratio__BTC=0.4, position_margin_ratio__BTC=0.1,
        loss_limit_known_timestamp_seconds__daily=1.0, symbol_pnl__BTC=500.0, **LAST_KNOWN,
        **{f"market_{name}__BTC": value for name, value in MARKET.items()},
    )  # fmt: skip
    scrape = settings.collection.trading.interval
    yield _of(about, "last_activity_timestamp_seconds", rising(scrape, COUNT))
    yield Series("nightdesk_exporter_last_success_timestamp_seconds", [1000.0] * COUNT, {}, about)
    for outcome, count in (("won", 30.0), ("lost", 10.0)):
        yield _of(about, "trades_total", [count] * COUNT, outcome=outcome, symbol="BTC", side="long")
    yield _of(about, "api_requests_total", rising(OK, COUNT, 1e6), outcome="ok")
    yield _of(about, "api_requests_total", rising(ERRORS, COUNT, 1e3), outcome="error")
    for severity, step in (("error", LOGGED), ("info", 50)):
        yield _of(about, "log_events_total", rising(step, COUNT, 1e6), severity=severity)
    yield from _calls(settings, about, beyond=0)


def _poor(settings: Settings) -> Iterator[Series]:
    about = {"bot": POOR}
    yield from _series(
        about, up=0.0, error_rate=0.2, win_rate=1 / 3, sharpe_ratio=-1.0, equity=900.0,
        max_drawdown_ratio=0.1, drawdown_ratio=0.3, profit_loss=-100.0, uptime_seconds=60.0,
        memory_usage_ratio=0.99, cpu_usage_ratio=0.99, data_freshness_seconds__candles=1e5,
        model_loaded__trend=0.0, model_accuracy__trend=0.5,
    )  # fmt: skip
    for outcome, count in (("won", 1.0), ("lost", 2.0)):
        yield _of(about, "trades_total", [count] * COUNT, outcome=outcome, symbol="BTC", side="long")
    yield from _calls(settings, about, beyond=1)


def _of(about: Mapping[str, str], name: str, values: Sequence[Value], **labels: str) -> Series:
    return Series(f"trading_bot_{name}", values, labels, about)


def _series(about: Mapping[str, str], **values: float) -> Iterator[Series]:
    """Yield a gauge for each value; the name's part after `__` is its own label."""
    labels = {
        "data_freshness_seconds": "feed",
        "active_positions": "symbol",
        "pnl": "window",
        "pnl_all": "window",
        "pnl_window_end_timestamp_seconds": "window",
        "loss_limit_used_ratio": "limit",
        "loss_limit_acts_at_ratio": "limit",
        "loss_limit_known_timestamp_seconds": "limit",
        "state": "state",
        "symbol_pnl": "symbol",
        **{f"market_{name}": "symbol" for name in MARKET},
        "position_unprotected": "symbol",
        "position_liquidation_distance_ratio": "symbol",
        "position_margin_ratio": "symbol",
    }
    for key, value in values.items():
        name, _, of = key.partition("__")
        kind = {labels.get(name, "model"): of} if of else {}
        yield _of(about, name, [value] * COUNT, **kind)


def _calls(settings: Settings, about: Mapping[str, str], beyond: int) -> Iterator[Series]:
    """Yield calls that take up to half the objective's p95, or between it and its double."""
    bounds = _bounds(settings)
    every, none = rising(100, COUNT, 1e6), [0.0] * COUNT
    first = 2 * beyond
    for index, le in enumerate([*map(repr, bounds), "+Inf"]):
        counts = every if index >= first else none
        yield _of(about, "response_time_seconds_bucket", counts, le=le)
    yield _of(about, "response_time_seconds_count", every)


def _bounds(settings: Settings) -> tuple[float, float, float]:
    limit = float(settings.sla.response_time.p95)
    return limit / 2, limit, limit * 2


def values(settings: Settings) -> Iterator[Recorded]:
    """Yield the expected results of every recording rule for these series."""
    yield from _signals(settings)
    yield from _health()
    yield from _service_level(settings)
    yield from _performance(settings)
    yield from _milestones(settings)
    yield from _fleet(settings)


def _bots(record: str, by_bot: Mapping[str, float], **labels: str) -> Recorded:
    return Recorded(record, tuple(({"bot": bot} | labels, value) for bot, value in by_bot.items()))


def _each(record: str, label: str, table: Mapping[str, Mapping[str, float]]) -> Recorded:
    """Return a rule that is written once for each value of `label`."""
    samples = [({"bot": bot, label: of}, value) for of, bots in table.items() for bot, value in bots.items()]
    return Recorded(record, tuple(samples))


def _quantiles(settings: Settings, share: float) -> dict[str, float]:
    low, high, higher = _bounds(settings)
    return {GOOD: low * share, POOR: high + (higher - high) * share}


def _signals(settings: Settings) -> Iterator[Recorded]:
    scrape = settings.collection.trading.interval
    yield _bots("bot:trading_bot_up:max", {GOOD: 1, POOR: 0, STOPPED: 1})
    yield _bots("bot:trading_bot_trades:sum", {GOOD: 40, POOR: 3})
    yield _bots("bot:trading_bot_win_rate:settled", {GOOD: 0.75})  # three trades are none
    yield _bots("bot:trading_bot_drawdown_ratio:known", {GOOD: 0.02, POOR: 0.3})
    yield _bots("bot:trading_bot_equity:known", {GOOD: 10500, POOR: 900})
    yield _bots("bot:trading_bot_profit_loss:known", {GOOD: 500, POOR: -100})
    yield _bots("bot:trading_bot_current_exposure:known", {GOOD: 1000})
    yield _bots("bot:trading_bot_active_positions:known", {GOOD: 3})
    yield _bots("bot:trading_bot_trades:known", {GOOD: 40, POOR: 3})
    yield _bots("bot:trading_bot_answered_timestamp_seconds:known", {GOOD: 1000})
    yield from _last_known()
    made = {"day": {GOOD: 100.0}, "week": {GOOD: 400.0}, "month": {GOOD: 450.0}}
    yield _each("bot_window:trading_bot_pnl:known", "window", made)
    for name, of_day in (("all", 90.0), ("window_end_timestamp_seconds", 1e6)):
        yield _each(f"bot_window:trading_bot_pnl_{name}:known", "window", {"day": {GOOD: of_day}})
    last = (COUNT - 1) * scrape
    yield _bots("bot:trading_bot_drawdown_ratio:known_timestamp_seconds", {GOOD: last, POOR: last})
    at = "bot_limit:trading_bot_loss_limit_used_ratio:known_timestamp_seconds"
    yield _each(at, "limit", {"daily": {GOOD: 1.0}})
    for name, known in (("used", 0.4), ("acts_at", 0.8)):
        yield _each(f"bot_limit:trading_bot_loss_limit_{name}_ratio:known", "limit", {"daily": {GOOD: known}})
    for name, told in (("unprotected", 0.0), ("liquidation_distance_ratio", 0.4), ("margin_ratio", 0.1)):
        known_position = f"bot_position:trading_bot_position_{name}:known"
        yield _each(known_position, "symbol", {"BTC": {GOOD: told}})
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        yield _bots(f"bot:trading_bot_response_time_seconds:{name}", _quantiles(settings, share))
    yield _bots("bot:trading_bot_api_requests:rate", {GOOD: (OK + ERRORS) / scrape})
    latencies = (({"endpoint": "kraken"}, 0.25), ({"endpoint": "binance"}, 0.1))
    yield Recorded("trading_bot_network_latency_seconds", latencies)
    errors = {"api": {GOOD: ERRORS / scrape}, "logs": {GOOD: LOGGED / scrape}}
    yield _each("bot_source:trading_bot_errors:rate", "source", errors)
    network = {"source": "network"}
    failed = (({"endpoint": "kraken"} | network, 0.0), ({"endpoint": "binance"} | network, 1.0))
    yield Recorded("endpoint_source:trading_bot_errors:ratio", failed)


def _last_known() -> Iterator[Recorded]:
    good = LAST_KNOWN | {"recovery_factor": 1.5, "trades_per_day": 12.0}
    told = {name: {GOOD: value} for name, value in good.items()} | {
        "win_rate": {GOOD: 0.75, POOR: 1 / 3},
        "sharpe_ratio": {GOOD: 1.5, POOR: -1.0},
        "trades_per_hour": {GOOD: 0.5},
    }
    for name, by_bot in told.items():
        yield _bots(f"bot:trading_bot_{name}:known", by_bot)
    of_symbols = {f"market_{name}": value for name, value in MARKET.items()} | {"symbol_pnl": 500.0}
    change = of_symbols.pop("market_price_change_ratio")
    for name, value in of_symbols.items():
        yield _bots(f"bot_symbol:trading_bot_{name}:known", {GOOD: value}, symbol="BTC")
    moved = "bot_symbol_window:trading_bot_market_price_change_ratio:known"
    yield _bots(moved, {GOOD: change}, symbol="BTC")
    trades = {GOOD: {"won": 30.0, "lost": 10.0}, POOR: {"won": 1.0, "lost": 2.0}}
    samples = [
        ({"bot": bot, "symbol": "BTC", "side": "long", "outcome": outcome}, count)
        for bot, counts in trades.items()
        for outcome, count in counts.items()
    ]
    yield Recorded("bot_symbol_side_outcome:trading_bot_trades_total:known", tuple(samples))


def _health() -> Iterator[Recorded]:
    both = {GOOD: 1.0, POOR: 0.0}
    checks = (
        "bot_running", "api_connectivity", "model_loaded", "data_freshness", "memory_usage", "cpu_usage",
    )  # fmt: skip
    yield _each("bot_check:trading_bot_health:bool", "check", dict.fromkeys(checks, both))
    disk = ({"host": "box", "check": "disk_space"}, 0.0)
    yield Recorded("host_check:trading_bot_health:bool", (disk,))
    network = {"check": "network_connectivity"}
    reached = (({"endpoint": "kraken"} | network, 1.0), ({"endpoint": "binance"} | network, 0.0))
    yield Recorded("endpoint_check:trading_bot_health:bool", reached)
    yield _bots("bot:trading_bot_health:min", both)


def _service_level(settings: Settings) -> Iterator[Recorded]:
    sla, scrape = settings.sla, settings.collection.trading.interval
    burns = {
        "availability": {GOOD: 0.0, POOR: 1 / (1 - sla.availability), STOPPED: 0.0},
        "error_rate": {GOOD: ERRORS / (OK + ERRORS) / sla.error_rate, POOR: 0.2 / sla.error_rate},
        "response_time": {GOOD: 0.0, POOR: 1 / 0.05},
    }
    windows = {sla.window} | {window for rate in sla.burn_rates for window in (rate.long, rate.short)}
    samples = [
        ({"bot": bot, "objective": objective, "window": str(window)}, burn)
        for window in windows
        for objective, bots in burns.items()
        for bot, burn in bots.items()
    ]
    yield Recorded("bot_objective_window:trading_bot_error_budget:burn", tuple(samples))
    long = {sla.window, *(rate.long for rate in sla.burn_rates)}
    missed = {GOOD: 0.0, POOR: float(COUNT * scrape), STOPPED: 0.0}
    of_windows = [({"bot": bot, "window": str(one)}, time) for one in long for bot, time in missed.items()]
    yield Recorded("bot_window:trading_bot_missed:seconds", tuple(of_windows))
    yield from _events()
    yield _bots("bot:trading_bot_availability:ratio", {GOOD: 1.0, POOR: 0.0, STOPPED: 1.0})
    yield _bots("bot:trading_bot_api_requests:peak", {GOOD: (OK + ERRORS) / scrape})
    both = {GOOD: 1.0, POOR: 0.0}
    met = dict.fromkeys(("error_rate", "response_time", "data_age", "model_accuracy"), both)
    met |= {"availability": both | {STOPPED: 1.0}, "throughput": {GOOD: 0.0}}
    yield _each("bot_objective:trading_bot_objective:met", "objective", met)
    for name in ("all_met", "met_ratio"):
        yield _bots(f"bot:trading_bot_objective:{name}", both | {STOPPED: 1.0})


def _events() -> Iterator[Recorded]:
    """Yield the sums for long windows: a range that began before the first scrape counts as a whole."""
    grown = COUNT - 0.5  # `increase` adds half a scrape if it cannot see the range's begin
    every = {
        "availability": dict.fromkeys((GOOD, POOR, STOPPED), float(COUNT)),
        "error_rate": {GOOD: (OK + ERRORS) * grown, POOR: float(COUNT)},
        "response_time": {GOOD: 100 * grown, POOR: 100 * grown},
    }
    bad = {
        "availability": {GOOD: 0.0, POOR: float(COUNT), STOPPED: 0.0},
        "error_rate": {GOOD: ERRORS * grown, POOR: 0.2 * COUNT},
        "response_time": {GOOD: 0.0, POOR: 100 * grown},
    }
    yield _each("bot_objective:trading_bot_objective_all_events:brick", "objective", every)
    yield _each("bot_objective:trading_bot_objective_bad_events:brick", "objective", bad)


def _parts(settings: Settings) -> dict[str, dict[str, float]]:
    scale = settings.performance.scale
    gained, lost = 500 / (2 * scale.profit_loss * 10000), -100 / (2 * scale.profit_loss * 1000)
    figures = {
        "win_rate": {GOOD: 0.75},
        "sharpe_ratio": {GOOD: 1.5 / scale.sharpe_ratio, POOR: -1 / scale.sharpe_ratio},
        "max_drawdown": {GOOD: 1 - 0.05 / scale.max_drawdown, POOR: 1 - 0.1 / scale.max_drawdown},
        "profit_loss": {GOOD: 0.5 + gained, POOR: 0.5 + lost},
        "trades_per_hour": {GOOD: 0.5 / scale.trades_per_hour},
        "error_rate": {GOOD: 1 - 0.01 / scale.error_rate, POOR: 1 - 0.2 / scale.error_rate},
        "uptime": {GOOD: 1.0, POOR: 0.0, STOPPED: 1.0},
    }
    return {
        part: {bot: min(max(figure, 0.0), 1.0) for bot, figure in bots.items()}
        for part, bots in figures.items()
    }


def _scores(settings: Settings) -> dict[str, float]:
    """Return the score of each bot that is up: the weighted mean of the known parts."""
    parts, weights = _parts(settings), dict(settings.performance.weights)
    scores = {}
    for bot in (GOOD, STOPPED):
        known = [(weights[part], bots[bot]) for part, bots in parts.items() if bot in bots]
        scores[bot] = sum(weight * value for weight, value in known) / sum(weight for weight, _ in known)
    return scores


def _performance(settings: Settings) -> Iterator[Recorded]:
    yield _each("bot_part:trading_bot_performance:score", "part", _parts(settings))
    yield _bots("bot:trading_bot_performance:score", _scores(settings))
    figures = {
        "min_win_rate": {GOOD: 0.75},
        "max_drawdown": {GOOD: 0.05, POOR: 0.1},
        "min_sharpe_ratio": {GOOD: 1.5, POOR: -1.0},
        "min_trades_per_day": {GOOD: 12.0},
        "max_response_time": _quantiles(settings, 0.95),
        "max_error_rate": {GOOD: 0.01, POOR: 0.2},
        "min_uptime": {GOOD: 1.0, POOR: 0.0, STOPPED: 1.0},
        "max_memory_usage": {GOOD: 0.5, POOR: 0.99},
        "min_accuracy": {GOOD: 0.85, POOR: 0.5},
        "max_drift": {GOOD: 0.05},
        "min_confidence": {GOOD: 0.8},
        "max_prediction_time": {GOOD: 0.05},
    }
    limits = {name: float(getattr(settings.performance.benchmarks, name)) for name in figures}
    ratios = {
        name: {bot: figure / limits[name] for bot, figure in bots.items()} for name, bots in figures.items()
    }
    met = {
        name: {bot: float(r >= 1 if name.startswith("min_") else r <= 1) for bot, r in bots.items()}
        for name, bots in ratios.items()
    }
    yield _each("bot_benchmark:trading_bot_performance:ratio", "benchmark", ratios)
    yield _each("bot_benchmark:trading_bot_performance:met", "benchmark", met)


def _milestones(settings: Settings) -> Iterator[Recorded]:
    marks = settings.milestones
    uptime = settings.thresholds.warning.trades_per_hour_after + 60
    progress = {
        "daily_pnl": {GOOD: 100 / marks.daily_pnl},
        "weekly_pnl": {GOOD: 400 / marks.weekly_pnl},
        "monthly_pnl": {GOOD: 450 / marks.monthly_pnl},
        "trades_count": {GOOD: 40 / marks.trades_count, POOR: 3 / marks.trades_count},
        "uptime": {GOOD: uptime / marks.uptime, POOR: 60 / marks.uptime},
        "sharpe_ratio": {GOOD: 1.5 / marks.sharpe_ratio, POOR: -1 / marks.sharpe_ratio},
        "max_consecutive_wins": {GOOD: 5 / marks.max_consecutive_wins},
        "recovery_factor": {GOOD: 1.5 / marks.recovery_factor},
    }
    yield _each("bot_milestone:trading_bot_milestone:progress", "milestone", progress)


def _fleet(settings: Settings) -> Iterator[Recorded]:
    scores = _scores(settings)
    figures = {
        "up:count": 3.0,
        "up:sum": 2.0,
        "trades:sum": 43.0,
        "win_rate:ratio": 31 / 43,
        "active_positions:sum": 3.0,
        "drawdown_ratio:max": 0.3,
        "error_rate:avg": (0.01 + 0.2) / 2,
        "api_requests:rate": (OK + ERRORS) / settings.collection.trading.interval,
        "health:avg": 0.5,
        "objective:met_ratio": 2 / 3,
        "performance:score": sum(scores.values()) / len(scores),
    }
    for name, figure in figures.items():
        yield Recorded(f"fleet:trading_bot_{name}", (({}, figure),))
    states = (({"state": "running"}, 1.0), ({"state": "stopped"}, 1.0))
    yield Recorded("state:trading_bot_state:sum", states)
    money = {"profit_loss": 400.0, "equity": 11400.0, "current_exposure": 1000.0, "pnl_day": 90.0}
    for name, amount in money.items():
        yield Recorded(f"currency:trading_bot_{name}:sum", (({"currency": settings.currency}, amount),))
