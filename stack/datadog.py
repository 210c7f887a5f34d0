"""Writes files for Datadog: its agent's checks of the exporters and logs, a dashboard and monitors."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exporter.catalogue import COUNTER, METRICS, Metric
from stack.settings import Settings
from stack.settings.web import Web

_NAMESPACE = "nightdesk"
_HISTOGRAM = "histogram"
# Metrics with many series a bot: a line for each would be hundreds.
_WIDGETS_OF = ("trading", "api", "model", "market", "system")


@dataclass(frozen=True)
class _Limit:
    """An alert's limit as a monitor: the metric is `above` or below the limit for `minutes`."""

    alert: str
    metric: str
    limit: float
    above: bool
    severity: str


def write_datadog(settings: Settings, build: Path) -> None:
    """Write `datadog/conf.d/`, `dashboard.json` and `monitors.json` below `build` for Datadog."""
    if not settings.integrations.datadog.enabled:
        return
    folder = build / "datadog"
    _write(folder / "conf.d/openmetrics.d/conf.yaml", yaml.safe_dump(_check(settings), sort_keys=False))
    _write(folder / "conf.d/nightdesk.d/conf.yaml", yaml.safe_dump(_logs(settings), sort_keys=False))
    _write(folder / "dashboard.json", json.dumps(_dashboard(settings), indent=2) + "\n")
    _write(folder / "monitors.json", json.dumps(list(_monitors(settings)), indent=2) + "\n")


def _check(settings: Settings) -> dict[str, Any]:
    """Return the configuration of the agent's OpenMetrics check, version 2."""
    # https://docs.datadoghq.com/integrations/openmetrics/: a counter is named without its _total.
    names = [metric.full_name.removesuffix("_total") for metric in METRICS]
    pace = min(float(group.interval) for group in settings.collection.groups.values())
    instances = [
        {
            "openmetrics_endpoint": f"{exporter.url}/metrics",
            "namespace": _NAMESPACE,
            "metrics": [f"^{name}$" for name in names],
            "min_collection_interval": max(1, round(pace)),
            "max_returned_metrics": 100_000,  # otherwise the agent stops at 2,000 series
            "tags": settings.integrations.datadog.tags,
            **_access(settings.web),
        }
        for exporter in settings.services.exporter.all
    ]
    return {"init_config": {}, "instances": instances}


def _access(web: Web) -> dict[str, str]:
    """Return the agent's settings if exporters require a user; the agent reads the password itself."""
    found = {"tls_ca_cert": str(web.tls.ca_file)} if web.tls.enabled else {}
    if web.auth.enabled:
        found |= {"username": web.auth.username, "password": f"ENC[file@{web.auth.password_file}]"}
    return found


def _logs(settings: Settings) -> dict[str, Any]:
    """Return the agent's collection of the bots' logs."""
    # https://docs.datadoghq.com/agent/logs/#custom-log-collection
    found = [
        {
            "type": "file",
            "path": str(file),
            "service": name,
            "source": _NAMESPACE,
            "tags": [f"bot:{name}", *settings.integrations.datadog.tags],
        }
        for name, files in settings.bot_logs().items()
        for file in files
    ]
    return {"logs": found}


def name_of(metric: Metric) -> str:
    """Return Datadog's name of a metric of the catalogue."""
    full = f"{_NAMESPACE}.{metric.full_name}"
    if metric.type == COUNTER:
        return full.removesuffix("_total") + ".count"
    return f"{full}.sum" if metric.type == _HISTOGRAM else full


def _dashboard(settings: Settings) -> dict[str, Any]:
    """Return a dashboard for `POST /api/v1/dashboard`, with one group for each group of the catalogue."""
    groups = [
        {
            "definition": {
                "type": "group",
                "layout_type": "ordered",
                "title": group.capitalize(),
                "widgets": [
                    _widget(settings, metric)
                    for metric in METRICS
                    if metric.group == group and metric.type != _HISTOGRAM
                ],
            }
        }
        for group in _WIDGETS_OF
    ]
    return {
        "title": "Nightdesk: trading bots",
        "description": "Made by `nightdesk render` from the catalogue and the limits of the alerts.",
        "layout_type": "ordered",
        "template_variables": [{"name": "bot", "prefix": "bot", "defaults": ["*"]}],
        "widgets": groups,
    }


