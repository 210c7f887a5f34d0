"""The rules as a monitoring mixin: vendored into another's configuration, without Nightdesk's settings."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import _jsonnet
import yaml

from stack.render import ROOT
from tests.conftest import binary
from tests.rules.design import NAMES

VENDORED = "github.com/nightdesk/nightdesk"
MIXIN = f"(import '{VENDORED}/prometheus/mixin.libsonnet')"
CHANGES = """ + {
  _config+:: {
    exporter_selector: 'job="bots"',
    thresholds+: { critical+: { max_drawdown: 0.07, down_after: '10m' } },
  },
}"""


def _made(directory: Path, expression: str) -> dict[str, Any]:
    """Return the result of an expression in a project that vendored the repository with jsonnet-bundler."""
    vendor = directory / "vendor"
    for part in ("prometheus", "stack"):
        shutil.copytree(ROOT / part, vendor / VENDORED / part, dirs_exist_ok=True)
    made: dict[str, Any] = json.loads(_jsonnet.evaluate_snippet("main", expression, jpathdir=[str(vendor)]))
    return made


def _alerts(groups: dict[str, Any]) -> dict[str, dict[str, Any]]:
    rules = [rule for group in groups["groups"] for rule in group["rules"]]
    return {rule["alert"].removeprefix("TradingBot"): rule for rule in rules if "alert" in rule}


def test_a_vendored_mixin_has_every_rule_and_promtool_takes_them(tmp_path: Path) -> None:
    made = {field: _made(tmp_path, f"{MIXIN}.{field}") for field in ("prometheusAlerts", "prometheusRules")}
    for groups in made.values():
        file = tmp_path / "rules.yml"
        file.write_text(yaml.safe_dump(groups))
        done = subprocess.run([binary("promtool"), "check", "rules", file], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert set(_alerts(made["prometheusAlerts"])) == NAMES


def test_who_vendors_the_mixin_changes_limits_and_selectors(tmp_path: Path) -> None:
    alerts = _alerts(_made(tmp_path, f"({MIXIN}{CHANGES}).prometheusAlerts"))
    known = "(max by (bot) (trading_bot_drawdown_ratio) or bot:trading_bot_drawdown_ratio:known)"
    assert alerts["HighDrawdown"]["expr"] == f"{known} > 0.07"
    assert alerts["Down"]["for"] == "10m"
    assert 'up{job="bots"}' in alerts["ExporterDown"]["expr"]
