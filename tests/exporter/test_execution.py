"""Slippage, its cost and fees agree with a direct computation from the trades' prices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import fsum
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.bot_api import ClosedTrade
from clients.freqtrade import ClosedTrade as FreqtradeTrade
from clients.trading import Leg, Side, Trade, slippage
from exporter.sources import Input
from exporter.trade_history import TradeHistory
from tests.exporter.trades import DAY, START, ledger, recorded, recorded_trades, trade

NOW = START + 40 * DAY


@dataclass(frozen=True)
class Deal:
    """A trade as an exchange reports it."""

    side: Side
    closed_at: float
    entry: Leg
    leave: Leg
    fees: float | None

    def as_trade(self, number: int) -> Trade:
        slipped = slippage(self.side, self.entry, self.leave)
        return trade(number, self.closed_at, 1.0, side=self.side, slippage=slipped, fees=self.fees)

    def worse(self) -> list[tuple[str, float, float]]:
        """Return (leg, basis points, money) of each fill, by comparing its price with the requested one."""
        found = []
        for name, leg in (("entry", self.entry), ("exit", self.leave)):
            if leg.requested is None or leg.filled is None or leg.size is None:
                continue
            buys = (self.side == "long") == (name == "entry")
            lost = leg.filled - leg.requested if buys else leg.requested - leg.filled
            found.append((name, lost / leg.requested * 10_000, lost * leg.size))
        return found


prices = st.none() | st.integers(1, 10**7).map(lambda cents: cents / 100)


@st.composite
def deals(draw: st.DrawFn) -> Deal:
    size = draw(st.integers(1, 1000)) / 1000
    asked = [draw(prices), draw(prices)]
    moved = [draw(st.integers(-100, 100)) / 10_000 for _ in asked]
    filled = [None if price is None else price * (1 + move) for price, move in zip(asked, moved, strict=True)]
    entry, leave = (Leg(a, f, size) for a, f in zip(asked, filled, strict=True))
    side: Side = draw(st.sampled_from(["long", "short"]))
    fees = draw(st.none() | st.integers(0, 500).map(lambda cents: cents / 100))
    return Deal(side, START + draw(st.integers(0, 40 * 86_400)), entry, leave, fees)


def percentile(values: Sequence[float]) -> float:
    ordered = sorted(values)
    place = (len(ordered) - 1) * 0.95
    low = int(place)
    return ordered[low] + (ordered[min(low + 1, len(ordered) - 1)] - ordered[low]) * (place - low)


@given(st.lists(deals(), max_size=40), st.randoms(use_true_random=False))
def test_mean_and_95th_percentile_are_those_of_the_fills_of_each_span(told, random) -> None:  # type: ignore[no-untyped-def]
    trades = [deal.as_trade(number) for number, deal in enumerate(told)]
    random.shuffle(trades)
    found = {(each.leg, each.span): each for each in ledger(trades).execution.fills(NOW)}
    for leg in ("entry", "exit"):
        for span, start, end in (("recent", NOW - DAY, NOW), ("before", NOW - 31 * DAY, NOW - DAY)):
            points = [
                worse
                for deal in told
                if start < deal.closed_at <= end
                for name, worse, _ in deal.worse()
                if name == leg
            ]
            if not points:
                assert (leg, span) not in found
                continue
            figures = found.pop((leg, span))
            assert figures.count == len(points)
            assert figures.mean == pytest.approx(fmean(points), rel=1e-9, abs=1e-9)
            assert figures.p95 == pytest.approx(percentile(points), rel=1e-9, abs=1e-9)
    assert found == {}


@given(st.lists(deals(), max_size=40))
def test_what_it_cost_is_the_sum_of_what_each_fill_cost_by_the_day_that_its_trade_closed(
    told: list[Deal],
) -> None:
    costs = ledger([deal.as_trade(number) for number, deal in enumerate(told)]).costs(NOW)
    today = START + 40 * DAY
    paid = [(deal.closed_at, money) for deal in told for _, _, money in deal.worse()]
    fees = [(deal.closed_at, deal.fees) for deal in told if deal.fees is not None]
    for name, money in (("slippage_cost", paid), ("fees_paid", fees)):
        if not money:
            assert name not in costs
            continue
        assert costs[name]["total"] == pytest.approx(fsum(each for _, each in money), rel=1e-9, abs=1e-9)
        of_today = fsum(each for at, each in money if at >= today)
        assert costs[name]["day"] == pytest.approx(of_today, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("side", "entry", "leave", "expected"),
    [
        ("long", (100, 101), (110, 110), (0.01, 0.0, 2.0)),
        ("long", (100, 100), (110, 108.9), (0.0, 0.01, 2.2)),
        ("short", (100, 99), (90, 90), (0.01, 0.0, 2.0)),
        ("short", (100, 100), (90, 90.9), (0.0, 0.01, 1.8)),
        ("long", (100, 99), (110, 111.1), (-0.01, -0.01, -4.2)),
    ],
)
def test_positive_is_worse_for_the_bot_on_either_side_and_either_leg(
    side: Side, entry: tuple[float, float], leave: tuple[float, float], expected: tuple[float, ...]
) -> None:
    found = slippage(side, Leg(*entry, 2.0), Leg(*leave, 2.0))
    assert (found.entry, found.exit, found.cost) == pytest.approx(expected)


@pytest.mark.parametrize("requested", [None, 0.0, 5e-324])
def test_without_a_requested_price_slippage_is_unknown_and_not_0(requested: float | None) -> None:
    found = slippage("long", Leg(requested, 100.0, 2.0), Leg(110.0, 109.0, None))
    assert found.entry is None
    assert found.exit == pytest.approx(1 / 110)
    assert found.cost is None


def test_the_prices_of_a_recorded_freqtrade_are_its_slippage() -> None:
    rows = recorded("trades")["trades"]
    stopped = {row["trade_id"]: row for row in rows}[28]
    [found] = [each for each in recorded_trades() if each.key[0] == 28]
    assert (found.slippage.entry, found.slippage.exit) == (0.0, pytest.approx((579.65 - 579.47) / 579.65))
    assert found.slippage.cost == pytest.approx(0.18 * 0.171)
    assert found.fees == pytest.approx(stopped["fee_open_cost"] + stopped["fee_close_cost"])
    figures = {(each.leg, each.span): each for each in _of_recording().execution.fills(_last())}
    assert figures["entry", "recent"].count == len(rows)
    assert figures["exit", "recent"].mean > 0


def _last() -> float:
    return max(each.closed_at for each in recorded_trades())


def _of_recording():  # type: ignore[no-untyped-def]
    return ledger(recorded_trades())


@pytest.mark.parametrize("several", ["nr_of_successful_entries", "nr_of_successful_exits"])
def test_a_mean_of_several_fills_is_not_held_against_the_price_of_the_last(several: str) -> None:
    row = recorded("trades")["trades"][0] | {several: 2}
    slipped = Input(500).read(FreqtradeTrade, row).closed().slippage
    assert (slipped.entry is None) == (several == "nr_of_successful_entries")
    assert (slipped.exit is None) == (several == "nr_of_successful_exits")


def test_a_trade_of_the_bot_api_tells_its_prices_or_leaves_them_out() -> None:
    row = {"id": 1, "symbol": "A", "side": "short", "opened_at": 1, "closed_at": 2, "profit": 1.0}
    assert Input(500).read(ClosedTrade, row).closed().slippage.entry is None
    prices = {"entry_price": 99.0, "entry_price_requested": 100.0, "size": 2, "exit_price_requested": "NaN"}
    told = Input(500).read(ClosedTrade, row | prices | {"fees": 0.5}).closed()
    assert told.slippage.entry == pytest.approx(0.01)
    assert told.slippage.exit is None
    assert (told.slippage.cost, told.fees) == (pytest.approx(2.0), 0.5)


def test_what_a_trade_slipped_is_kept_with_it_and_a_correction_of_it_is_seen() -> None:
    past = TradeHistory()
    first = trade(1, START, 1.0, slippage=slippage("long", Leg(1, 2, 3), Leg(None, 2, 3)), fees=0.25)
    assert past.add([first]) == ([first], False)
    assert list(past.trades()) == [first]
    assert past.add([replace(first, fees=0.5)]) == ([], True)
