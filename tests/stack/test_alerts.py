"""The table of alerts agrees with the settings, and docs/alerts.md is that table."""

from pathlib import Path

from stack import who_doc
from stack.alerts import document, table
from stack.render import ROOT
from stack.settings import load
from tests.rules.design import NAMES
from tests.stack.conftest import Desk

CHANGED = """
profile: production
thresholds: {critical: {error_rate: 0.07}}
alerts:
  ApiErrorRate: {for: 3m, cooldown: 7m, escalate: 9m, channels: [slack], actions: [retry_connection]}
  CriticalLoss: {enabled: false}
severities: {critical: {escalate: 11m, channels: [sms]}}
sla: {actions: {error_rate: [check_network]}}
"""


def test_the_document_is_current():
    current = (ROOT / "docs/alerts.md").read_text()
    assert current == document(), "run `make docs`"
    listed = {
        line.split("]")[0].removeprefix("| [") for line in current.splitlines() if line.startswith("| [")
    }
    assert listed == NAMES


def test_the_document_of_who_is_told_is_current():
    current = (ROOT / "docs/who.md").read_text()
    assert current == who_doc.document(), "run `make docs`"


def test_the_table_follows_the_settings(tmp_path: Path):
    file = tmp_path / "monitoring.yaml"
    file.write_text(CHANGED)
    rows = {(row.alert, row.severity, row.fires_when): row for row in table(load([file]))}
    changed = rows["TradingBotApiErrorRate", "critical", "errors > 7% of API calls"]
    assert (changed.for_, changed.cooldown, changed.escalate) == ("3m", "7m", "9m")
    assert (changed.channels, changed.actions) == ("slack", "retry_connection")
    inherited = rows[
        "TradingBotLossLimit", "critical", "80% of a loss limit used; the whole of daily_loss (1000)"
    ]
    assert (inherited.channels, inherited.escalate) == ("sms", "20m")
    burning = rows["TradingBotErrorBudgetBurn error_rate", "critical", "burn > 14.4 over 1h and 5m, for 2m"]
    assert (burning.escalate, burning.actions) == ("11m", "check_network")
    assert not [alert for alert, *_ in rows if alert == "TradingBotCriticalLoss"]
    meta = rows["TradingBotExporterDown", "meta", "the exporter is not scraped"]
    assert (meta.escalate, meta.actions) == ("never", "none")


def test_the_command_prints_the_table_of_its_settings(desk: Desk):
    desk.write(thresholds={"critical": {"disk_usage": 0.97}})
    told = desk.run("alerts")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("profile starter\n")
    assert "disk > 97%" in told.stdout
    _, head, *lines = told.stdout.splitlines()
    assert {line[head.index("severity")] for line in lines} == set(
        "cwim"
    )  # columns are aligned with their headers
