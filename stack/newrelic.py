"""Writes files for New Relic beside metrics: log forwarding for its agent, and a dashboard."""

import json
from pathlib import Path
from typing import Any

import yaml

from exporter.catalogue import COUNTER, METRICS, Metric
from stack.settings import Settings

_HISTOGRAM = "histogram"
_PAGES = ("trading", "api", "model", "market", "system")
_COLUMNS, _WIDTH, _HEIGHT = 3, 4, 3  # columns of a grid that has twelve


def write_newrelic(settings: Settings, build: Path) -> None:
    """Write `newrelic/logging.d/nightdesk.yml` and `newrelic/dashboard.json` if New Relic is configured."""
    if not settings.integrations.newrelic.enabled:
        return
    folder = build / "newrelic"
    _write(folder / "logging.d/nightdesk.yml", yaml.safe_dump(_logs(settings), sort_keys=False))
    _write(folder / "dashboard.json", json.dumps(_dashboard(settings), indent=2) + "\n")


def _logs(settings: Settings) -> dict[str, Any]:
    """Return the infrastructure agent's configuration that forwards the bots' logs."""
    # https://docs.newrelic.com/docs/logs/forward-logs/forward-your-logs-using-infrastructure-agent/
    found = [
        {"name": f"{name}-{place}", "file": str(file), "attributes": {"bot": name, "service": "nightdesk"}}
        for name, files in settings.bot_logs().items()
        for place, file in enumerate(files, 1)
    ]
    return {"logs": found}


def _dashboard(settings: Settings) -> dict[str, Any]:
    """Return a dashboard for "Import dashboard", with a page for each group of the catalogue."""
    account = settings.integrations.newrelic.account
    pages = []
    for group in _PAGES:
        metrics = [m for m in METRICS if m.group == group and m.type != _HISTOGRAM]
        widgets = [_widget(account, metric, place) for place, metric in enumerate(metrics)]
        pages.append({"name": group.capitalize(), "description": None, "widgets": widgets})
    description = "Made by `nightdesk render` from the catalogue of metrics."
    return {
        "name": "Nightdesk: trading bots",
        "description": description,
        "permissions": "PUBLIC_READ_WRITE",
        "pages": pages,
        "variables": [],
    }


def _widget(account: int, metric: Metric, place: int) -> dict[str, Any]:
    row, column = divmod(place, _COLUMNS)
    return {
        "title": f"{metric.name.replace('_', ' ')} ({metric.unit})",
        "layout": {
            "column": column * _WIDTH + 1,
            "row": row * _HEIGHT + 1,
            "width": _WIDTH,
            "height": _HEIGHT,
        },
        "linkedEntityGuids": None,
        "visualization": {"id": "viz.line"},
        "rawConfiguration": {
            "nrqlQueries": [{"accountIds": [account], "query": _query(metric)}],
            "platformOptions": {"ignoreTimeRange": False},
        },
    }


def _query(metric: Metric) -> str:
    """Return NRQL. New Relic stores remote write's counters in its own type, so the query asks for a rate."""
    by = "bot" if metric.of_bot else metric.labels[0] if metric.labels else "instance"
    name = metric.full_name
    value = f"rate(sum({name}), 1 minute)" if metric.type == COUNTER else f"max({name})"
    return f"SELECT {value} FROM Metric FACET {by} TIMESERIES AUTO"  # noqa: S608 - NRQL of our own names


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
