"""Each alert fires at its limit, is silent below it and without its series, and resolves."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stack.drill.cases import cases
from stack.drill.cases.case import BOT, Case, Series, Value
from stack.render import ROOT, render
from stack.settings import META, Duration, load, severities_of
from stack.settings.model import Settings
from stack.settings.names import UNREAD
from tests.rules.design import NAMES, SEVERITY, condition
from tests.rules.promtool import files, inputs, needed, read, run, write
from webhook_actions.actions import Action, Effect, load_actions


@pytest.mark.timeout(900)  # promtool plays every case of every alert: minutes on a busy machine
def test_every_alert_fires_and_is_silent_as_its_settings_say(
    settings: Settings, rules: Path, tmp_path: Path
) -> None:
    assert run(files(list(cases(settings)), settings, rules, tmp_path)) == ""


def test_a_wrong_expectation_is_noticed(settings: Settings, rules: Path, tmp_path: Path) -> None:
    scraped = [Series("up", [1.0], {"job": "exporter"}, {})]
    wrong = Case("Watchdog", "silent", scraped, 0, fires=False, labels={}, together=False)
    assert "TradingBotWatchdog" in run(files([wrong], settings, rules, tmp_path))


def test_every_rule_has_cases_that_fire_and_that_do_not(settings: Settings, rules: Path) -> None:
    tried = Counter((case.alert, case.fires) for case in cases(settings))
    for alert in _alerts(rules):
        name = _word(alert)
        assert tried[name, True] >= 1
        assert tried[name, False] >= 2


def test_no_alert_of_the_design_lacks_its_rule_its_cases_or_its_runbook(
    settings: Settings, rules: Path
) -> None:
    enabled = {name for name in NAMES if settings.alerts[name].enabled}
    assert set(settings.alerts) == NAMES
    assert {_word(alert) for alert in _alerts(rules)} == enabled
    assert {case.alert for case in cases(settings)} == enabled
    runbooks = {file.stem.removeprefix("TradingBot") for file in (ROOT / "docs/runbooks").glob("*.md")}
    assert runbooks == NAMES


def test_every_rule_is_paced_by_the_settings_and_explained_by_a_runbook(
    settings: Settings, rules: Path
) -> None:
    for alert in _alerts(rules):
        name, labels, says = _word(alert), alert["labels"], alert["annotations"]
        severity = SEVERITY[name]
        assert labels["severity"] == severity or severity == "slo"
        assert labels["condition"] == condition(name) or name == "Suggestion"
        assert (labels["severity"] == "meta") == (name in META)
        assert labels["severity"] in severities_of(name)
        assert (severity == "slo") == (len(severities_of(name)) > 1)
        assert says["runbook_url"].endswith(f"/docs/runbooks/TradingBot{name}.md")
        runbook = (ROOT / f"docs/runbooks/TradingBot{name}.md").read_text()
        assert runbook.startswith(f"# TradingBot{name}\n")
        for part in ("Meaning", "Impact", "Look here first", "What Nightdesk does", "What you do", "Tuning"):
            assert f"\n**{part}.**" in runbook, name
        assert ("verify" in says) == (labels["severity"] in ("critical", "warning"))
        assert says["summary"]
        assert says["description"]


def test_the_more_severe_of_twins_never_gets_less_help_than_the_milder(
    settings: Settings, rules: Path
) -> None:
    order, every = ("info", "warning", "critical"), load_actions()
    plans = {
        (rule["labels"]["condition"], rule["labels"]["severity"], _word(rule)): _help(settings, rule, every)
        for rule in _alerts(rules)
        if rule["labels"]["severity"] in order and rule["labels"].get("kind") != "suggestion"
    }
    less = {
        (stronger, milder): plans[milder] - plans[stronger]
        for stronger in plans
        for milder in plans
        if stronger[0] == milder[0] and order.index(stronger[1]) > order.index(milder[1])
    }
    assert less
    assert {twins: lacks for twins, lacks in less.items() if lacks} == {}


def _help(settings: Settings, rule: dict[str, Any], every: Mapping[str, Action]) -> set[str]:
    """Return the actions of an alert that change something; others only review, note or notify."""
    severity, objective = rule["labels"]["severity"], rule["labels"].get("objective")
    own = settings.alerts[_word(rule)].actions
    if objective is not None and own is None:
        own = settings.sla.actions.get(objective, settings.sla.actions["default"])
    names = getattr(settings.severities, severity).actions if own is None else own
    return {name for name in names if every[name].effect is not Effect.OBSERVE}


def test_no_two_alerts_say_the_same_in_their_summaries_unless_they_are_twins(rules: Path) -> None:
    said: dict[str, set[str]] = {}
    for alert in _alerts(rules):
        said.setdefault(alert["annotations"]["summary"], set()).add(alert["labels"]["condition"])
    assert {summary: about for summary, about in said.items() if len(about) > 1} == {}


def test_an_alert_about_an_action_names_its_bot(rules: Path) -> None:
    [failed] = [alert for alert in _alerts(rules) if _word(alert) == "ActionFailed"]
    assert "$labels.bot" in failed["annotations"]["summary"]


def test_a_message_about_a_bot_has_its_figures(rules: Path) -> None:
    for alert in _alerts(rules):
        about_a_bot = "$labels.bot" in alert["annotations"]["dashboard_url"]
        figures = "trading_bot_profit_loss" in alert["annotations"]["description"]
        assert figures == about_a_bot or _word(alert) == "Suggestion", alert["alert"]


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("refused", ""),
        (
            "way",
            " The connection to it is broken (address, proxy or certificate): the bot itself may run well.",
        ),
    ],
)
def test_annotations_have_the_bots_figures_and_name_unknown_ones(
    settings: Settings, rules: Path, tmp_path: Path, reason: str, why: str
) -> None:
    wait = settings.thresholds.critical.down_after
    scrapes = int(wait // settings.collection.trading.interval) + 2
    gone = ["stale"] + [None] * (scrapes - 1)
    series = [
        Series("trading_bot_up", [1.0] + [0.0] * scrapes),
        Series("trading_bot_source_error", [None] + [1.0] * scrapes, {"reason": reason}),
        Series("trading_bot_profit_loss", [-1234.567, *gone]),
        Series("trading_bot_pnl_open", [-34.5, *gone], {"window": "total"}),
        Series("trading_bot_uptime_seconds", [18000.0, *gone]),
        Series("trading_bot_active_positions", [2.0, *gone], {"symbol": "BTC/USDT"}),
        Series("trading_bot_active_positions", [1.0, *gone], {"symbol": "ETH/USDT"}),
    ]
    quoted = r"a_b*c[d] \"x\" №"
    expected = {
        "summary": f"{BOT} shows no sign of life",
        "description": (
            f"No answer from {BOT} for {wait} ({UNREAD[reason]}).{why} Last known:\n"
            "P&L: -1234.57 (P&L of open positions: -34.50)\nWin rate: unknown\n"
            "Open positions: 3\nUptime: 5h 0m 0s"
        ),
        "recommended_actions": (
            "Nightdesk tries restart_bot, then close_positions, as far as settings allow. "
            "See whether its process runs and what it logged last; "
            "look at its open positions at the exchange."
        ),
        "verify": f'trading_bot_up{{bot="{quoted}"}} == 1',
        "runbook_url": "http://127.0.0.1:9099/docs/runbooks/TradingBotDown.md",
        "dashboard_url": "http://127.0.0.1:3000/d/trading-bot?var-bot=a_b%2Ac%5Bd%5D+%22x%22+%E2%84%96",
    }
    test = {
        "interval": str(settings.collection.trading.interval),
        "input_series": inputs(series),
        "alert_rule_test": [
            {
                "eval_time": str(type(wait)(wait + settings.collection.trading.interval)),
                "alertname": "TradingBotDown",
                "exp_alerts": [
                    {
                        "exp_labels": {"severity": "critical", "condition": "down", "bot": BOT},
                        "exp_annotations": expected,
                    }
                ],
            }
        ],
    }
    file = rules / "trading-bot-critical.yml"
    pace = settings.collection.evaluation_interval
    tests = write(tmp_path / "tests.yml", [test], needed(file, sorted(rules.glob("*.yml"))), pace)
    assert run([tests]) == ""


HELD: dict[tuple[str, str], dict[str, float]] = {
    ("BTC/USDT", "long"): {
        "value": 1234.5,
        "profit": -12.345,
        "stop_distance_ratio": 0.0125,
        "liquidation_distance_ratio": 0.03,
    },
    ("ETH/USDT", "short"): {"value": 500.0},
    ("SOL/USDT", "long"): {"value": 400.0, "profit": 3.0},
    ("ADA/USDT", "long"): {"value": 1.0, "profit": 1.0},  # the fourth
}


def test_a_critical_message_lists_the_bots_largest_positions(
    settings: Settings, rules: Path, tmp_path: Path
) -> None:
    wait = settings.thresholds.critical.down_after
    scrapes = int(wait // settings.collection.trading.interval) + 2
    series = [Series("trading_bot_up", [1.0] * scrapes)]
    for (symbol, side), told in HELD.items():
        of = {"symbol": symbol, "side": side}
        series += [Series(f"trading_bot_position_{name}", [v] * scrapes, of) for name, v in told.items()]
    expected = (
        f"A move of 3% liquidates the long position of {BOT} in BTC/USDT; its limit is 5%.\n"
        "P&L: unknown\nWin rate: unknown\nOpen positions: unknown\nUptime: unknown\n"
        "BTC/USDT long: 1234.50, P&L -12.35, stop 1.25%, liquidation 3%\n"
        "ETH/USDT short: 500.00, P&L unknown, stop unknown, liquidation unknown\n"
        "SOL/USDT long: 400.00, P&L 3.00, stop unknown, liquidation unknown"
    )
    name = "TradingBotLiquidationNear"
    [rule] = [
        rule
        for rule in read(rules / "trading-bot-guard.yml")
        if rule["alert"] == name and "scope" not in rule["labels"]
    ]
    of_alert = {"bot": BOT, "symbol": "BTC/USDT", "side": "long"}
    test = {
        "interval": str(settings.collection.trading.interval),
        "input_series": inputs(series),
        "promql_expr_test": [],
        "alert_rule_test": [
            {
                "eval_time": str(type(wait)(settings.collection.trading.interval)),
                "alertname": name,
                "exp_alerts": [
                    {
                        "exp_labels": rule["labels"] | of_alert,
                        "exp_annotations": _filled(rule["annotations"]) | {"description": expected},
                    }
                ],
            }
        ],
    }
    file = rules / "trading-bot-guard.yml"
    pace = settings.collection.evaluation_interval
    tests = write(tmp_path / "tests.yml", [test], needed(file, sorted(rules.glob("*.yml"))), pace)
    assert run([tests]) == ""


def _filled(annotations: Mapping[str, str]) -> dict[str, str]:
    """Return annotations of an alert about BOT, as LiquidationNear writes them at 3%."""
    quoted = BOT.replace("\\", "\\\\").replace('"', '\\"')
    values = {
        '{{ printf "%q" $labels.bot }}': f'"{quoted}"',
        '{{ printf "%q" $labels.symbol }}': '"BTC/USDT"',
        '{{ printf "%q" $labels.side }}': '"long"',
        "{{ $labels.bot | urlquery }}": "a_b%2Ac%5Bd%5D+%22x%22+%E2%84%96",
        "{{ $labels.bot }}": BOT,
        "{{ $labels.symbol }}": "BTC/USDT",
        "{{ $labels.side }}": "long",
        "{{ $value | humanizePercentage }}": "3%",
    }
    found = dict(annotations)
    for written, value in values.items():
        found = {name: text.replace(written, value) for name, text in found.items()}
    return found


def test_a_summary_covers_the_period_that_ended_not_the_one_that_began(
    settings: Settings, rules: Path, tmp_path: Path
) -> None:
    scrape = settings.collection.trading.interval
    period, count = (
        3600.0,
        int(5400 // scrape),
    )  # the summary of an hour, of which half an hour is of the new month
    begin = count * scrape - period
    total: list[Value] = [100.0 if index * scrape <= begin else 140.0 for index in range(count + 1)]
    won: list[Value] = [10.0 if index * scrape <= begin else 14.0 for index in range(count + 1)]
    of_bot = {"bot": "alpha"}
    series = [
        Series("nightdesk_report_due", [1.0] * (count + 1), {"period": "monthly"}, {}),
        Series("nightdesk_report_start_timestamp_seconds", [begin] * (count + 1), {"period": "monthly"}, {}),
        Series("trading_bot_up", [1.0] * (count + 1), {}, of_bot),
        Series("trading_bot_up", [None] * (count - 1) + [1.0] * 2, {}, {"bot": "new"}),
        Series("trading_bot_pnl", total, {"window": "total"}, of_bot),
        Series("trading_bot_pnl", [2.0] * (count + 1), {"window": "month"}, of_bot),
        Series("trading_bot_pnl", [7.0] * 2, {"window": "total"}, {"bot": "new"}),
        Series("trading_bot_trades_total", won, {"outcome": "won"}, of_bot),
    ]
    test = {
        "interval": str(scrape),
        "input_series": inputs(series),
        "alert_rule_test": [
            {
                "eval_time": str(Duration(count * scrape)),
                "alertname": "TradingBotMonthlySummary",
                "exp_alerts": [
                    {
                        "exp_labels": {"severity": "info", "condition": "monthly_summary"},
                        "exp_annotations": {
                            "summary": "The bots, monthly summary",
                            "description": (
                                f"Period: from 1970-01-01 00:{begin // 60:02.0f}:00 +0000 UTC\n"
                                "Status: no alert fires\nBots up: 2 of 2\nDeals: 4\nWin rate: 100.0%\n"
                                "alpha: P&L of closed trades 40.00\nnew: P&L of closed trades unknown\n"
                            ),
                            "runbook_url": "http://127.0.0.1:9099/docs/runbooks/TradingBotMonthlySummary.md",
                            "dashboard_url": "http://127.0.0.1:3000/d/trading-bot",
                        },
                    }
                ],
            }
        ],
    }
    tests = write(tmp_path / "tests.yml", [test], sorted(rules.glob("*.yml")), scrape)
    assert run([tests]) == ""


def test_an_alert_that_settings_switch_off_has_no_rule(tmp_path: Path) -> None:
    file = tmp_path / "monitoring.yaml"
    file.write_text("alerts: {HighDrawdown: {enabled: false}}")
    render(load([file]), tmp_path / "build")
    names = {alert["alert"] for alert in _alerts(tmp_path / "build/prometheus/rules")}
    assert "TradingBotHighDrawdown" not in names
    assert "TradingBotDown" in names


def _alerts(rules: Path) -> list[dict[str, Any]]:
    return [rule for file in sorted(rules.glob("*.yml")) for rule in read(file) if "alert" in rule]


def _word(alert: dict[str, Any]) -> str:
    return str(alert["alert"]).removeprefix("TradingBot")
