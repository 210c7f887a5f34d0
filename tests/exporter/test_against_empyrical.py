"""An independent library and Freqtrade itself confirm the statistics, to 1e-9.

Our definitions differ from empyrical's for these reasons:

- Without variance, a losing day or a fall, empyrical returns NaN or infinity. Ours are absent: no number is
true then, and a gauge of infinity pages or hides. - Returns that vary, lose or fall by less than 1e-12 of the
equity count as constant: such a remainder comes from the addition of floats, and a ratio over it would be
about 1e10. - empyrical annualises a single day, ours needs two: one day says nothing about a year. -
empyrical computes value at risk from any number of days, ours is absent below 100 / percent days. -
empyrical's loss is negative, the catalogue's is positive, like its name. - empyrical takes returns as given;
ours start again after the equity was spent, since a profit on no equity is no return. - Freqtrade's own
Sharpe, Sortino and Calmar are not compared: they divide by the days since the first trade, minutes here, and
say −237.
"""

import math
from itertools import groupby

import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from clients.trading import Trade
from exporter.analytics.daily import calmar, ratios, returns, sharpe, sortino, tail
from tests.exporter.trades import CAPITAL, DAY, START, closings, ledger, recorded, recorded_trades, trade

YEAR = 365
confirmed = settings(deadline=None, max_examples=150)
# Hundredths of a percent, so that days have equal returns, and floats of any precision.
daily_returns = st.lists(
    st.integers(-900, 900).map(lambda cents: cents / 10_000) | st.floats(-0.5, 0.5), min_size=2, max_size=300
)


def same(ours: float | None, theirs: float) -> bool:
    """Return whether both are equal, or ours is absent and theirs is no number."""
    if ours is None:
        return not math.isfinite(theirs)
    return ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)


def clear(daily: list[float]) -> bool:
    """Return whether the returns vary and lose by more than the rounding of floats, or not at all."""
    tiny = [each for each in daily if 0 < abs(each) < 1e-9]
    return not tiny and (len(set(daily)) == 1 or bool(np.std(daily) > 1e-9))


@confirmed
@given(daily_returns)
@example([0.01, 0.01])
@example([0.01, 0.02])
def test_sharpe_sortino_and_calmar_are_those_of_empyrical(daily):
    assume(clear(daily))
    theirs = pd.Series(daily)
    assert same(sharpe(daily, YEAR), empyrical.sharpe_ratio(theirs, annualization=YEAR))
    assert same(sortino(daily, YEAR), empyrical.sortino_ratio(theirs, annualization=YEAR))
    assert same(calmar(daily, YEAR), empyrical.calmar_ratio(theirs, annualization=YEAR))


@confirmed
@given(daily_returns, st.sampled_from([5, 1]))
@example([-0.01] * 300, 5)
def test_value_at_risk_and_expected_shortfall_are_those_of_empyrical(daily, percent):
    found = tail(daily, percent)
    if found is None:
        assert len(daily) < 100 / percent
    else:
        assert same(-found[0], empyrical.value_at_risk(np.array(daily), percent / 100))
        assert same(-found[1], empyrical.conditional_value_at_risk(np.array(daily), percent / 100))
        assert found[1] >= found[0] - 1e-12


def compared(trades: list[Trade], capital: float) -> None:
    """Compare every figure with one computed from all trades at once, by pandas and empyrical."""
    found = ledger(trades, capital)
    rows = pd.DataFrame(
        [(each.closed_at, each.key, each.profit, each.opened_at, each.stake) for each in trades],
        columns=["closed", "key", "profit", "opened", "stake"],
    ).sort_values(["closed", "key"])
    profits = rows.profit
    won, lost = profits[profits > 0], profits[profits < 0]
    equity = capital + profits.cumsum()
    per_trade = profits / (equity - profits)
    earned = profits.cumsum()
    fall = (earned.cummax().clip(lower=0) - earned).max()
    assert same(found.win_rate, len(won) / len(profits))
    assert same(found.expectancy, profits.mean())
    assert same(found.profit_factor, won.sum() / -lost.sum() if len(lost) else math.nan)
    assert same(found.recovery_factor, profits.sum() / fall if len(lost) else math.nan)
    assert same(found.max_drawdown, -empyrical.max_drawdown(per_trade))
    assert found.longest_wins == longest(profits > 0)
    assert found.longest_losses == longest(profits < 0)
    assert same(found.mean_stake, rows.stake.mean())
    assert same(found.mean_duration, (rows.closed - rows.opened).mean())
    now = max(rows.closed) + DAY / 2
    last_day = rows.closed[rows.closed > now - DAY]
    assert found.per_day(now) == len(last_day)