def _widget(settings: Settings, metric: Metric) -> dict[str, Any]:
    by = "bot" if metric.of_bot else metric.labels[0] if metric.labels else "host"
    scope = "$bot" if metric.of_bot else "*"
    count = metric.type == COUNTER
    query = f"{'sum' if count else 'max'}:{name_of(metric)}{{{scope}}} by {{{by}}}"
    markers = [
        {"value": f"y = {limit.limit:g}", "display_type": f"{_colour(limit)} dashed", "label": limit.alert}
        for limit in _limits(settings)
        if limit.metric == metric.name
    ]
    return {
        "definition": {
            "type": "timeseries",
            "title": f"{metric.name.replace('_', ' ')} ({metric.unit})",
            "requests": [
                {
                    "response_format": "timeseries",
                    "queries": [
                        {
                            "data_source": "metrics",
                            "name": "query",
                            "query": f"{query}.as_rate()" if count else query,
                        }
                    ],
                    "formulas": [{"formula": "query"}],
                    "display_type": "bars" if count else "line",
                }
            ],
            "markers": markers,
        }
    }


def _colour(limit: _Limit) -> str:
    return "error" if limit.severity == "critical" else "warning"


def _limits(settings: Settings) -> Iterator[_Limit]:
    """Yield the limits of alerts on one metric; only Prometheus can judge alerts on several metrics."""
    critical, warning = settings.thresholds.critical, settings.thresholds.warning
    table: Sequence[tuple[str, str, float, bool, str]] = (
        ("Down", "up", 1, False, "critical"),
        ("HighDrawdown", "drawdown_ratio", critical.max_drawdown, True, "critical"),
        ("CriticalLoss", "drawdown_ratio", critical.critical_loss, True, "critical"),
        ("ApiErrorRate", "error_rate", critical.error_rate, True, "critical"),
        ("HighMemoryUsage", "memory_usage_ratio", critical.memory_usage, True, "critical"),
        ("HighCpuUsage", "cpu_usage_ratio", critical.cpu_usage, True, "critical"),
        ("DataStale", "data_freshness_seconds", float(critical.data_age), True, "critical"),
        ("ModelAccuracyCritical", "model_accuracy", critical.model_accuracy, False, "critical"),
        ("DiskUsageCritical", "host_disk_usage_ratio", critical.disk_usage, True, "critical"),
        ("LowWinRate", "win_rate", warning.win_rate, False, "warning"),
        ("ModelDrift", "model_drift_score", warning.drift_score, True, "warning"),
        ("HighVolatility", "market_volatility_ratio", warning.volatility, True, "warning"),
        ("LowPredictionConfidence", "prediction_confidence", warning.prediction_confidence, False, "warning"),
        ("LowDataQuality", "data_quality_score", warning.data_quality, False, "warning"),
        ("RiskUtilizationHigh", "risk_utilization_ratio", warning.risk_utilization, True, "warning"),
        ("ModelAccuracyLow", "model_accuracy", warning.model_accuracy, False, "warning"),
        ("DiskUsageHigh", "host_disk_usage_ratio", warning.disk_usage, True, "warning"),
    )
    for alert, metric, limit, above, severity in table:
        if settings.alerts[alert].enabled:
            yield _Limit(alert, metric, limit, above, severity)


def _monitors(settings: Settings) -> Iterator[Mapping[str, Any]]:
    """Yield monitors, each for `POST /api/v1/monitor`."""
    by_name = {metric.name: metric for metric in METRICS}
    for limit in _limits(settings):
        metric, pace = by_name[limit.metric], settings.alerts[limit.alert]
        by = "bot" if metric.of_bot else "host"
        wait = settings.thresholds.critical.down_after if limit.alert == "Down" else pace.for_
        # The window is the alert's own wait in whole minutes; its best value must stay beyond the limit.
        minutes = max(1, round(wait / 60))
        calm, sign = ("min", ">") if limit.above else ("max", "<")
        query = f"{calm}(last_{minutes}m):{calm}:{name_of(metric)}{{*}} by {{{by}}} {sign} {limit.limit:g}"
        runbook = f"{settings.link('runbooks')}/TradingBot{limit.alert}.md"
        yield {
            "name": f"TradingBot{limit.alert}: {{{{{by}.name}}}}",
            "type": "query alert",
            "query": query,
            "message": f"{metric.help}\n\nRunbook: {runbook}",
            "tags": ["nightdesk", f"severity:{limit.severity}", *settings.integrations.datadog.tags],
            "priority": 1 if limit.severity == "critical" else 3,
            # An absent metric is unknown and raises no alarm: a bot without trades has no win rate.
            "options": {"thresholds": {"critical": limit.limit}, "notify_no_data": False},
        }


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
