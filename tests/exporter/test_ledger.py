"""Trade statistics: right in any order, absent if unknown."""

from dataclasses import astuple, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analytics.curve import Baseline, Transfer
from exporter.analytics.ledger import Ledger
from exporter.trade_history import TradeHistory
from tests.exporter.trades import CAPITAL, DAY, START, closings, daily_trades, ledger, trade


def figures(found: Ledger, now: float) -> list[float | None]:
    tails = [value for _, pair in found.ratios(now).tails for value in pair]
    return [
        found.profit,
        found.win_rate,
        found.expectancy,
        found.profit_factor,
        found.recovery_factor,
        found.max_drawdown,
        found.longest_wins,
        found.longest_losses,
        found.last_closed_at(now),
        found.mean_stake,
        found.mean_duration,
        found.per_hour(now),
        found.per_day(now),
        found.drawdown(now, CAPITAL, None) if found.trades else None,
        *found.pnl(now).values(),
        *astuple(found.ratios(now))[:3],
        *tails,
    ]


@settings(deadline=None, max_examples=60)
@given(closings, st.randoms(use_true_random=False))
def test_late_and_repeated_trades_give_the_figures_of_those_in_order(trades, random):
    events = [Transfer(START + 50 * DAY, 500.0), Baseline(START + 90 * DAY, None)]
    shuffled = trades + random.choices(trades, k=3) if trades else []
    random.shuffle(shuffled)
    past, piecewise = TradeHistory(), ledger([], events=events)
    now = START + 201 * DAY
    for each in shuffled:
        piecewise.add(past.add([each])[0], CAPITAL)
        piecewise.ratios(random.choice((START, START + 100 * DAY, now)))  # cached figures must not go stale
    in_order = ledger(trades, events=events)
    for expected, found in zip(figures(in_order, now), figures(piecewise, now), strict=True):
        assert found == (None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-9))


@pytest.mark.parametrize("late_by", [1, 255, 256, 257, 600, 1023])
def test_a_late_trade_finds_its_place_among_many(late_by):
    trades = [trade(n, START + n * 3600, (-1) ** n * (n % 7) / 10) for n in range(1024)]
    found = ledger(trades[:-late_by] + trades[len(trades) - late_by + 1 :])
    assert figures(found, START + 60 * DAY) != figures(ledger(trades), START + 60 * DAY)
    found.add([trades[-late_by]], CAPITAL)
    assert figures(found, START + 60 * DAY) == pytest.approx(figures(ledger(trades), START + 60 * DAY))


def test_without_trades_everything_is_absent():
    assert set(figures(ledger([]), START)) == {None}
    assert ledger([]).pnl(START) == {}


def test_one_trade_gives_only_the_figures_that_one_trade_defines():
    found = ledger([trade(1, START, 10.0)])
    assert (found.win_rate, found.expectancy, found.longest_wins, found.longest_losses) == (1, 10, 1, 0)
    assert (found.profit_factor, found.recovery_factor) == (None, None)
    assert found.max_drawdown == 0
    assert astuple(found.ratios(START + DAY)) == (None, None, None, ())


def test_wins_alone_have_no_factor_and_no_fall():
    found = ledger(daily_trades([1.0, 2.0, 3.0]))
    ratios = found.ratios(START + 3 * DAY)
    assert (found.win_rate, found.longest_wins, found.max_drawdown) == (1, 3, 0)
    assert (found.profit_factor, found.recovery_factor) == (None, None)
    assert (ratios.sortino, ratios.calmar) == (None, None)
    assert ratios.sharpe is not None


def test_a_trade_that_made_nothing_neither_won_nor_lost_and_ends_both_runs():
    profits = [1, 1, 0, 1, -1, -1, -1, 1]
    found = ledger([trade(n, START + n, float(profit)) for n, profit in enumerate(profits)])
    assert (found.longest_wins, found.longest_losses) == (2, 3)
    assert found.win_rate == 0.5
    assert found.counts["BTC/USDT", "long", "even"] == 1


def test_trades_that_closed_in_the_same_moment_are_ordered_by_their_key_however_they_came():
    first, second, third = trade(1, START, -5.0), trade(2, START, 5.0), trade(3, START, 5.0)
    found = ledger([third])
    found.add([second, first], CAPITAL)
    assert found.max_drawdown == pytest.approx(5 / CAPITAL)
    assert found.longest_wins == 2


def test_an_id_used_again_is_another_trade():
    found = ledger([trade(1, START, 10.0), trade(1, START + DAY, -4.0)])
    assert (found.trades, found.profit) == (2, 6)