def by_day(trades: list[Trade], capital: float) -> pd.Series:
    """Return the daily returns as pandas makes them."""
    rows = pd.DataFrame([(each.closed_at, each.profit) for each in trades], columns=["closed", "profit"])
    closed = pd.to_datetime(rows.closed, unit="s", utc=True)
    profits = rows.profit.groupby(closed.dt.floor("D")).sum().resample("D").sum()
    return profits / (capital + profits.cumsum() - profits)


def compared_by_day(trades: list[Trade], capital: float) -> None:
    """Compare the figures of daily returns."""
    daily = by_day(trades, capital)
    found = ledger(trades, capital).ratios(max(each.closed_at for each in trades) + DAY)
    assert same(found.sharpe, empyrical.sharpe_ratio(daily, annualization=YEAR))
    assert same(found.sortino, empyrical.sortino_ratio(daily, annualization=YEAR))
    assert same(found.calmar, empyrical.calmar_ratio(daily, annualization=YEAR))
    for confidence, (at_risk, shortfall) in found.tails:
        cutoff = {"0.95": 0.05, "0.99": 0.01}[confidence]
        assert same(-at_risk, empyrical.value_at_risk(daily, cutoff))
        assert same(-shortfall, empyrical.conditional_value_at_risk(daily, cutoff))
    assert len(found.tails) == (len(daily) >= 20) + (len(daily) >= 100)


def longest(hits: pd.Series) -> int:
    return max((len(list(run)) for hit, run in groupby(hits) if hit), default=0)


@confirmed
@given(closings.filter(lambda trades: len(trades) > 0))
def test_figures_of_any_trades_are_those_of_pandas_and_empyrical(trades):
    compared(trades, CAPITAL)


@confirmed
@given(closings.filter(lambda trades: len(trades) > 0))
def test_daily_figures_of_any_trades_are_those_of_pandas_and_empyrical(trades):
    daily = by_day(trades, CAPITAL).tolist()
    assume(len(daily) > 1 and clear(daily))
    compared_by_day(trades, CAPITAL)


def test_figures_of_the_recorded_trades_are_those_of_pandas_and_empyrical():
    compared(recorded_trades(), recorded("balance")["starting_capital"])


def test_figures_of_the_recorded_trades_spread_over_days_are_those_too():
    spread = [
        trade(n, START + (n * 7 % 26) * 5 * DAY, each.profit, stake=each.stake)
        for n, each in enumerate(recorded_trades())
    ]
    compared(spread, recorded("balance")["starting_capital"])
    compared_by_day(spread, recorded("balance")["starting_capital"])


def test_freqtrade_says_the_same_of_its_own_trades():
    said = recorded("profit")
    found = ledger(recorded_trades(), recorded("balance")["starting_capital"])
    lost = sum(count for (_, _, kind), count in found.counts.items() if kind == "lost")
    assert found.trades == said["closed_trade_count"]
    assert lost == said["losing_trades"]
    for ours, theirs in (
        (found.profit, "profit_closed_coin"),
        (found.win_rate, "winrate"),
        (found.expectancy, "expectancy"),
        (found.profit_factor, "profit_factor"),
        (found.max_drawdown, "max_drawdown"),
    ):
        assert ours == pytest.approx(said[theirs], rel=1e-9)
    fall = found.profit / found.recovery_factor
    assert fall == pytest.approx(said["max_drawdown_abs"], rel=1e-9)


def test_a_hundredth_of_the_days_is_not_lost_to_a_float():
    daily = [n / 1000 for n in range(-50, 50)]
    assert tail(daily[:19], 5) is None
    assert tail(daily[:20], 5) is not None
    assert tail(daily, 5) == pytest.approx((0.04505, 0.048))
    assert tail(daily, 1) == pytest.approx((0.04901, 0.05))
    assert tail(daily[:99], 1) is None


def test_a_remainder_of_floats_is_no_variance_no_loss_and_no_fall():
    constant = returns(300.0, [((0.0, 9.0 * 1.03**day),) for day in range(50)])
    assert len(set(constant)) > 1
    assert sharpe(constant, YEAR) is None
    nothing = returns(100.0, [((0.0, 0.1 + 0.2 - 0.3 - 1e-16),), ((0.0, 0.01),), ((0.0, -1e-13),)])
    assert (sortino(nothing, YEAR), calmar(nothing, YEAR)) == (None, None)


def test_a_return_beyond_any_number_is_unknown():
    assert calmar([1e9, -0.5], YEAR) is None


def test_returns_restart_after_the_equity_was_spent():
    spent = returns(100.0, [((0.0, 10.0),), ((0.0, -110.0),), ((0.0, 0.0),), ((50.0, 5.0),)])
    assert spent == pytest.approx([0.1])
    assert ratios(returns(100.0, [((0.0, -100.0),)]), YEAR, 365).sharpe is None


def test_a_day_with_a_transfer_compounds_what_was_made_before_and_after_it():
    assert returns(100.0, [((0.0, 10.0), (890.0, 100.0))]) == pytest.approx([1.1 * 1.1 - 1])
