"""The realised equity: which changes are losses, which are transfers, and where counting starts."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analytics.curve import Baseline, Transfer
from tests.exporter.harness import ScriptedBot, http_settings, own, serve, value, watch
from tests.exporter.test_http import NOW, STATE
from tests.exporter.test_http import trade as told
from tests.exporter.trades import DAY, START, closings, daily_trades, ledger, recorded, trade

LATER = START + 300 * DAY


def test_drawdown_is_absent_where_the_capital_is_unknown():
    found = ledger([trade(1, START, -5.0)], capital=None)
    assert found.drawdown(LATER, 995.0, -5.0) is None
    assert found.max_drawdown is None
    assert found.expectancy == -5.0


def test_a_capital_that_becomes_known_later_counts_from_the_first_trade():
    found = ledger([trade(1, START, 10.0), trade(2, START + 1, -101.0)], capital=None)
    found.add([], 1000.0)
    assert found.max_drawdown == pytest.approx(0.1)
    assert found.ratios(START + DAY * 3).sharpe is not None


def test_drawdown_counts_open_positions_and_a_wrong_price_of_one_does_not_raise_the_peak():
    found = ledger([trade(1, START, 100.0)])
    assert found.drawdown(LATER, 11_000.0, 10_000.0) == 0
    assert found.drawdown(LATER, 990.0, -10.0) == pytest.approx(0.1)


def test_money_taken_out_is_no_drawdown_and_money_put_in_hides_none_though_nobody_declared_it():
    found = ledger([trade(1, START, 100.0), trade(2, START + 1, -55.0)])
    assert found.drawdown(LATER, 1045.0, 45.0) == pytest.approx(0.05)
    assert found.drawdown(LATER, 545.0, 45.0) == pytest.approx(55 / 600)
    assert found.drawdown(LATER, 5045.0, 45.0) == pytest.approx(55 / 5100)


def test_without_the_bots_profit_its_equity_tells_the_fall():
    assert ledger([trade(1, START, 100.0)]).drawdown(LATER, 990.0, None) == pytest.approx(0.1)


def test_a_partial_exit_enters_the_drawdown_through_what_the_bot_says():
    found = ledger([trade(1, START, 100.0)])
    assert found.drawdown(LATER, 1045.0, 45.0) == pytest.approx(0.05)  # an open trade realised −55 of this
    assert (found.trades, found.profit) == (1, 100)


def test_a_drawdown_is_at_most_all():
    found = ledger([trade(1, START, -1500.0)])
    assert found.max_drawdown == 1
    assert found.drawdown(LATER, -500.0, -1500.0) == 1


def test_a_transfer_is_neither_a_profit_nor_a_loss():
    trades = daily_trades([100.0, -110.0, 99.0])
    halved = [Transfer(START + DAY + 10, -495.0), Transfer(START + DAY + 11, 0.0)]
    found = ledger([*trades[:2], trade(9, START + 2 * DAY, 49.5)], events=halved)
    plain = ledger(trades)
    assert found.max_drawdown == pytest.approx(plain.max_drawdown)
    for moment in (START + 2 * DAY, START + 3 * DAY):
        assert found.ratios(moment).sharpe == pytest.approx(plain.ratios(moment).sharpe)
    assert found.drawdown(LATER, 544.5, 39.5) == pytest.approx(plain.drawdown(LATER, 1089.0, 89.0))
    assert found.profit == pytest.approx(39.5)


def test_a_transfer_after_the_last_trade_counts_once_its_time_has_come():
    found = ledger([trade(1, START, -100.0)], events=[Transfer(START + DAY, 900.0)])
    assert found.drawdown(START + 5, 900.0, -100.0) == pytest.approx(0.1)
    assert found.drawdown(START + 2 * DAY, 1800.0, -100.0) == pytest.approx(0.1)
    assert found.drawdown(START + 2 * DAY, 1710.0, -190.0) == pytest.approx(0.145)


def test_an_account_emptied_by_its_owner_restarts():
    events = [Transfer(START + DAY, -900.0), Transfer(START + 10 * DAY, 500.0)]
    trades = [trade(1, START, -100.0), trade(2, START + 11 * DAY, 50.0), trade(3, START + 12 * DAY, -55.0)]
    found = ledger(trades, events=events)
    assert found.max_drawdown == pytest.approx(0.1)
    assert found.drawdown(LATER, 495.0, -105.0) == pytest.approx(0.1)
    assert found.ratios(START + 13 * DAY).calmar is not None


@settings(deadline=None, max_examples=60)
@given(closings, st.floats(-0.9, 50), st.integers(0, 200 * 86_400))
def test_a_transfer_in_proportion_leaves_every_ratio_as_it_was(trades, share, at):
    at = START + at
    in_order = sorted(trades, key=lambda each: (each.closed_at, each.key))
    equity = 1000.0 + sum(each.profit for each in in_order if each.closed_at < at)
    scaled = [
        trade(each.key[0], each.closed_at, each.profit * (1 if each.closed_at < at else 1 + share))
        for each in in_order
    ]
    plain, moved = ledger(trades), ledger(scaled, events=[Transfer(at, share * equity)])
    if trades:
        assert moved.max_drawdown == pytest.approx(plain.max_drawdown, rel=1e-9, abs=1e-9)


def test_a_baseline_resets_the_drawdown_now_and_leaves_the_deepest_one():
    trades = daily_trades([100.0, -220.0, 10.0])
    plain = ledger(trades)
    reset = ledger(trades, events=[Baseline(START + 1.5 * DAY, None)])
    assert plain.drawdown(LATER, 890.0, -110.0) == pytest.approx(210 / 1100)
    assert reset.drawdown(LATER, 890.0, -110.0) == 0
    assert reset.drawdown(LATER, 845.5, -154.5) == pytest.approx(0.05)
    assert reset.max_drawdown == plain.max_drawdown == pytest.approx(0.2)


def test_a_baseline_may_say_its_equity_so_that_open_losses_of_then_are_forgiven():
    found = ledger([trade(1, START, 100.0)], events=[Baseline(START + DAY, 900.0)])
    assert found.drawdown(START + 1, 900.0, -100.0) == pytest.approx(200 / 1100)
    assert found.drawdown(START + DAY, 900.0, -100.0) == 0
    assert found.drawdown(START + DAY, 855.0, -145.0) == pytest.approx(0.05)


def test_what_a_person_declares_in_settings_reaches_the_metrics(tmp_path):
    bot = ScriptedBot(STATE | {"equity": 5_080.0}, [told(1, 150.0), told(2, -70.0), told(3, 20.0)])
    moved = datetime.fromtimestamp(NOW - 2000, UTC).isoformat()
    declared: dict[str, Any] = {"transfers": [{"at": moved, "amount": -5000}]}
    reset = declared | {"drawdown_baseline": {"at": moved, "equity": 5080.0}}
    with serve(bot) as url:
        with watch(http_settings(url, tmp_path, **declared)) as watched:
            peak = 10_150 * 5100 / 10_100
            assert value(watched.poll(), "drawdown_ratio") == pytest.approx(1 - 5080 / peak)
        with watch(http_settings(url, tmp_path, **reset)) as watched:
            series = watched.poll()
    assert value(series, "drawdown_ratio") == 0
    assert value(series, "max_drawdown_ratio") == pytest.approx(70 / 10_150)


def test_freqtrades_profit_of_a_trade_is_after_its_fees_and_funding():
    for row in recorded("trades")["trades"]:
        paid = row["amount"] * row["open_rate"] * (1 + row["fee_open"])
        got = row["amount"] * row["close_rate"] * (1 - row["fee_close"])
        assert row["close_profit_abs"] == pytest.approx(got - paid + row["funding_fees"], abs=1e-8)


def test_symbols_beyond_the_cap_are_reported_and_none_of_their_trades_is_lost(tmp_path):
    trades = [told(n, 1.0, symbol=f"S{n}") for n in range(1, 51)]
    bot = ScriptedBot(json.loads(json.dumps(STATE)) | {"last_trade_id": 50}, trades)
    with serve(bot) as url, watch(http_settings(url, tmp_path), cap=5) as watched:
        watched.poll()
        series = watched.poll()
    counted = [number for (name, _), number in series.items() if name == "trading_bot_trades_total"]
    assert (len(counted), sum(counted)) == (5, 50)
    assert own(series, "over_cap", what="traded symbols") == 46


def test_the_largest_and_smallest_money_that_is_let_in_silences_nothing(tmp_path):
    days = [
        told(n, profit, opened_at=NOW - (9 - n) * DAY, closed_at=NOW - (9 - n) * DAY, stake=1e18)
        for n, profit in enumerate([1e18, 1e18, -1e-18, 1e18, -1e18, 1e-18], 1)
    ]
    bot = ScriptedBot(STATE | {"starting_capital": 1e-18, "equity": 1e-18, "last_trade_id": 6}, days)
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        series = watched.poll()
    assert value(series, "up") == 1
    assert value(series, "win_rate") == pytest.approx(4 / 6)
    assert value(series, "profit_factor") == pytest.approx(3)
    assert value(series, "calmar_ratio") is None
