"""Cases of the alerts that fire while one value stays beyond its limit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stack.drill.cases.case import BOT, NUMBER, OF_BOT, Case, Series, bridge, scrapes
from stack.settings import Settings

MODEL = {"bot": BOT, "model": "trend"}
SYMBOL = {"bot": BOT, "symbol": "BTC/USDT"}
POSITION = SYMBOL | {"side": "long"}
HOST = {"host": f"box {NUMBER}"}
DISK = HOST | {"mountpoint": "/var"}
ENDPOINT = {"endpoint": f"binance {NUMBER}"}
PROBE = {"job": "probe-binance"}
Worse = Literal["above", "below"]
SCOPE = {"scope": "host"}


@dataclass(frozen=True)
class Limit:
    """An alert on one series: the limit, its worse side, and the labels of series and alert."""

    alert: str
    metric: str
    limit: float
    worse: Worse = "above"
    subject: Mapping[str, str] = field(default_factory=lambda: OF_BOT)
    series: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, float] = field(default_factory=dict)
    waits: bool = True  # the wait of the alert's settings


def cases(settings: Settings) -> Iterator[Case]:
    """Yield the cases of all such alerts."""
    for limit in (*_critical(settings), *_warning(settings), *_suggestions(settings)):
        yield from _around(settings, limit)


def _critical(settings: Settings) -> Iterator[Limit]:
    is_ = settings.thresholds.critical
    yield Limit("HighDrawdown", "drawdown_ratio", is_.max_drawdown)
    yield Limit("CriticalLoss", "drawdown_ratio", is_.critical_loss)
    near = is_.liquidation_distance
    yield Limit("LiquidationNear", "position_liquidation_distance_ratio", near, "below", POSITION)
    margin = {"scope": "margin"}
    yield Limit("LiquidationNear", "position_margin_ratio", is_.margin_ratio, subject=POSITION, labels=margin)
    yield Limit("ApiErrorRate", "error_rate", is_.error_rate)
    at_once = {"pace": "at_once"}
    yield Limit("ApiErrorRate", "error_rate", 2 * is_.error_rate, labels=at_once, waits=False)
    yield Limit("HighMemoryUsage", "memory_usage_ratio", is_.memory_usage)
    yield Limit("HighCpuUsage", "cpu_usage_ratio", is_.cpu_usage)
    yield Limit("DataStale", "data_freshness_seconds", is_.data_age, series={"feed": "candles"})
    yield Limit("ModelAccuracyCritical", "model_accuracy", is_.model_accuracy, "below", MODEL)
    latency = is_.network_latency
    yield Limit("NetworkLatencyCritical", "probe_duration_seconds", latency, subject=ENDPOINT, series=PROBE)
    yield Limit("DiskUsageCritical", "host_disk_usage_ratio", is_.disk_usage, subject=DISK)


def _warning(settings: Settings) -> Iterator[Limit]:
    is_ = settings.thresholds.warning
    enough = {"trades_total": float(is_.win_rate_trades)}
    yield Limit("LowWinRate", "win_rate", is_.win_rate, "below", beside=enough)
    yield Limit("ModelDrift", "model_drift_score", is_.drift_score, subject=MODEL)
    latency = is_.network_latency
    yield Limit("HighLatency", "probe_duration_seconds", latency, subject=ENDPOINT, series=PROBE)
    yield Limit("HighVolatility", "market_volatility_ratio", is_.volatility, subject=SYMBOL)
    yield Limit("DiskUsageHigh", "host_disk_usage_ratio", is_.disk_usage, subject=DISK)
    yield Limit("DataStaleWarning", "data_freshness_seconds", is_.data_age, series={"feed": "candles"})
    yield Limit("ModelAccuracyLow", "model_accuracy", is_.model_accuracy, "below", MODEL)
    yield Limit("MemoryUsageHigh", "memory_usage_ratio", is_.memory_usage)
    yield Limit("MemoryUsageHigh", "host_memory_usage_ratio", is_.memory_usage, subject=HOST, labels=SCOPE)
    yield Limit("CpuUsageHigh", "cpu_usage_ratio", is_.cpu_usage)
    yield Limit("CpuUsageHigh", "host_cpu_usage_ratio", is_.cpu_usage, subject=HOST, labels=SCOPE)
    confidence = is_.prediction_confidence
    yield Limit("LowPredictionConfidence", "prediction_confidence", confidence, "below", MODEL)
    yield Limit("LowDataQuality", "data_quality_score", is_.data_quality, "below", MODEL)
    yield Limit("RiskUtilizationHigh", "risk_utilization_ratio", is_.risk_utilization)
    yield Limit("OrderStuck", "order_age_seconds", is_.order_age, subject=SYMBOL)
    worth = {"position_value": 1.0}
    yield Limit("FundingDrain", "position_funding_paid", is_.funding_paid, subject=POSITION, beside=worth)
    activity = {"uptime_seconds": is_.trades_per_hour_after + 1}
    yield Limit("LowTradingActivity", "trades_per_hour", is_.trades_per_hour, "below", beside=activity)


def _suggestions(settings: Settings) -> Iterator[Limit]:
    enough = {"trades_total": float(settings.thresholds.warning.win_rate_trades)}
    activity = {"uptime_seconds": settings.thresholds.warning.trades_per_hour_after + 1}

    def of(name: str, metric: str, worse: Worse, condition: str, **beside: float) -> Limit:
        one = getattr(settings.suggestions, name)
        labels = {"category": one.category, "priority": one.priority, "kind": "suggestion"}
        return Limit(
            "Suggestion", metric, one.limit, worse, labels=labels | {"condition": condition}, beside=beside
        )

    yield of("win_rate", "win_rate", "below", "low_win_rate", **enough)
    yield of("drawdown", "drawdown_ratio", "above", "high_drawdown")
    yield of("error_rate", "error_rate", "above", "api_error_rate")
    yield of("trades_per_hour", "trades_per_hour", "below", "low_trading_activity", **activity)


def _around(settings: Settings, limit: Limit) -> Iterator[Case]:
    """Yield the cases around a limit: beyond it, at it, absent, not a number, recovered."""
    alert, tick = limit.alert, settings.collection.evaluation_interval
    wait, kept = settings.alerts[alert].for_ if limit.waits else 0.0, bridge(settings, alert)
    long = scrapes(settings, wait) + 1
    better = scrapes(settings, kept + settings.collection.trading.interval)
    worse = limit.limit + abs(limit.limit) * (0.001 if limit.worse == "above" else -0.001)

    def case(says: str, values: Sequence[float], at: float, fires: bool) -> Case:
        name = limit.metric if limit.metric.startswith("probe_") else f"trading_bot_{limit.metric}"
        series = [Series(name, values, limit.series, limit.subject)]
        # Win rates need trades, and trade rates need uptimes; both exist in each case, even without the
        # value.
        for other, value in limit.beside.items():
            kind = {"outcome": "won"} if other == "trades_total" else {}
            series.append(Series(f"trading_bot_{other}", [value] * len(values), kind, limit.subject))
        return Case(alert, says, series, at, fires, dict(limit.subject) | dict(limit.labels))

    yield case("just beyond the limit", [worse] * long, wait, True)
    if wait:
        yield case("beyond it, but not long enough", [worse] * long, wait - tick, False)
    yield case("at the limit", [limit.limit] * long, wait + tick, False)
    yield case("not a number", [float("nan")] * long, wait + tick, False)
    unrelated = [Series("trading_bot_up", [1.0] * long, {}, OF_BOT)]
    yield Case(alert, "absent", unrelated, wait + tick, False, dict(limit.subject) | dict(limit.labels))
    end = long * settings.collection.trading.interval + kept + tick
    yield case("resolves", [worse] * long + [limit.limit] * better, end, False)
