"""Trade statistics: right whatever the order, absent where unknown."""

import math
from collections.abc import Sequence
from dataclasses import astuple
from datetime import UTC
from statistics import fmean, stdev
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analytics.calls import CallWindow
from exporter.analytics.daily import calmar, returns, sharpe, sortino, tail
from exporter.analytics.ledger import Ledger
from exporter.reading import ApiCalls, Trade

DAY = 86_400.0
CAPITAL = 1000.0
START = 1_800_000_000.0 - 1_800_000_000.0 % DAY  # midnight, UTC


def trade(number: int, closed_at: float, profit: float) -> Trade:
    return Trade((number, closed_at - 60), "BTC/USDT", "long", closed_at - 60, closed_at, profit, 100.0)


def ledger(trades: Sequence[Trade], capital: float | None = CAPITAL, zone: str = "UTC") -> Ledger:
    found = Ledger(ZoneInfo(zone), 365)
    found.add(trades, capital)
    return found


def figures(found: Ledger, now: float) -> list[float | None]:
    tails = [value for _, pair in found.ratios(now).tails for value in pair]
    return [
        found.win_rate,
        found.expectancy,
        found.profit_factor,
        found.recovery_factor,
        found.max_drawdown,
        found.longest_wins,
        found.longest_losses,
        found.last_closed_at,
        found.mean_stake,
        found.mean_duration,
        found.per_hour(now),
        found.per_day(now),
        found.drawdown(CAPITAL),
        *found.pnl(now).values(),
        *astuple(found.ratios(now))[:3],
        *tails,
    ]


closings = st.lists(
    st.tuples(st.integers(0, 200 * 86_400), st.integers(-5000, 5000).map(lambda cents: cents / 100)),
    max_size=60,
).map(lambda rows: [trade(n, START + at, profit) for n, (at, profit) in enumerate(rows)])


@settings(deadline=None, max_examples=60)
@given(closings, st.randoms(use_true_random=False))
def test_late_and_repeated_trades_give_the_figures_of_those_in_order(trades, random):
    in_order = sorted(trades, key=lambda each: (each.closed_at, each.key))
    shuffled = trades + random.choices(trades, k=3) if trades else []
    random.shuffle(shuffled)
    piecewise = Ledger(UTC, 365)
    piecewise.add([], CAPITAL)
    for each in shuffled:
        piecewise.add([each], CAPITAL)
    now = START + 201 * DAY
    for expected, found in zip(figures(ledger(in_order), now), figures(piecewise, now), strict=True):
        assert found == (None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-9))


@settings(deadline=None, max_examples=60)
@given(closings)
def test_running_figures_are_those_computed_from_all_trades_at_once(trades):
    found = ledger(trades)
    in_order = sorted(trades, key=lambda each: (each.closed_at, each.key))
    equity, peak, deepest = CAPITAL, CAPITAL, 0.0
    for each in in_order:
        equity += each.profit
        peak = max(peak, equity)
        deepest = max(deepest, (peak - equity) / peak)
    profits = [each.profit for each in trades]
    won, lost = [p for p in profits if p > 0], [p for p in profits if p < 0]
    assert found.max_drawdown == (pytest.approx(deepest, abs=1e-12) if trades else None)
    assert found.win_rate == (len(won) / len(trades) if trades else None)
    assert found.expectancy == (pytest.approx(fmean(profits), abs=1e-9) if trades else None)
    assert found.profit_factor == (pytest.approx(sum(won) / -sum(lost)) if lost else None)


def test_everything_is_absent_without_trades():
    assert not [value for value in figures(ledger([]), START) if value is not None and value != 0]
    assert ledger([]).win_rate is None
    assert ledger([]).longest_losses is None


def test_drawdown_is_absent_where_the_capital_is_unknown():
    found = ledger([trade(1, START, -5.0)], capital=None)
    assert found.drawdown(995.0) is None
    assert found.max_drawdown is None
    assert found.expectancy == -5.0


