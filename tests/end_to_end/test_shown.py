"""Every query of every dashboard, on data of the demo bot and the recorded Freqtrade, for each profile."""

import json
import time
from pathlib import Path
from typing import Any

import _jsonnet
import pytest
import yaml

from stack.render import ROOT, as_data
from stack.settings import Settings, load
from tests.conftest import eventually
from tests.dashboards.reading import View, annotations, every, panels, run, variables
from tests.end_to_end.conftest import SPEED, Stack

PROFILES = ("starter", "experienced", "production")
_DAYS = "the bots are watched for minutes, but this needs whole days of trades"
_NONE_SAYS = "neither bot reports it"
_WELL = "all is well, and the panel says so"
_WAITS = "windows of days are sums of bricks, which are minutes apart even here"
_UNANSWERED = "no person answers an incident here"
_NOT_SET = "this stack has none of that"
ONE_OF_SEVERAL = {"stat", "bargauge", "piechart", "state-timeline"}
# Dashboard, panel and query that are empty here, and why; each may be.
RIGHTLY_EMPTY = {
    "performance: Closed P&L by symbol B": _WELL,
    "nightdesk: Messages A": _NOT_SET,
    "logs: Slow operations A": _NONE_SAYS,
    "money: Value at risk in money A": _DAYS,
    "money: Shortfall in money A": _DAYS,
    "money: Slippage B": _DAYS,
    "nightdesk: Answered in time A": _UNANSWERED,
    "nightdesk: Refused input A": _WELL,
    "nightdesk: Sent by Alertmanager B": _WELL,
    "nightdesk: Time to the first answer A": _UNANSWERED,
    "overview: Each bot B": _WELL,
    "positions: Nearest to liquidation A": _NONE_SAYS,
    "positions: All positions F": _NONE_SAYS,
    "positions: All positions H": _NONE_SAYS,
    "positions: To liquidation over time A": _NONE_SAYS,
    "overview: Sharpe ratio A": _DAYS,
    "overview: Sharpe ratio B": _DAYS,
    "performance: Sharpe ratio A": _DAYS,
    "performance: Sharpe ratio B": _DAYS,
    "performance: Sortino ratio A": _DAYS,
    "performance: Sortino ratio B": _DAYS,
    "performance: Calmar ratio A": _DAYS,
    "performance: Calmar ratio B": _DAYS,
    "risk: Value at risk A": _DAYS,
    "risk: Value at risk B": _DAYS,
    "risk: Shortfall A": _DAYS,
    "risk: Shortfall B": _DAYS,
    "risk: Value at risk and shortfall A": _DAYS,
    "risk: Value at risk and shortfall B": _DAYS,
    "sla: Least budget left A": _WAITS,
    "sla: Objectives of each bot B": _WAITS,
    "sla: Objectives of each bot F": _WAITS,
    "sla: Budget left over time A": _WAITS,
} | {
    f"overview: {figure} against the usual {ref}": "no week has passed"
    for figure in (
        "Drawdown",
        "Trades per hour",
        "Win rate",
        "Open positions",
        "Error rate",
        "Response time, p95",
    )
    for ref in "BCD"
}


@pytest.fixture(scope="module")
def acted(stack: Stack) -> View:
    """Return a view of a stack in which an action helped, a model was trained and errors were logged."""
    proven = "sum(nightdesk_alert_to_verified_seconds_count)"
    if not stack.value(proven):
        assert stack.demo("POST", "faults/crash").ok
    eventually(lambda: stack.value(f"{proven} > 0"), within=90, what="an action that helped")
    eventually(lambda: stack.demo("POST", "control/retrain_model").ok, within=30, what="the bot's answer")
    assert stack.demo("POST", "faults/log_errors").ok
    for happened in (
        "trading_bot_model_last_retraining_timestamp_seconds",
        "trading_bot_model_auc",  # its figures start again; this one needs rising and falling prices
        'trading_bot_log_events_total{severity="error"}',
        'bot_objective:trading_bot_objective:met{bot="demo",objective="availability"}',
        "sum(nightdesk_actions_total)",
        "sum(nightdesk_incidents_closed_total)",
        'sum(trading_bot_trades_total{side="short"})',
    ):
        eventually(lambda of=happened: stack.value(of) is not None, within=90, what=happened)
    assert stack.demo("DELETE", "faults/log_errors").ok
    trading = stack.settings.collection.trading.interval
    return View(time.time(), back=300, rate=f"{4 * trading:g}s", finest=float(trading))


def under(profile: str, stack: Stack, folder: Path) -> Settings:
    """Return the settings of the stack under another profile."""
    overlay = folder / "profile.yaml"
    overlay.write_text(yaml.safe_dump({"profile": profile}))
    return load([stack.config, overlay], speed=SPEED)


@pytest.fixture(scope="module", params=PROFILES)
def chosen(
    request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    return under(request.param, stack, tmp_path_factory.mktemp("profile"))


def test_every_query_returns_data_or_is_rightly_empty(stack: Stack, acted: View, chosen: Settings) -> None:
    url = stack.settings.services.prometheus.url
    asked = {
        f"{name}: {panel['title']} {target['refId']}": (panel, target)
        for name, dashboard in every(chosen).items()
        for panel in panels(dashboard)
        for target in panel["targets"]
    }
    readings = {name: run(url, acted, panel, target) for name, (panel, target) in asked.items()}
    # A tile shows one of several texts, and a series is present or last known.
    said = {name[:-2] for name, reading in readings.items() if reading.points}
    empty = {
        name: reading.expr
        for name, reading in readings.items()
        if not (reading.points or (asked[name][0]["type"] in ONE_OF_SEVERAL and name[:-2] in said))
    }
    wrongly = {name: expr for name, expr in empty.items() if name not in RIGHTLY_EMPTY}
    assert not wrongly, json.dumps(wrongly, indent=1)
    assert readings.keys() >= RIGHTLY_EMPTY.keys(), "the list names what there is"


def test_annotations_and_variables_find_what_happened(stack: Stack, acted: View, chosen: Settings) -> None:
    url = stack.settings.services.prometheus.url
    for dashboard in every(chosen).values():
        marked = annotations(url, dashboard, acted)
        assert {"bot": "demo"} in marked["Starts"]
        assert marked["Critical alert"] == [{}], "one series"
        assert marked["Actions"]
        if "Trainings" in marked:
            assert {"bot": "demo", "model": "direction"} in marked["Trainings"]
        found = variables(url, dashboard, acted)
        assert found["bot"] == ["demo", "recorded"]
        assert "BTC/USDT" in found["symbol"]
        assert (found["exchange"], found["side"]) == (["near"], ["long", "short"])


def test_all_profiles_record_the_same_so_that_one_stack_speaks_for_each(stack: Stack, tmp_path: Path) -> None:
    first, *others = (_recorded(under(profile, stack, tmp_path)) for profile in PROFILES)
    assert first
    assert others == [first, first]


def _recorded(settings: Settings) -> list[Any]:
    source = str(ROOT / "prometheus/prometheus.jsonnet")
    text = _jsonnet.evaluate_file(source, ext_codes={"settings": json.dumps(as_data(settings))})
    groups = [group for file in json.loads(text).values() for group in file.get("groups", [])]
    return [rule for group in groups for rule in group["rules"] if "record" in rule]
