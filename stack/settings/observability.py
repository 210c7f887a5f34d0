"""Settings of health, objectives, performance, summaries, dashboards and logs."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictBool
from pydantic_core import PydanticCustomError

from stack.settings.alerts import Colour, Severity
from stack.settings.logs import LogPattern, Loki
from stack.settings.types import Between, Count, Duration, Number, Plain, Ratio, RealTime, Section, Size


def _quoted(value: object) -> object:
    """Refuse 20:00 without quotes, which YAML reads as the number 1200."""
    if not isinstance(value, str):
        raise PydanticCustomError("time", 'write the time between quotes, "20:00": YAML reads it as a number')
    return value


LocalTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$"), BeforeValidator(_quoted)]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Limit = Annotated[RealTime, Between("1ms", "5m")]
Refresh = Annotated[RealTime, Between("10s", "2m")]
Range = Annotated[RealTime, Between("5m", "365d")]


class Health(Section):
    """The limits of a healthy bot."""

    active_within: Annotated[Duration, Between("30s", "30m")]
    api_latency: Limit
    api_error_rate: Ratio
    model_accuracy: Ratio
    data_age: Annotated[Duration, Between("30s", "30m")]
    memory_usage: Ratio
    cpu_usage: Ratio
    disk_usage: Ratio
    network_latency: Limit


class ResponseTimes(Section):
    """Quantiles of a bot's API calls."""

    median: Limit
    p95: Limit
    p99: Limit


class Throughput(Section):
    """Requests a second."""

    average: Number
    peak: Number
    peak_over: Annotated[Duration, Between("10m", "7d")]
    alert: StrictBool


class BurnRate(Section):
    """An error budget burning `factor` times too fast, over a long and a short window."""

    severity: Severity
    factor: Annotated[float, Between(1.0, 1000.0), Plain]
    long: Annotated[Duration, Between("5m", "30d")]
    short: Annotated[Duration, Between("1m", "30d")]
    for_: Annotated[Duration, Between("0s", "1d"), Field(alias="for")]


class Sla(Section):
    """The service level objectives, and what follows when one is missed."""

    window: Annotated[Duration, Between("1h", "30d")]
    requests_minimum: Count
    missed_minimum: Annotated[Duration, Between("1m", "1h")]
    availability: Annotated[float, Between(0.5, 0.99999), Plain]
    response_time: ResponseTimes
    error_rate: Ratio
    throughput: Throughput
    data_age: Annotated[Duration, Between("30s", "30m")]
    model_accuracy: Ratio
    burn_rates: list[BurnRate]
    actions: dict[str, list[str]]


class Tracking(Section):
    """How often performance is computed."""

    enabled: StrictBool
    interval: Annotated[Duration, Between("30s", "5m")]


class Weights(Section):
    """The share of each part in the performance score; parts that are unknown are left out."""

    win_rate: Ratio
    sharpe_ratio: Ratio
    max_drawdown: Ratio
    profit_loss: Ratio
    trades_per_hour: Ratio
    error_rate: Ratio
    uptime: Ratio


class Scale(Section):
    """The value at which a part of the score has all its points (for a loss: none)."""

    sharpe_ratio: Number
    max_drawdown: Ratio
    profit_loss: Ratio
    trades_per_hour: Number
    error_rate: Ratio


class Benchmarks(Section):
    """The values that a bot is compared with."""

    min_win_rate: Ratio
    max_drawdown: Ratio
    min_sharpe_ratio: Annotated[float, Between(0.5, 2.0), Plain]
    min_trades_per_day: Number
    max_response_time: Limit
    max_error_rate: Ratio
    min_uptime: Annotated[float, Between(0.95, 0.999), Plain]
    max_memory_usage: Annotated[float, Between(0.7, 0.9), Plain]
    min_accuracy: Ratio
    max_drift: Ratio
    min_confidence: Annotated[float, Between(0.5, 0.9), Plain]
    max_prediction_time: Limit