def test_a_capital_that_becomes_known_later_counts_from_the_first_trade():
    found = ledger([trade(1, START, 10.0), trade(2, START + 1, -101.0)], capital=None)
    found.add([], CAPITAL)
    assert found.max_drawdown == pytest.approx(0.1)


def test_drawdown_counts_open_positions_and_a_wrong_price_of_one_does_not_raise_the_peak():
    found = ledger([trade(1, START, 100.0)])
    assert found.drawdown(11_000.0) == 0
    assert found.drawdown(990.0) == pytest.approx(0.1)


def test_profit_windows_begin_at_the_local_midnight_monday_and_first():
    late = START + 23.5 * 3600  # half past midnight in Berlin
    trades = [trade(1, START + 3600, 1.0), trade(2, late, 2.0)]
    assert ledger(trades).pnl(late)["day"] == 3.0
    assert ledger(trades, zone="Europe/Berlin").pnl(late)["day"] == 2.0
    assert ledger(trades, zone="Europe/Berlin").pnl(late)["month"] == 3.0


def test_streaks_follow_the_closing_times_and_a_zero_ends_them():
    profits = [1, 1, 0, 1, -1, -1, -1, 1]
    found = ledger([trade(n, START + n, float(profit)) for n, profit in enumerate(profits)])
    assert (found.longest_wins, found.longest_losses) == (2, 3)


def test_trade_rates_are_of_the_last_day_only():
    trades = [trade(n, START + n * 3600, 1.0) for n in range(72)]
    found = ledger(trades)
    now = START + 72 * 3600
    assert found.per_day(now) == 23
    assert found.per_hour(now) == pytest.approx(23 / 24)
    assert found.per_hour(now + 10 * DAY) == 0


def test_ratios_are_of_whole_days_and_count_days_without_trades():
    found = ledger([trade(1, START, 100.0), trade(2, START + 2 * DAY, -55.0), trade(3, START + 3 * DAY, 9.0)])
    daily = [0.1, 0.0, -0.05]
    now = START + 3 * DAY + 3600
    assert found.ratios(now).sharpe == pytest.approx(fmean(daily) / stdev(daily) * math.sqrt(365))
    assert found.ratios(START + 3600).sharpe is None


def test_daily_ratios_by_hand():
    daily = [0.01, -0.02, 0.03, 0.0]
    assert sharpe(daily, 365) == pytest.approx(0.005 / stdev(daily) * math.sqrt(365))
    assert sortino(daily, 365) == pytest.approx(0.005 / 0.01 * math.sqrt(365))
    assert calmar(daily, 365) == pytest.approx(((1.01 * 0.98 * 1.03) ** (365 / 4) - 1) / 0.02)
    assert returns(100.0, [10.0, -11.0]) == [0.1, -0.1]


def test_ratios_that_divide_by_nothing_are_unknown():
    assert sharpe([0.01, 0.01], 365) is None
    assert sortino([0.01, 0.02], 365) is None
    assert calmar([0.01, 0.02], 365) is None
    assert calmar([1e9, -0.5], 365) is None
    assert returns(100.0, [-100.0, 1.0]) is None


def test_the_tail_needs_enough_days_to_contain_it():
    daily = [n / 1000 for n in range(-50, 50)]
    assert tail(daily[:19], 0.95) is None
    assert tail(daily, 0.95) == pytest.approx((0.04505, 0.048))
    assert tail(daily, 0.99) == pytest.approx((0.04901, 0.05))


def test_call_rates_forget_what_left_the_window():
    window = CallWindow(300)
    assert window.add(ApiCalls(100, 50), 0) is None
    assert window.add(ApiCalls(200, 50), 300).error_rate == 0
    found = window.add(ApiCalls(200, 60), 600)
    assert (found.error_rate, found.per_minute) == (1.0, 2.0)
    assert window.add(ApiCalls(200, 60), 900).error_rate is None


def test_a_clock_put_back_begins_the_window_anew():
    window = CallWindow(300)
    window.add(ApiCalls(1, 0), 1000)
    assert window.add(ApiCalls(2, 0), 10) is None
    assert window.add(ApiCalls(3, 1), 20).error_rate == 0.5
