"""The alerts of DESIGN §5 by severity: the reference for rules, tests, runbooks and routes."""

from typing import Any

import yaml

from stack.settings import severities_of
from stack.settings.load import DEFAULTS

ALERTS: dict[str, tuple[str, ...]] = {
    "critical": (
        "Down", "CrashLooping", "LoopHung", "HighDrawdown", "CriticalLoss", "LossLimit", "LiquidationNear",
        "ApiErrorRate", "HighMemoryUsage", "HighCpuUsage", "ApiResponseTimeCritical", "DataStale",
        "ModelAccuracyCritical", "NetworkLatencyCritical", "DiskUsageCritical",
    ),
    "warning": (
        "LowWinRate", "ModelDrift", "HighLatency", "LowTradingActivity", "HighVolatility", "DiskUsageHigh",
        "ApiResponseTimeHigh", "MemoryUsageHigh", "CpuUsageHigh", "LowPredictionConfidence",
        "LowDataQuality", "ModelAccuracyLow", "RiskUtilizationHigh", "LogErrorBurst", "HealthUnhealthy",
        "ObjectiveMissed", "DataStaleWarning", "PositionUnprotected", "OrderStuck", "FundingDrain",
        "LimitUnknown", "SlippageHigh",
    ),
    "info": ("DailySummary", "WeeklySummary", "MonthlySummary", "MilestoneReached", "Suggestion"),
    "slo": ("ErrorBudgetBurn",),
    "meta": (
        "Watchdog", "ExporterDown", "SourceUnauthorized", "WebhookActionsDown", "ReplicaDown",
        "AlertmanagerNotificationsFailing", "RuleEvaluationFailing", "AlertsDropped", "ActionFailed",
        "EngineTaskFailing", "DeliveriesFailing", "DeliveriesWaiting", "SettingsReloadFailed",
        "EscalationExhausted",
    ),
}  # fmt: skip
_DEFAULTS: dict[str, Any] = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))["alerts"]
_SINCE = [name for name in _DEFAULTS if name not in {name for names in ALERTS.values() for name in names}]
SEVERITY = {name: severity for severity, names in ALERTS.items() for name in names}
SEVERITY |= {
    name: severities_of(name)[0] for name in _SINCE
}  # alerts added since then have it in their rules
NAMES = set(SEVERITY)

# Twins share a condition; the condition of any other alert is its own name.
CONDITIONS = {
    "HighMemoryUsage": "memory_usage",
    "MemoryUsageHigh": "memory_usage",
    "HighCpuUsage": "cpu_usage",
    "CpuUsageHigh": "cpu_usage",
    "ApiResponseTimeCritical": "api_response_time",
    "ApiResponseTimeHigh": "api_response_time",
    "DataStale": "data_stale",
    "DataStaleWarning": "data_stale",
    "ModelAccuracyCritical": "model_accuracy",
    "ModelAccuracyLow": "model_accuracy",
    "NetworkLatencyCritical": "network_latency",
    "HighLatency": "network_latency",
    "DiskUsageCritical": "disk_usage",
    "DiskUsageHigh": "disk_usage",
    "EdgeGone": "edge",
    "EdgeFading": "edge",
}


def condition(alert: str) -> str:
    """Return the label `condition` of an alert."""
    snake = "".join(f"_{char.lower()}" if char.isupper() else char for char in alert).strip("_")
    return CONDITIONS.get(alert, snake)
