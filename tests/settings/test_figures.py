"""The defaults are the agreed figures, written down a second time by hand."""

import importlib
from typing import Any

import pytest

from stack.settings import Duration, Settings, Size, load

FIGURES: dict[str, dict[str, Any]] = {
    "collection": {
        "trading.interval": "60s", "trading.enabled": True, "model.interval": "120s", "model.enabled": True,
        "market.interval": "60s", "market.enabled": True, "system.interval": "30s", "system.enabled": True,
    },
    "storage": {
        "retention": "30d", "remote_write": [], "file.enabled": False, "influxdb.enabled": False,
        "influxdb.database": "trading_metrics", "influxdb.retention": "30d", "influxdb.batch_size": 1000,
        "influxdb.flush_interval": "5s", "influxdb.timeout": "30s", "influxdb.retry_delay": "1s",
    },
    "severities": {
        "critical.respond": "5m", "critical.escalate": "15m", "critical.colour": "#e74c3c",
        "critical.channels": ["sms", "phone", "email", "telegram"], "critical.actions": ["notify_admin"],
        "critical.deadline": "urgent: intervene now",
        "warning.respond": "30m", "warning.escalate": "1h", "warning.colour": "#f39c12",
        "warning.channels": ["email", "telegram"], "warning.actions": ["log_issue", "notify_admin"],
        "warning.deadline": "attention within an hour",
        "info.respond": "2h", "info.escalate": None, "info.colour": "#3498db",
        "info.channels": ["telegram"], "info.actions": ["log_event"], "info.deadline": "",
    },
    "thresholds.critical": {
        "down_after": "300s", "crash_loop_restarts": 3, "crash_loop_window": "15m", "loop_hung_after": "300s",
        "max_drawdown": 0.10, "critical_loss": 0.15, "daily_loss": 1000, "loss_limit_used": 0.8,
        "error_rate": 0.05,
        "memory_usage": 0.90, "cpu_usage": 0.95, "response_time": "5s", "data_age": "600s",
        "model_accuracy": 0.5, "network_latency": "2s", "disk_usage": 0.95,
    },
    "thresholds.warning": {
        "response_time": "2s", "data_age": "300s", "model_accuracy": 0.7, "network_latency": "1s",
        "disk_usage": 0.80, "memory_usage": 0.80, "cpu_usage": 0.80, "win_rate": 0.40, "win_rate_trades": 20,
        "drift_score": 0.1, "trades_per_hour": 0.1, "volatility": 0.05, "prediction_confidence": 0.6,
        "data_quality": 0.7, "risk_utilization": 0.8, "error_burst_factor": 10, "error_burst_count": 20,
    },
    "milestones": {
        "daily_pnl": 1000, "trades_count": 50, "uptime": "24h", "weekly_pnl": 5000, "monthly_pnl": 20_000,
        "sharpe_ratio": 2.0, "max_consecutive_wins": 10, "recovery_factor": 2.0,
    },
    "suggestions": {
        "win_rate.limit": 0.5, "win_rate.priority": "high", "win_rate.category": "trading_strategy",
        "win_rate.action": "analyze_losing_trades",
        "drawdown.limit": 0.1, "drawdown.priority": "high", "drawdown.category": "risk_management",
        "drawdown.action": "reduce_position_sizes",
        "error_rate.limit": 0.02, "error_rate.priority": "medium", "error_rate.category": "system_stability",
        "error_rate.action": "review_error_logs",
        "trades_per_hour.limit": 1, "trades_per_hour.priority": "low",
        "trades_per_hour.category": "trading_activity", "trades_per_hour.action": "review_entry_conditions",
    },
    "escalation": {
        "no_response": "30m", "levels.0.contact": "manager", "levels.0.channels": ["phone", "sms"],
        "levels.1.contact": "technical_lead", "levels.1.channels": ["phone", "email"],
        "levels.2.contact": "emergency_contact", "levels.2.channels": ["phone", "sms", "email"],
        "repeated_alerts.count": 3, "repeated_alerts.window": "1h",
        "repeated_alerts.contact": "technical_lead", "repeated_alerts.channels": ["phone", "email"],
        "system_down.after": "10m", "system_down.contact": "emergency_contact",
        "system_down.channels": ["phone", "sms", "email"],
        "critical_loss.again_after": "5m", "critical_loss.contact": "risk_manager",
        "critical_loss.channels": ["phone", "sms", "email"],
        "spent_attempts.contact": None, "first": "administrator",
    },
    "actions": {
        "dry_run": False, "armed": [], "fleet.bots": 2, "fleet.ratio": 0.10, "fleet.window": "10m",
        "attempts_window": "1h", "restart.wait": "10s", "reduce_position_sizes.factor": 0.5,
        "limits.default.attempts": 3, "limits.default.cooldown": "5m",
        "limits.restart_bot.attempts": 3, "limits.restart_bot.cooldown": "5m",
        "limits.close_all_positions.attempts": 1,
        "limits.reduce_position_sizes.attempts": 5, "limits.reduce_position_sizes.cooldown": "1h",
        "limits.retrain_model.attempts": 1, "limits.retrain_model.cooldown": "24h",
    },
    "health": {
        "active_within": "300s", "api_latency": "1s", "api_error_rate": 0.05, "model_accuracy": 0.7,
        "data_age": "300s", "memory_usage": 0.90, "cpu_usage": 0.95, "disk_usage": 0.80,
        "network_latency": "2s",
    },
    "sla": {
        "availability": 0.999, "response_time.median": "1s", "response_time.p95": "2s",
        "response_time.p99": "5s", "error_rate": 0.001, "throughput.average": 100, "throughput.peak": 200,
        "throughput.alert": False, "data_age": "300s", "model_accuracy": 0.8,
        "actions.error_rate": ["retry_connection"], "actions.response_time": ["optimize_connections"],
        "actions.data_age": ["retry_connection"], "actions.model_accuracy": ["retrain_model"],
        "actions.default": ["notify_admin"],
    },
    "performance": {
        "tracking.interval": "60s", "tracking.enabled": True,
        "benchmark_comparison": True, "suggestions": True,
        "weights.win_rate": 0.25, "weights.sharpe_ratio": 0.20, "weights.max_drawdown": 0.15,
        "weights.profit_loss": 0.15, "weights.trades_per_hour": 0.10, "weights.error_rate": 0.10,
        "weights.uptime": 0.05,
        "scale.sharpe_ratio": 3, "scale.max_drawdown": 0.2, "scale.profit_loss": 0.10,
        "scale.trades_per_hour": 1, "scale.error_rate": 0.05,
        "benchmarks.min_win_rate": 0.5, "benchmarks.max_drawdown": 0.1, "benchmarks.min_sharpe_ratio": 1.0,
        "benchmarks.min_trades_per_day": 5, "benchmarks.max_response_time": "1s",
        "benchmarks.max_error_rate": 0.01, "benchmarks.min_uptime": 0.99, "benchmarks.max_memory_usage": 0.8,
        "benchmarks.min_accuracy": 0.8, "benchmarks.max_drift": 0.1, "benchmarks.min_confidence": 0.7,
        "benchmarks.max_prediction_time": "100ms",
    },
    "dashboards": {
        "theme": "dark", "refresh": "30s", "default_range": "24h",
        "widgets.overview.refresh": "30s", "widgets.performance.refresh": "60s",
        "widgets.activity.refresh": "60s", "widgets.risk.refresh": "60s", "widgets.market.refresh": "60s",
        "widgets.system.refresh": "30s", "widgets.model.refresh": "120s",
        "sizes.small": [1, 1], "sizes.medium": [2, 1], "sizes.large": [2, 2], "sizes.xlarge": [3, 2],
        "decimals.money": 2, "decimals.ratio": 1, "gauge_steps.usage": [0.5, 0.8, 0.9],
        "gauge_steps.risk": [0.5, 0.8, 0.9], "colours.line_width": 2, "colours.bar_width": 1,
        "colours.lines.default": "#3498db", "colours.lines.drawdown": "#e74c3c",
        "colours.lines.accuracy": "#9b59b6", "colours.lines.volatility": "#e67e22",
        "colours.lines.activity": "#f39c12", "colours.bars": "#e74c3c",
        "colours.pie": ["#3498db", "#e74c3c", "#f39c12", "#2ecc71"],
        "colours.won": "#2ecc71", "colours.lost": "#e74c3c",
    },
    "channels": {
        "email.port": 587, "email.starttls": True, "email.timeout": "30s", "telegram.timeout": "30s",
        "telegram.retries": 3, "sms.timeout": "30s", "phone.timeout": "30s", "slack.timeout": "30s",
        "slack.channel": "#trading-alerts", "slack.username": "Trading Bot", "slack.icon": ":robot_face:",
        "webhooks.timeout": "10s",
    },
    "logs": {
        "rotate": True,
        "rotate_size": Size(100_000_000), "rotate_daily": True, "keep_files": 10, "keep_for": "30d",
        "compress": True, "suffix": ".%Y%m%d_%H%M%S",
    },
    "services": {
        "exporter.port": 8000, "demo_bot.port": 8081, "webhook_actions.port": 9099, "prometheus.port": 9090,
        "alertmanager.port": 9093, "blackbox_exporter.port": 9115, "grafana.port": 3000,
    },
}  # fmt: skip

