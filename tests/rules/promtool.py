"""Writes test files for `promtool test rules` and runs them."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from stack.settings import META, Duration, Settings
from tests.conftest import binary
from tests.rules.cases import BOT, Case, Series, Value


def run(tests: Iterable[Mapping[str, Any]], rules: Path, settings: Settings, file: Path) -> str:
    """Return what promtool says against the tests over the rule files in `rules`; nothing when all pass."""
    content = {
        "rule_files": sorted(str(one) for one in rules.glob("*.yml")),
        "evaluation_interval": str(settings.collection.evaluation_interval),
        "tests": list(tests),
    }
    file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    done = subprocess.run([binary("promtool"), "test", "rules", str(file)], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def as_test(case: Case, settings: Settings) -> dict[str, Any]:
    """Return a case as promtool's test: the alert with exactly its declared labels, or no alert."""
    name = f"TradingBot{case.alert}"
    labels = _labels(case.alert)
    expected = [{"labels": f"ALERTS{_braced(labels)}", "value": 1}] if case.fires else []
    return {
        "name": f"{case.alert}: {case.says}",
        "interval": str(settings.collection.trading.interval),
        "input_series": inputs(case.series),
        "promql_expr_test": [
            {
                "expr": f'ALERTS{{alertname="{name}",alertstate="firing"}}',
                "eval_time": str(Duration(case.at)),
                "exp_samples": expected,
            }
        ],
    }


def inputs(series: Sequence[Series]) -> list[dict[str, str]]:
    """Return the series as promtool reads them, each scraped by two replicas, of which no alert may tell."""
    return [
        {
            "series": one.name + _braced({"bot": BOT, "instance": replica, "job": "exporter"} | one.labels),
            "values": " ".join(_value(value) for value in one.values),
        }
        for one in series
        for replica in ("one:8000", "two:8000")
    ]


def _labels(alert: str) -> dict[str, str]:
    condition = "".join(f"_{char.lower()}" if char.isupper() else char for char in alert).strip("_")
    labels = {"alertname": f"TradingBot{alert}", "alertstate": "firing", "condition": condition}
    return labels | ({"severity": "meta"} if alert in META else {"severity": "critical", "bot": BOT})


def _braced(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in sorted(labels.items())) + "}"


def _value(value: Value) -> str:
    if value is None:
        return "_"
    return value if isinstance(value, str) else "NaN" if value != value else repr(value)