class Performance(Section):
    """The performance score and its benchmarks."""

    tracking: Tracking
    benchmark_comparison: StrictBool
    suggestions: StrictBool
    weights: Weights
    scale: Scale
    benchmarks: Benchmarks


class Suggestion(Section):
    """One suggestion, and the limit that triggers it."""

    limit: Number
    priority: Literal["high", "medium", "low"]
    category: str
    action: str


class Suggestions(Section):
    """The suggestions; Nightdesk never carries them out by itself."""

    win_rate: Suggestion
    drawdown: Suggestion
    error_rate: Suggestion
    trades_per_hour: Suggestion


class Daily(Section):
    """A summary at a local time."""

    enabled: StrictBool
    at: LocalTime


class Weekly(Daily):
    """A summary on a weekday."""

    weekday: Weekday


class Monthly(Daily):
    """A summary on a day of the month."""

    day: Annotated[int, Between(1, 28), Plain]


class Summaries(Section):
    """When Nightdesk sends summaries."""

    daily: Daily
    weekly: Weekly
    monthly: Monthly


class Reports(Section):
    """Where reports go, and how long Nightdesk keeps them."""

    channels: list[Literal["email", "telegram"]]
    contacts: list[str]
    sent: Annotated[int, Between(0, 1000), Plain]
    keep: Annotated[RealTime, Between("1d", "3650d")]


class Widget(Section):
    """One section of the dashboards."""

    enabled: StrictBool
    refresh: Refresh


class Widgets(Section):
    """The seven sections."""

    overview: Widget
    performance: Widget
    activity: Widget
    risk: Widget
    market: Widget
    system: Widget
    model: Widget


Cells = Annotated[list[Annotated[int, Between(1, 8), Plain]], Field(min_length=2, max_length=2)]


class Sizes(Section):
    """Width and height of a widget on an 8-wide grid."""

    small: Cells
    medium: Cells
    large: Cells
    xlarge: Cells


class Decimals(Section):
    """Digits after the point."""

    money: Annotated[int, Between(0, 8), Plain]
    ratio: Annotated[int, Between(0, 4), Plain]


class GaugeSteps(Section):
    """The values at which a gauge changes its colour."""

    usage: Annotated[list[Ratio], Field(min_length=3, max_length=3)]
    risk: Annotated[list[Ratio], Field(min_length=3, max_length=3)]


class Lines(Section):
    """Colours of lines, by meaning."""

    default: Colour
    drawdown: Colour
    accuracy: Colour
    volatility: Colour
    activity: Colour


class Colours(Section):
    """The palette of the dashboards."""

    lines: Lines
    line_width: Annotated[int, Between(1, 10), Plain]
    bars: Colour
    bar_width: Annotated[int, Between(1, 10), Plain]
    pie: list[Colour]
    bots: Annotated[list[Colour], Field(min_length=1)]
    won: Colour
    lost: Colour


class Dashboards(Section):
    """The appearance of Grafana's dashboards."""

    set: Literal["simple", "all"]
    theme: Literal["dark", "light"]
    auto_refresh: StrictBool
    refresh: Refresh
    default_range: Range
    ranges: Annotated[list[Range], Field(min_length=1)]
    widgets: Widgets
    sizes: Sizes
    decimals: Decimals
    gauge_steps: GaugeSteps
    colours: Colours


class Logs(Section):
    """How long log files are kept: the stricter of number and age applies."""

    rotate: StrictBool
    rotate_size: Annotated[Size, Between("1MB", "10GB")]
    rotate_daily: StrictBool
    keep_files: Annotated[int, Between(1, 100), Plain]
    keep_for: Annotated[RealTime, Between("7d", "365d")]
    compress: StrictBool
    suffix: str
    copy_truncate: StrictBool
    patterns: list[LogPattern]
    max_label_values: Count
    top_messages: Annotated[int, Between(0, 1000), Plain]
    loki: Loki