def test_a_history_that_began_anew_is_forgotten_whole():
    found = ledger([trade(1, START, 10.0, symbol="OLD/USDT")])
    found.clear()
    found.add([trade(1, START, 3.0)], CAPITAL)
    assert set(found.counts) == {("BTC/USDT", "long", "won")}
    assert (found.trades, found.profit, found.max_drawdown) == (1, 3, 0)


def test_a_short_counts_as_one_and_its_profit_as_any():
    found = ledger([trade(1, START, 5.0, side="short"), trade(2, START + 1, -2.0)])
    assert found.counts == {("BTC/USDT", "short", "won"): 1, ("BTC/USDT", "long", "lost"): 1}
    assert found.profit == 3


def test_unknown_stakes_are_left_out_of_their_mean():
    found = ledger([trade(1, START, 1.0, stake=None), trade(2, START, 1.0, stake=50.0)])
    assert found.mean_stake == 50
    assert ledger([trade(1, START, 1.0, stake=None)]).mean_stake is None


def test_a_trade_that_closed_before_it_opened_has_no_duration():
    jumped = trade(1, START, 1.0, opened_at=START + 500)
    assert ledger([jumped]).mean_duration is None
    assert ledger([jumped, trade(2, START, 1.0)]).mean_duration == 60


def test_a_trade_of_the_future_has_not_closed_yet_where_time_matters():
    now = START + DAY
    found = ledger([trade(1, now - 5, 1.0), trade(2, now + 400 * DAY, 2.0)])
    assert found.last_closed_at(now) == now - 5
    assert (found.per_day(now), found.trades) == (1, 2)
    assert found.pnl(now + DAY - 1) == {"day": 0, "week": 1, "month": 1}
    found.add([trade(3, now - 4, 1.0)], CAPITAL)
    assert found.last_closed_at(now) == now - 4


def test_a_clock_that_jumps_back_and_forth_leaves_the_figures_as_they_were():
    found = ledger(daily_trades([5.0, -3.0] * 60))
    now = START + 120 * DAY
    before = figures(found, now)
    for moment in (0.0, 1e11, START + 10 * DAY):
        assert found.win_rate == 0.5
        figures(found, moment)
    assert found.per_hour(0.0) == 0
    assert figures(found, now) == before


def test_trade_rates_are_of_the_last_day_only():
    found = ledger([trade(n, START + n * 3600, 1.0) for n in range(72)])
    now = START + 72 * 3600
    assert found.per_day(now) == 23
    assert found.per_hour(now) == pytest.approx(23 / 24)
    assert found.per_hour(now + 10 * DAY) == 0


def test_trades_an_hour_of_a_young_bot_are_of_its_age_and_of_an_hour_at_least():
    found = ledger([trade(n, START + 60, 1.0, opened_at=START) for n in range(6)])
    assert found.per_hour(START + 120) == 6
    assert found.per_hour(START + 2 * 3600) == 3


def test_symbols_beyond_the_cap_are_counted_together_and_no_trade_is_lost():
    trades = [trade(n, START + n, 1.0, symbol=f"S{n % 1000}") for n in range(2000)]
    found = ledger(trades, symbols=10)
    symbols = {symbol for symbol, _, _ in found.counts}
    assert symbols == {f"S{n}" for n in range(9)} | {"other"}
    assert sum(found.counts.values()) == 2000
    assert found.unnamed_symbols == 991


def test_whole_days_count_and_those_without_trades_too():
    found = ledger([trade(1, START, 100.0), trade(2, START + 2 * DAY, -55.0), trade(3, START + 3 * DAY, 9.0)])
    apart = ledger(daily_trades([100.0, 0.0, -55.0]))
    now = START + 3 * DAY + 3600
    assert found.ratios(now) == apart.ratios(now)
    assert found.ratios(START + 3600).sharpe is None


def test_the_tail_is_of_its_window_only():
    calm, wild = [1.0, -1.0] * 50, [90.0, -90.0] * 50
    now = START + 200 * DAY
    found = ledger(daily_trades(wild + calm), tail=100 * DAY)
    tails = dict(found.ratios(now).tails)
    assert tails["0.95"][0] == pytest.approx(1 / 1000, rel=0.01)
    assert dict(ledger(daily_trades(wild + calm)).ratios(now).tails)["0.95"][0] > 0.05


def test_money_beyond_any_float_does_not_stop_the_count():
    found = ledger([trade(1, START, 1e308), trade(2, START + 1, 1e308), trade(3, START + 2, -1e308)])
    assert found.win_rate == pytest.approx(2 / 3)
    assert found.longest_wins == 2


def test_a_batch_in_any_order_is_a_batch_in_order():
    trades = [replace(each, stake=None) for each in daily_trades([3.0, -1.0, 2.0])]
    assert figures(ledger(trades[::-1]), START + 9 * DAY) == figures(ledger(trades), START + 9 * DAY)
