"""The whole loop: a bot dies, is restarted and verified, and its incident closes; or a person is notified."""

import time
from datetime import datetime
from typing import Any

import pytest

from tests.conftest import eventually
from tests.end_to_end.conftest import Stack

SLACK = 5.0  # seconds beyond the configured waits: scheduling and requests take time


def configured_wait(stack: Stack) -> float:
    """Return the seconds from a crash to its incident that the settings allow."""
    collection = stack.settings.collection
    waits = (
        collection.poll_interval,
        collection.trading.interval,
        collection.evaluation_interval,
        stack.settings.thresholds.critical.down_after,
        stack.settings.routing.group_wait.critical,
    )
    return float(sum(waits))


def kinds(incident: dict[str, Any]) -> list[str]:
    return [entry["kind"] for entry in incident["timeline"]]


def test_a_killed_bot_is_restarted_proven_and_its_incident_closed(stack: Stack) -> None:
    trades = stack.demo("GET", "trades").json()["trades"]
    died = time.time()
    assert stack.demo("POST", "faults/crash").ok
    incident = eventually(
        lambda: stack.incidents("TradingBotDown", "demo"),
        within=configured_wait(stack) + SLACK,
        what="the incident",
    )[0]
    assert datetime.fromisoformat(incident["opened_at"]).timestamp() > died
    assert incident["annotations"]["verify"] == 'trading_bot_up{bot="demo"} == 1'
    eventually(
        lambda: "verified" in kinds(stack.incidents("TradingBotDown", "demo")[0]), within=30, what="the proof"
    )
    assert stack.value('trading_bot_up{bot="demo"}') == 1
    assert stack.value('trading_bot_start_time_seconds{bot="demo"}') > died
    eventually(
        lambda: stack.incidents("TradingBotDown", "demo")[0]["closed_at"], within=40, what="the closing"
    )
    eventually(lambda: ("TradingBotDown", "demo") not in stack.alertmanager(), what="the alert's end")
    assert stack.demo("GET", "trades").json()["trades"][: len(trades)] == trades
    steps = stack.incidents("TradingBotDown", "demo")[0]["runs"]
    assert [(step["action"], step["outcome"], step["verdict"]) for step in steps] == [
        ("restart_bot", "done", "verified")
    ]


def test_a_bot_that_stays_down_is_tried_three_times_in_all_and_handed_over(stack: Stack) -> None:
    before = len(stack.incidents("TradingBotDown", "demo"))
    assert stack.demo("POST", "faults/stay_down").ok
    assert stack.demo("POST", "faults/crash").ok

    def handed_over() -> dict[str, Any] | None:
        new = stack.incidents("TradingBotDown", "demo")[before:]
        return new[0] if new and new[0]["handed_over_at"] and "escalated" in kinds(new[0]) else None

    incident = eventually(handed_over, within=150, what="the escalation")
    restarts = [
        step
        for each in stack.incidents("TradingBotDown", "demo")
        for step in each["runs"]
        if step["action"] == "restart_bot"
    ]
    window = float(stack.settings.actions.attempts_window)
    last = datetime.fromisoformat(restarts[-1]["started_at"]).timestamp()
    lately = [s for s in restarts if last - datetime.fromisoformat(s["started_at"]).timestamp() < window]
    assert len(lately) == stack.settings.actions.limit("restart_bot").attempts
    assert all(step["verdict"] == "not_verified" for step in incident["runs"] if step["verdict"] != "none")
    assert incident["closed_at"] is None
    assert stack.demo("DELETE", "faults/stay_down").ok
    assert stack.demo("POST", "control/start").ok
    eventually(
        lambda: stack.incidents("TradingBotDown", "demo")[before]["closed_at"], within=40, what="the closing"
    )


def test_the_recorded_freqtrades_figures_reach_prometheus_unchanged(stack: Stack) -> None:
    profit, status = stack.recording.answers["profit"], stack.recording.answers["status"]
    balance = stack.recording.answers["balance"]
    wanted = {
        "trading_bot_win_rate": profit["winning_trades"] / profit["closed_trade_count"],
        "sum(trading_bot_trades_total{%s})": profit["closed_trade_count"],
        'sum(trading_bot_trades_total{%s,outcome="won"})': profit["winning_trades"],
        "trading_bot_profit_loss": profit["profit_all_coin"],
        'trading_bot_pnl{%s,window="total"}': profit["profit_closed_coin"],
        "trading_bot_equity": balance["starting_capital"] + profit["profit_all_coin"],
        "trading_bot_profit_factor": profit["profit_factor"],
        "trading_bot_expectancy": profit["expectancy"],
        "trading_bot_current_exposure": stack.recording.answers["count"]["total_stake"],
        "sum(trading_bot_active_positions{%s})": sum(trade["amount"] > 0 for trade in status),
    }
    for expression, value in wanted.items():
        of_bot = 'bot="recorded"'
        query = expression % of_bot if "%s" in expression else f"{expression}{{{of_bot}}}"
        # Ours are computed from the trades: the last bit may differ from Freqtrade's own arithmetic.
        assert stack.value(query) == pytest.approx(value, rel=1e-14), query


def test_an_exchange_outage_that_freqtrades_api_hides_fires_and_opens_an_incident(stack: Stack) -> None:
    stack.recording.outage = True
    eventually(
        lambda: ("TradingBotApiErrorRate", "recorded") in stack.alertmanager(), within=60, what="the alert"
    )
    incident = eventually(
        lambda: stack.incidents("TradingBotApiErrorRate", "recorded"), within=20, what="the incident"
    )[0]
    assert stack.value('trading_bot_up{bot="recorded"}') == 1, "its API says that all is well"
    assert incident["bot"] == "recorded"
    stack.recording.outage = False