# Alert: for, cooldown, escalate, channels, actions; commas part channels and actions.
ALERTS = """
Down                    0s  5m  10m  email,sms,telegram,slack restart_bot,close_positions
CrashLooping            0s  15m 10m  email,sms,telegram       none
LoopHung                1m  5m  10m  email,telegram           restart_bot
HighDrawdown            1m  10m 20m  email,sms,telegram       reduce_position_sizes,close_risky_positions
CriticalLoss            0s  5m  5m   phone,sms,email          close_all_positions
LossLimit               1m  10m 20m  -                        stop_entries
LiquidationNear         0s  5m  10m  -                        close_risky_positions,reduce_position_sizes
ApiErrorRate            2m  5m  15m  email,telegram           switch_api_endpoint,retry_connection
HighMemoryUsage         2m  5m  10m  email,telegram           clear_cache,restart_bot
HighCpuUsage            5m  5m  10m  email,telegram           reduce_processing,restart_bot
ApiResponseTimeCritical 5m  5m  15m  -                        check_network,optimize_connections
ApiResponseTimeHigh     5m  15m 30m  -                        optimize_connections
DataStale               1m  5m  15m  -                        retry_connection
DataStaleWarning        1m  5m  15m  -                        retry_connection
ModelAccuracyCritical   15m 1h  2h   -                        stop_entries,adjust_parameters
ModelAccuracyLow        15m 1h  2h   -                        adjust_parameters
EdgeGone                0s  1h  2h   -                        analyze_losing_trades,review_strategy
NetworkLatencyCritical  2m  5m  15m  -                        check_network,optimize_connections
HighLatency             5m  15m 30m  telegram                 check_network,optimize_connections
DiskUsageCritical       5m  1h  2h   -                        log_issue,notify_admin
DiskUsageHigh           5m  1h  2h   -                        log_issue,notify_admin
LowWinRate              15m 30m 1h   email,telegram           analyze_losing_trades,adjust_strategy
ModelDrift              10m 1h  2h   email,telegram           retrain_model,adjust_parameters
LowTradingActivity      1h  1h  2h   telegram                 check_market_conditions,review_strategy
HighVolatility          10m 1h  2h   email,telegram           reduce_position_sizes
MemoryUsageHigh         10m 30m 1h   -                        -
CpuUsageHigh            10m 30m 1h   -                        -
LowPredictionConfidence 15m 1h  2h   -                        review_strategy
LowDataQuality          15m 1h  2h   -                        check_market_conditions
RiskUtilizationHigh     5m  30m 1h   -                        stop_entries
PositionUnprotected     2m  15m 30m  -                        -
OrderStuck              0s  15m 30m  -                        retry_connection
BooksDiffer             0s  15m 10m  -                        -
BooksUnknown            10m 15m 30m  -                        -
FundingDrain            5m  1h  2h   -                        review_strategy
LimitUnknown            15m 1h  2h   -                        -
SlippageHigh            5m  1h  2h   -                        check_market_conditions,review_strategy
EdgeFading              0s  1h  2h   -                        analyze_losing_trades,review_strategy
LogErrorBurst           2m  15m 30m  -                        review_error_logs
ErrorBudgetBurn         0s  1h  -    -                        -
HealthUnhealthy         5m  15m 30m  -                        notify_admin
ObjectiveMissed         15m 1h  2h   -                        -
MilestoneReached        0s  0s  -    telegram                 log_achievement
DailySummary            0s  0s  -    email,telegram           generate_report
WeeklySummary           0s  0s  -    email,telegram           generate_weekly_report
"""

