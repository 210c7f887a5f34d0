"""Settings of alerts: limits, waits, recipients and actions."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from stack.settings.types import Between, Count, Duration, Plain, Ratio, RealTime, Section

Channel = Literal["email", "telegram", "sms", "phone", "slack"]
Severity = Literal["critical", "warning", "info"]
Colour = Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]

Step = Annotated[Duration, Between("0s", "7d")]


def _share(low: float, high: float) -> object:
    return Annotated[float, Between(low, high), Plain]


class SeverityDefaults(Section):
    """The defaults of the alerts of one severity."""

    respond: Step
    escalate: Step | None
    channels: list[Channel]
    actions: list[str]
    colour: Colour
    deadline: str


class Severities(Section):
    """The three severities."""

    critical: SeverityDefaults
    warning: SeverityDefaults
    info: SeverityDefaults


class CriticalThresholds(Section):
    """Limits beyond which an alert is critical."""

    down_after: Annotated[Duration, Between("60s", "30m")]
    crash_loop_restarts: Annotated[int, Between(2, 20), Plain]
    crash_loop_window: Annotated[Duration, Between("5m", "2h")]
    loop_hung_after: Annotated[Duration, Between("60s", "30m")]
    max_drawdown: Annotated[float, Between(0.05, 0.30), Plain]
    critical_loss: Annotated[float, Between(0.10, 0.50), Plain]
    daily_loss: Annotated[float, Between(0.0, 1e12), Plain]
    loss_limit_used: Annotated[float, Between(0.1, 1.0), Plain]
    liquidation_distance: Annotated[float, Between(0.001, 0.5), Plain]
    margin_ratio: Annotated[float, Between(0.05, 0.95), Plain]
    loss_known_for: Annotated[Duration, Between("10m", "90d")]
    error_rate: Annotated[float, Between(0.01, 0.20), Plain]
    memory_usage: Annotated[float, Between(0.70, 0.95), Plain]
    cpu_usage: Annotated[float, Between(0.80, 0.98), Plain]
    response_time: Annotated[RealTime, Between("2s", "10s")]
    data_age: Annotated[Duration, Between("300s", "30m")]
    model_accuracy: Annotated[float, Between(0.3, 0.8), Plain]
    network_latency: Annotated[RealTime, Between("100ms", "30s")]
    disk_usage: Annotated[float, Between(0.80, 0.98), Plain]


class WarningThresholds(Section):
    """Limits beyond which an alert is a warning."""

    response_time: Annotated[RealTime, Between("500ms", "5s")]
    data_age: Annotated[Duration, Between("60s", "30m")]
    model_accuracy: Annotated[float, Between(0.3, 0.99), Plain]
    network_latency: Annotated[RealTime, Between("50ms", "30s")]
    disk_usage: Annotated[float, Between(0.50, 0.98), Plain]
    memory_usage: Annotated[float, Between(0.50, 0.95), Plain]
    cpu_usage: Annotated[float, Between(0.50, 0.98), Plain]
    win_rate: Annotated[float, Between(0.3, 0.6), Plain]
    win_rate_trades: Count
    drift_score: Ratio
    trades_per_hour: Annotated[float, Between(0.01, 1.0), Plain]
    trades_per_hour_after: Annotated[RealTime, Between("1h", "30d")]
    volatility: Annotated[float, Between(0.01, 0.5), Plain]
    prediction_confidence: Annotated[float, Between(0.4, 0.8), Plain]
    data_quality: Annotated[float, Between(0.5, 0.9), Plain]
    risk_utilization: Ratio
    order_age: Annotated[Duration, Between("30s", "7d")]
    funding_paid: Annotated[float, Between(0.0001, 0.5), Plain]
    slippage_factor: Annotated[float, Between(1.0, 100.0), Plain]
    slippage_margin: Annotated[float, Between(0.1, 1000.0), Plain]
    slippage_fills: Count
    error_burst_factor: Annotated[float, Between(1.0, 1000.0), Plain]
    error_burst_count: Count
    error_burst_baseline: Annotated[Duration, Between("1h", "7d")]


class Thresholds(Section):
    """Every limit of an alert, a panel's red line or a health check."""

    critical: CriticalThresholds
    warning: WarningThresholds


class Alert(Section):
    """The settings of one alert; None means its severity's."""

    enabled: StrictBool = True
    for_: Annotated[Duration, Between("0s", "7d"), Field(alias="for")]
    cooldown: Annotated[Duration, Between("0s", "7d")]
    escalate: Step | None
    channels: list[Channel] | None
    actions: list[str] | None


class Milestones(Section):
    """The milestones that Nightdesk reports, once for each crossing."""

    rearm: Annotated[Duration, Between("10m", "7d")]
    daily_pnl: Annotated[float, Between(100.0, 10_000.0), Plain]
    trades_count: Annotated[int, Between(10, 500), Plain]
    uptime: Annotated[Duration, Between("1h", "168h")]
    weekly_pnl: Annotated[float, Between(1000.0, 50_000.0), Plain]
    monthly_pnl: Annotated[float, Between(5000.0, 200_000.0), Plain]
    sharpe_ratio: Annotated[float, Between(1.0, 5.0), Plain]
    max_consecutive_wins: Annotated[int, Between(5, 50), Plain]
    recovery_factor: Annotated[float, Between(0.1, 100.0), Plain]
