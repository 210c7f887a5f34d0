"""P&L, closed and open: exact if the window's begin was seen, else absent."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.trading import Position, Trade
from exporter.analytics.ledger import Conventions
from exporter.bot import WatchedBot
from exporter.period_starts import PeriodStarts
from exporter.reading import Reading
from exporter.sources import Input
from stack.settings.bots import Bot
from tests.exporter.trades import CAPITAL, DAY, START, daily_trades, trade

HOUR = 3600.0
MONDAY = START + 3 * DAY  # 2027-01-18
TOKEN = "secrets/token"


def watched(marks: PeriodStarts | None = None) -> WatchedBot:
    source = {"type": "push", "token_file": TOKEN}
    bot = Bot.model_validate({"source": source, "starting_capital": CAPITAL})
    conventions = Conventions(ZoneInfo("UTC"), 365, 365 * DAY, 500, DAY, 30 * DAY)
    return WatchedBot(bot, conventions, 300.0, marks=marks)


def told(
    bot: WatchedBot, at: float, realised: float, unrealised: float, *trades: Trade
) -> dict[tuple[str, ...], float]:
    """Return the series after a poll, by name and labels."""
    reading = Reading(
        time=at, profit_loss=realised + unrealised, pnl={"total": realised}, trades=tuple(trades)
    )
    samples = bot.take(reading, Input(500))
    return {(each.metric.name, *each.labels): each.value for each in samples if isinstance(each.value, float)}


def test_of_a_day_that_was_seen_to_begin_open_positions_count_by_what_they_moved() -> None:
    bot = watched()
    told(bot, MONDAY - 30, 10.0, 5.0, trade(1, MONDAY - HOUR, 10.0))
    told(bot, MONDAY + 31, 10.0, 6.0)
    shown = told(bot, MONDAY + HOUR, 30.0, -7.5, trade(2, MONDAY + 60, 20.0))
    assert shown["pnl", "day"] == 20.0
    assert shown["pnl_open", "day"] == -12.5  # from 5, seen nearest to midnight
    assert shown["pnl_all", "day"] == 7.5
    assert shown["pnl_open", "total"] == -7.5
    assert shown["pnl_all", "total"] == shown["profit_loss",] == 22.5
    assert shown["pnl_ratio", "day", "all"] == pytest.approx(7.5 / (CAPITAL + 10))
    assert shown["pnl_ratio", "total", "all"] == pytest.approx(22.5 / CAPITAL)


def test_without_an_observed_start_only_the_open_part_of_a_window_is_unknown() -> None:
    bot = watched()
    shown = told(bot, MONDAY + HOUR, 10.0, 6.0, trade(1, MONDAY + 60, 10.0))
    assert shown["pnl", "day"] == 10.0
    assert ("pnl_open", "day") not in shown
    assert ("pnl_all", "day") not in shown
    assert shown["pnl_ratio", "day", "closed"] == pytest.approx(0.01)
    assert ("pnl_ratio", "day", "all") not in shown
    assert shown["pnl_open", "total"] == 6.0
    gap = told(bot, MONDAY + DAY + 301, 10.0, 9.0)
    assert ("pnl_open", "day") not in gap


def held(*opened_at: float | None) -> tuple[Position, ...]:
    return tuple(Position("BTC/USDT", "long", 100.0, 0.0, 1.0, opened_at=at) for at in opened_at)


NOON = MONDAY + 12 * HOUR
TODAY = trade(1, NOON, 10.0, opened_at=MONDAY + HOUR)
OVERNIGHT = trade(1, NOON, 10.0, opened_at=MONDAY - HOUR)


@pytest.mark.parametrize(
    ("closed", "positions", "realised", "known"),
    [
        (TODAY, held(MONDAY + HOUR), 10.0, True),
        (TODAY, (), 10.0, True),
        (OVERNIGHT, held(MONDAY + HOUR), 10.0, False),
        (TODAY, held(MONDAY + HOUR, MONDAY - HOUR), 10.0, False),
        (TODAY, held(None), 10.0, False),
        (TODAY, held(MONDAY + HOUR), 11.0, False),  # a trade is not reported
    ],
)
def test_a_bot_that_held_nothing_at_midnight_has_a_day_that_nobody_saw_begin(
    closed: Trade, positions: tuple[Position, ...], realised: float, known: bool
) -> None:
    reading = Reading(
        time=NOON + HOUR,
        profit_loss=realised + 6.0,
        pnl={"total": realised},
        trades=(closed,),
        positions=positions,
        open_symbols=tuple(each.symbol for each in positions),
    )
    shown = {(each.metric.name, *each.labels): each.value for each in watched().take(reading, Input(500))}
    assert shown.get(("pnl_all", "day")) == (16.0 if known else None)


def all_of_the_day(bot: WatchedBot, at: float, realised: float, opened_at: float, *trades: Trade) -> object:
    """Return P&L of the day after a poll in which one position is open."""
    positions = held(opened_at)
    reading = Reading(
        time=at, profit_loss=realised + 6.0, pnl={"total": realised}, trades=trades, positions=positions,
        open_symbols=tuple(each.symbol for each in positions),
    )  # fmt: skip
    samples = bot.take(reading, Input(500))
    return next(
        (each.value for each in samples if (each.metric.name, *each.labels) == ("pnl_all", "day")), None
    )


def test_a_trade_that_closes_between_two_answers_leaves_the_day_unknown_for_one_poll_only() -> None:
    bot = watched()
    assert all_of_the_day(bot, NOON, 7.0, MONDAY + HOUR, TODAY) is None, "its state is from before it closed"
    assert all_of_the_day(bot, NOON + 60, 10.0, MONDAY + HOUR) == 16.0


def test_a_position_that_was_open_at_midnight_leaves_the_day_unknown_also_after_it_closed() -> None:
    bot = watched()
    assert all_of_the_day(bot, NOON, 10.0, MONDAY - HOUR, TODAY) is None
    assert all_of_the_day(bot, NOON + 60, 10.0, MONDAY + HOUR) is None, "its own trade is told later"


def test_a_bot_that_has_made_nothing_yet_had_made_nothing_when_the_month_began() -> None:
    bot = watched()
    told(bot, MONDAY + HOUR, 0.0, 0.0)
    shown = told(bot, MONDAY + 2 * HOUR, 0.0, -4.0)
    assert [shown["pnl_all", window] for window in ("day", "week", "month", "total")] == [-4.0] * 4


def test_marks_survive_a_restart_and_are_not_those_of_another_source(tmp_path: Path) -> None:
    first = watched(PeriodStarts(ZoneInfo("UTC"), tmp_path, "one"))
    told(first, MONDAY, 10.0, 5.0, trade(1, MONDAY - HOUR, 10.0))
    for place, known in (("one", True), ("two", False)):
        again = watched(PeriodStarts(ZoneInfo("UTC"), tmp_path, place))
        shown = told(again, MONDAY + HOUR, 10.0, 8.0, trade(1, MONDAY - HOUR, 10.0))
        assert (shown.get(("pnl_open", "day")) == 3.0) == known
    (tmp_path / "marks.json").write_text("{half")
    assert PeriodStarts(ZoneInfo("UTC"), tmp_path, "one").changed(MONDAY + HOUR, 8.0) == {}


def test_a_history_that_began_anew_has_no_marks_of_the_one_before() -> None:
    bot = watched()
    told(bot, MONDAY, 10.0, 5.0, trade(1, MONDAY - HOUR, 10.0))
    new = trade(1, MONDAY + 60, 1.0)
    anew = Reading(
        time=MONDAY + HOUR, profit_loss=9.0, pnl={"total": 1.0}, trades=(new,), history_restarted=True
    )
    assert not [
        each for each in bot.take(anew, Input(500)) if each.labels == ("day",) and "open" in str(each)
    ]


def test_value_at_risk_in_money_is_its_share_of_the_equity() -> None:
    shown = told(watched(), START + 30 * DAY, 30.0, -10.0, *daily_trades([2.0, -1.0] * 15))
    assert shown["value_at_risk", "0.95"] > 0
    for name in ("value_at_risk", "expected_shortfall"):
        expected = shown[name, "0.95"] * (CAPITAL + 20)
        assert shown[f"{name}_money", "0.95"] == pytest.approx(expected, rel=1e-12)


moves = st.integers(-50_000, 50_000).map(lambda cents: cents / 100)


@given(st.lists(st.tuples(moves, moves), min_size=1, max_size=24 * 9))
def test_closed_and_open_add_up_to_what_the_equity_moved_since_each_window_began(
    hours: list[tuple[float, float]],
) -> None:
    bot, realised, equity = watched(), 0.0, {MONDAY: CAPITAL}
    shown = told(bot, MONDAY, 0.0, 0.0)
    for number, (closed, unrealised) in enumerate(hours, 1):
        at = MONDAY + number * HOUR
        # Trades close just before the hour: on the hour they would belong to the next window.
        realised += closed
        shown = told(bot, at, realised, unrealised, trade(number, at - 1, closed))
        equity[at] = CAPITAL + realised + unrealised
    starts = {"day": at - (at - MONDAY) % DAY, "week": at - (at - MONDAY) % (7 * DAY)}
    for window, start in starts.items():
        both = shown["pnl_all", window]
        assert both == pytest.approx(equity[at] - equity[start], abs=1e-6)
        closed_at_start = realised - shown.get(("pnl", window), 0.0)
        if CAPITAL + closed_at_start > 0:
            ratios = [shown["pnl_ratio", window, counts] for counts in ("closed", "open", "all")]
            assert ratios[2] == pytest.approx(both / (CAPITAL + closed_at_start), rel=1e-9, abs=1e-9)
            assert ratios[0] + ratios[1] == pytest.approx(ratios[2], rel=1e-9, abs=1e-9)
