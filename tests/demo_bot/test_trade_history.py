"""Demo bots begin with a history of their own, if the settings say so."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from demo_bot.trade_history import invent, write
from stack.settings import load
from tests.demo_bot.conftest import Start

DAY = 86_400.0
START = 1_780_000_000.0


def test_a_history_is_the_same_for_the_same_seed_and_another_for_another_one() -> None:
    once, again, other = (invent(seed, "USDT", 10_000.0, START, START + 90 * DAY, UTC) for seed in (7, 7, 8))
    assert once == again
    assert once != other


def test_a_history_gains_and_falls_and_fills_its_time() -> None:
    for seed in range(7, 10):
        trades = invent(seed, "USDT", 10_000.0, START, START + 90 * DAY, UTC)
        assert [each.id for each in trades] == list(range(1, len(trades) + 1))
        closes = [each.closed_at for each in trades]
        assert closes == sorted(closes)
        assert closes[0] < START + 2 * DAY
        assert START + 88 * DAY < closes[-1] < START + 90 * DAY
        equity = high = 10_000.0
        fall = 0.0
        for each in trades:
            equity += each.profit
            high = max(high, equity)
            fall = max(fall, 1 - equity / high)
        assert equity > 10_000
        assert 0.01 < fall < 0.08, "to be seen, and below what wakes its owner"


def test_no_position_of_a_history_is_open_at_midnight_so_that_the_first_days_pnl_is_known() -> None:
    for zone in (UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Auckland")):
        for each in invent(7, "USDT", 10_000.0, START, START + 365 * DAY, zone):
            opened, closed = (datetime.fromtimestamp(at, zone) for at in (each.opened_at, each.closed_at))
            assert opened.date() == closed.date()


def test_a_made_history_never_replaces_a_bots_trades(tmp_path: Path) -> None:
    journal = tmp_path / "trades.jsonl"
    journal.write_text("")
    write(journal, seed=7, currency="USDT", capital=10_000.0, start=START, end=START + 90 * DAY, zone=UTC)
    assert journal.read_text() == ""


def test_three_bots_trade_beside_each_other_and_one_in_another_currency(start: Start) -> None:
    bot = start(demo={"bots": 3, "history": "3d"})
    states: dict[str, Any] = {at: bot.ask("GET", "/state", at=at).json() for at in ("", "/demo_2", "/demo_3")}
    assert [state["currency"] for state in states.values()] == ["USDT", "USDT", "EUR"]
    assert len({state["profit_realised"] for state in states.values()}) == 3
    for at, state in states.items():
        assert state["trades_closed"] >= 20, "its history"
        first = bot.ask("GET", "/trades", at=at).json()["trades"][0]
        assert state["time"] - first["closed_at"] > 2 * DAY
        assert first["symbol"].endswith(state["currency"])
    assert bot.ask("POST", "/control/stop", at="/demo_2").status_code == 200
    assert bot.ask("GET", "/state", at="/demo_2").json()["state"] == "stopped"
    assert bot.ask("GET", "/state").json()["state"] == "running", "one that stops leaves the others alone"
    assert bot.ask("GET", "/state", at="/demo_2", token=None).status_code == 401


def test_the_settings_watch_as_many_demo_bots_as_they_name(tmp_path: Path) -> None:
    config = tmp_path / "monitoring.yaml"
    config.write_text(json.dumps({"demo": {"enabled": True, "bots": 3}, "currency": "EUR"}))
    settings = load([config])
    assert settings.demo_bots == ["demo", "demo_2", "demo_3"] == list(settings.bots)
    assert [bot.currency for bot in settings.bots.values()] == [None, None, "USD"]
    assert settings.bot_logs(Path("/data"))["demo_3"] == (Path("/data/demo_3/demo_bot.log"),)
    config.write_text(json.dumps({"demo": {"enabled": False, "bots": 3}}))
    assert load([config]).demo_bots == []
