"""The simulation's money adds up, and the same seed gives the same trades."""

from itertools import pairwise
from random import Random
from statistics import fmean, stdev

import pytest

from demo_bot.account import Book
from demo_bot.arguments import ApiErrors, ClosePositions, Drift, ReducePositions
from demo_bot.controls import Refused, carry_out
from demo_bot.market import Walk
from demo_bot.simulation import Simulation

START = 1_800_000_000.0
TICK = 0.25


def simulation(seed: int = 7, pace: float = 1.0, book: Book | None = None) -> Simulation:
    rng = Random(seed)
    return Simulation(rng, Walk(rng, START, "USDT"), book or Book(10_000.0), pace, START)


def live(bot: Simulation, seconds: float) -> None:
    for _ in range(int(seconds / TICK)):
        bot.step(bot.now + TICK)
        assert_money_adds_up(bot)


def assert_money_adds_up(bot: Simulation) -> None:
    book = bot.book
    profits = book.starting_capital + book.realised + book.profit_open(bot.prices)
    assert book.equity(bot.prices) == pytest.approx(profits, abs=1e-9, rel=0)


def test_equity_is_capital_plus_realised_and_open_profit_at_every_step() -> None:
    bot = simulation()
    live(bot, 600)
    assert bot.book.last_trade_id > 100
    assert bot.book.realised != 0
    assert {trade.side for trade in bot.closed} == {"long", "short"}


def test_realised_profit_is_the_sum_of_the_closed_trades() -> None:
    bot = simulation()
    live(bot, 300)
    assert sum(trade.profit for trade in bot.closed) == pytest.approx(bot.book.realised, abs=1e-9)
    for trade in bot.closed:
        sign = 1 if trade.side == "long" else -1
        moved = (trade.exit_price - trade.entry_price) * trade.size * sign
        assert trade.profit == pytest.approx(moved - trade.fees, abs=1e-9)


def test_trade_ids_rise_by_one_and_are_never_used_again() -> None:
    bot = simulation()
    live(bot, 300)
    assert [trade.id for trade in bot.closed] == list(range(1, len(bot.closed) + 1))


def test_the_same_seed_gives_the_same_trades_and_another_seed_others() -> None:
    first, second, other = simulation(3), simulation(3), simulation(4)
    for bot in (first, second, other):
        live(bot, 120)
    assert first.closed == second.closed
    assert first.closed != other.closed


def test_money_adds_up_through_reducing_crashing_and_closing() -> None:
    bot = simulation()
    live(bot, 60)
    carry_out(bot, "reduce_positions", ReducePositions(factor=0.25))
    assert_money_adds_up(bot)
    bot.crash_market(0.2)
    assert_money_adds_up(bot)
    live(bot, 60)
    carry_out(bot, "close_positions", ClosePositions(scope="all"))
    assert_money_adds_up(bot)
    assert bot.book.positions == {}
    assert bot.book.cash == pytest.approx(bot.book.starting_capital + bot.book.realised, abs=1e-9)


def test_a_market_crash_takes_the_given_ratio_half_realised_half_open() -> None:
    bot = simulation()
    before = bot.book.equity(bot.prices)
    bot.crash_market(0.2)
    assert bot.book.equity(bot.prices) == pytest.approx(before * 0.8, rel=1e-3)
    assert bot.book.realised == pytest.approx(-before * 0.1, rel=1e-2)
    assert bot.book.profit_open(bot.prices) == pytest.approx(-before * 0.1, rel=1e-2)


def test_a_market_crash_happens_even_while_every_exchange_call_fails() -> None:
    bot = simulation()
    live(bot, 30)
    bot.conditions.api_errors = ApiErrors(share=1)
    before = bot.book.equity(bot.prices)
    bot.crash_market(0.5)
    assert bot.book.equity(bot.prices) == pytest.approx(before * 0.5, rel=1e-2)


def test_closing_says_which_positions_the_exchange_refused_and_keeps_them() -> None:
    bot = simulation()
    live(bot, 30)
    held = dict(bot.book.positions)
    assert held
    bot.conditions.api_errors = ApiErrors(share=1)
    with pytest.raises(Refused, match=rf"0 of {len(held)} positions closed; the exchange refused"):
        carry_out(bot, "close_positions", ClosePositions(scope="all"))
    assert bot.book.positions == held


def test_closing_the_losing_leaves_the_winning() -> None:
    bot = simulation()
    live(bot, 40)
    winning = {p.id for p in bot.book.positions.values() if p.profit(bot.prices[p.symbol]) >= 0}
    losing = set(bot.book.positions) - winning
    assert winning
    assert losing
    carry_out(bot, "close_positions", ClosePositions(scope="losing"))
    assert set(bot.book.positions) == winning


def test_the_model_is_good_until_the_market_drifts() -> None:
    good, drifted = simulation(1), simulation(1)
    drifted.conditions.drift = Drift()
    accuracy = []
    for bot in (good, drifted):
        for _ in range(600):
            bot.step(bot.now + 1)
        accuracy.append(bot.model.quality().accuracy)  # type: ignore[union-attr]
    assert accuracy[0] > 0.8 > 0.6 > accuracy[1]


@pytest.mark.parametrize("seed", [1, 7, 42])
def test_a_healthy_bot_has_losing_days_as_any_trader_has_and_no_fall_that_wakes_its_owner(seed: int) -> None:
    bot = simulation(seed, pace=900.0)
    days, equity, peak, fall = 60, [10_000.0], 10_000.0, 0.0
    for _ in range(days):
        for _ in range(24 * 60):
            bot.step(bot.now + 60)
            peak = max(peak, now := bot.book.equity(bot.prices))
            fall = max(fall, 1 - now / peak)
        equity.append(now)
    won = sum(trade.profit > 0 for trade in bot.closed) / len(bot.closed)
    made = [after / before - 1 for before, after in pairwise(equity)]
    assert 0.5 < won < 0.58
    assert 0.25 < sum(each < 0 for each in made) / days < 0.75
    assert abs(fmean(made) / stdev(made)) < 0.4, "beyond that, the year's Sharpe ratio is above 7"
    assert 0.002 < fall < 0.1, "the alert's limit"


def test_a_clock_that_jumps_does_not_hurt() -> None:
    bot = simulation()
    live(bot, 30)
    for jump in (-3600.0, 7200.0, 86400.0 * 3, 0.0):
        bot.step(bot.now + jump)
        assert_money_adds_up(bot)
    assert all(price > 0 for price in bot.prices.values())


def test_history_ends_at_the_price_where_trading_goes_on() -> None:
    rng = Random(1)
    walk = Walk(rng, START, "USDT", {"BTC/USDT": 50_000.0})
    assert walk.prices["BTC/USDT"] == walk.series["BTC/USDT"].closes[-1] == 50_000.0