ROWS = [row.split() for row in ALERTS.strip().splitlines()]
LEAVES = [(f"{section}.{path}", value) for section, paths in FIGURES.items() for path, value in paths.items()]


@pytest.fixture(scope="module")
def defaults(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the defaults without a profile."""
    folder = tmp_path_factory.mktemp("defaults")
    (folder / "monitoring.yaml").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("stack.settings.load"), "PROFILES", folder)
        return load([folder / "monitoring.yaml"])


@pytest.mark.parametrize(("path", "figure"), LEAVES, ids=[path for path, _ in LEAVES])
def test_each_default_is_its_figure(defaults: Settings, path: str, figure: Any) -> None:
    value: Any = defaults
    for step in path.split("."):
        if isinstance(value, dict):
            value = value[step]
        else:
            value = value[int(step)] if step.isdigit() else getattr(value, step)
    assert value == (Duration.parse(figure) if isinstance(value, Duration) else figure)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_each_alert_has_the_pace_the_channels_and_the_actions_of_its_row(
    defaults: Settings, row: list[str]
) -> None:
    name, wait, cooldown, escalate, channels, actions = row
    alert = defaults.alerts[name]
    assert alert.enabled
    assert (alert.for_, alert.cooldown) == (Duration.parse(wait), Duration.parse(cooldown))
    assert alert.escalate == (None if escalate == "-" else Duration.parse(escalate))
    assert alert.channels == _names(channels)
    assert alert.actions == _names(actions)


def test_burn_rates_are_those_of_the_table(defaults: Settings) -> None:
    rates = [(one.severity, one.factor, one.long, one.short, one.for_) for one in defaults.sla.burn_rates]
    assert rates == [
        ("critical", 14.4, 3600, 300, 120),
        ("critical", 6, 6 * 3600, 1800, 900),
        ("warning", 3, 86_400, 2 * 3600, 3600),
        ("warning", 1, 3 * 86_400, 6 * 3600, 3 * 3600),
    ]


def test_ranges_are_one_and_six_hours_a_day_a_week_and_a_month(defaults: Settings) -> None:
    assert defaults.dashboards.ranges == [3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400]
    assert all(widget.enabled for _, widget in defaults.dashboards.widgets)


def test_success_is_green_and_influxdb_listens_where_it_does(defaults: Settings) -> None:
    assert defaults.success_colour == "#2ecc71"
    assert defaults.storage.influxdb.url.port == 8086


def test_the_weights_of_the_score_add_up_to_one(defaults: Settings) -> None:
    assert sum(weight for _, weight in defaults.performance.weights) == pytest.approx(1)


def test_every_service_listens_on_loopback_and_every_channel_is_off(defaults: Settings) -> None:
    assert {service.bind for _, service in defaults.services} == {"127.0.0.1"}
    assert not any(getattr(channel, "enabled", False) for _, channel in defaults.channels)


def _names(text: str) -> list[str] | None:
    """Return a list from a row: `-` means the severity's, `none` is empty."""
    return None if text == "-" else [] if text == "none" else text.split(",")
