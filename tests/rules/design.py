"""The alerts of DESIGN §5 by severity: what rules, tests, runbooks and routes are counted against."""

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
NAMES = {name for names in ALERTS.values() for name in names}
SEVERITY = {name: severity for severity, names in ALERTS.items() for name in names}

# Twins of one thing share it; any other alert's condition is its own name.
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
}


def condition(alert: str) -> str:
    """Return the label `condition` of an alert."""
    snake = "".join(f"_{char.lower()}" if char.isupper() else char for char in alert).strip("_")
    return CONDITIONS.get(alert, snake)
