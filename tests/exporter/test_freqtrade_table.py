"""Every figure of a recorded Freqtrade agrees with its right source, never with a misleading one."""

from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.exporter.harness import Series, names, value
from tests.exporter.test_freqtrade import RECORDED_AT, Clock, watched
from tests.freqtrade_replay import Recording

SAID = Recording()
PROFIT: dict[str, Any] = SAID.answers["profit"]
STATUS: list[dict[str, Any]] = SAID.answers["status"]
IN_ORDER = sorted(SAID.trades, key=lambda trade: trade["close_timestamp"])


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Series:
    with watched(Recording(), tmp_path_factory.mktemp("table"), Clock()) as bot:
        return bot.poll()


def trades(series: Series, outcome: str = "") -> float:
    """Return the closed trades, of one outcome if named."""
    return sum(
        count
        for (name, labels), count in series.items()
        if name == "trading_bot_trades_total" and (not outcome or ("outcome", outcome) in labels)
    )


def longest(*, won: bool) -> int:
    runs = groupby(IN_ORDER, key=lambda trade: trade["close_profit_abs"] > 0)
    return max(len(list(run)) for is_won, run in runs if is_won == won)


def test_closed_trades_wins_and_losses_leave_out_the_open_ones(series: Series):
    assert trades(series) == PROFIT["closed_trade_count"] < PROFIT["trade_count"]
    assert (trades(series, "won"), trades(series, "lost")) == (
        PROFIT["winning_trades"],
        PROFIT["losing_trades"],
    )
    assert value(series, "win_rate") == pytest.approx(PROFIT["winrate"])


def test_profit_is_of_closed_trades_in_windows_and_with_open_ones_in_all(series: Series):
    assert value(series, "profit_loss") == PROFIT["profit_all_coin"]
    assert value(series, "pnl", window="total") == PROFIT["profit_closed_coin"]
    for window, answer in (("day", "daily"), ("week", "weekly"), ("month", "monthly")):
        told = SAID.answers[answer]["data"][0]["abs_profit"]
        assert value(series, "pnl", window=window) == pytest.approx(told, abs=1e-8)


def test_equity_is_capital_and_profit_and_none_of_the_totals_of_balance(series: Series):
    balance = SAID.answers["balance"]
    assert value(series, "equity") == balance["starting_capital"] + PROFIT["profit_all_coin"]
    assert value(series, "equity") not in (balance["total"], balance["total_bot"])


def test_positions_are_filled_entries_and_orders_those_that_wait(series: Series):
    open_ = [number for (name, _), number in series.items() if name == "trading_bot_active_positions"]
    assert sum(open_) == len([trade for trade in STATUS if trade["amount"] > 0])
    waiting = [order for trade in STATUS for order in trade["orders"] if order["is_open"]]
    assert value(series, "pending_orders") == len(waiting) == 1
    assert value(series, "current_exposure") == SAID.answers["count"]["total_stake"]


def test_drawdown_is_of_closed_trades_in_its_deepest_and_with_open_ones_now(series: Series):
    assert value(series, "max_drawdown_ratio") == pytest.approx(PROFIT["max_drawdown"])
    deepest = PROFIT["profit_closed_coin"] / PROFIT["max_drawdown_abs"]
    assert value(series, "recovery_factor") == pytest.approx(deepest)
    highest = 990.0 + PROFIT["current_drawdown_high"]
    fallen = highest - 990.0 - PROFIT["profit_all_coin"]
    assert value(series, "drawdown_ratio") == pytest.approx(fallen / highest)


def test_ratios_of_a_history_of_minutes_are_absent_instead_of_absurd(series: Series):
    assert PROFIT["sharpe"] < -200
    assert not names(series) & {"sharpe_ratio", "sortino_ratio", "calmar_ratio"}
    assert value(series, "profit_factor") == pytest.approx(PROFIT["profit_factor"])
    assert value(series, "expectancy") == pytest.approx(PROFIT["expectancy"])


def test_durations_and_streaks_are_those_of_the_trades_as_they_closed(series: Series):
    mean = sum(trade["trade_duration_s"] for trade in IN_ORDER) / len(IN_ORDER)
    assert value(series, "position_duration_avg_seconds") == pytest.approx(mean, abs=1)
    assert value(series, "max_consecutive_wins") == longest(won=True)
    assert value(series, "max_consecutive_losses") == longest(won=False)
    assert value(series, "last_trade_timestamp_seconds") == IN_ORDER[-1]["close_timestamp"] / 1000


def test_activity_is_of_the_loop_and_uptime_of_its_start(series: Series):
    health = SAID.answers["health"]
    assert value(series, "last_activity_timestamp_seconds") == health["last_process_ts"]
    assert value(series, "uptime_seconds") == RECORDED_AT - health["bot_startup_ts"]
    assert value(series, "start_time_seconds") == health["bot_startup_ts"]


def test_a_freqtrade_without_a_health_endpoint_has_all_other_figures(tmp_path: Path):
    recording = Recording()
    recording.broken = {"health": (404, b'{"detail":"Not Found"}')}
    with watched(recording, tmp_path, Clock()) as bot:
        series = bot.poll()
    assert value(series, "up") == 1
    assert value(series, "equity") == 990.0 + PROFIT["profit_all_coin"]
    assert not names(series) & {"uptime_seconds", "last_activity_timestamp_seconds"}
