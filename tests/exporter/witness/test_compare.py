"""The witness finds true differences at one moment, and no false ones."""

from dataclasses import replace
from math import inf

import pytest

from clients.books import Books, Fill, Holding, Order, Withdrawal, market_key
from exporter.witness.bots import together
from exporter.witness.compare import Tolerance, compare
from exporter.witness.witness import Witness

NOW = 1_800_000_000.0
TOLERANCE = Tolerance(size=0.01, balance=0.02, dust=5.0)
BTC = "BTC/USDT:USDT"


def books(quantity: float = 0.0, symbol: str = BTC, price: float | None = 60_000.0, **more) -> Books:
    held = {market_key(symbol): Holding(symbol, quantity, price)} if quantity else {}
    return Books(NOW, held, **({"orders": (), "order_ids": frozenset()} | more))


def kinds(
    venue: Books, bots: Books, tolerance: Tolerance = TOLERANCE, settled_after: float = inf
) -> list[str]:
    return [each.kind for each in compare(venue, bots, settled_after, tolerance)]


@pytest.mark.parametrize(
    ("venue", "bots", "kind"),
    [
        (1.0, 0.0, ["ghost_position"]),
        (0.0, 1.0, ["missing_position"]),
        (1.0, 0.5, ["wrong_size"]),
        (1.0, 1.011, ["wrong_size"]),
        (1.0, 1.009, []),
        (-1.0, 1.0, ["wrong_side"]),
        (-1.0, -1.0, []),
        (0.00008, 0.0, []),  # worth less than the dust
        (0.00009, 0.0, ["ghost_position"]),
    ],
)
def test_positions(venue, bots, kind):
    assert kinds(books(venue), books(bots)) == kind


@pytest.mark.parametrize("written", ["BTC/USDT", "BTC-USDT", "btcusdt", "BTC/USDT:USDT"])
def test_a_market_is_the_same_however_a_bot_writes_it(written):
    assert kinds(books(1.0), books(1.0, symbol=written)) == []


def test_what_a_bots_own_order_may_have_filled_is_no_difference():
    waiting = Order(BTC, "buy", 0.5, "7")
    assert kinds(books(0.3), books(0.0, orders=(waiting,))) == []
    assert kinds(books(0.6), books(0.0, orders=(waiting,))) == ["ghost_position"]
    assert kinds(books(-0.1), books(0.0, orders=(waiting,))) == ["ghost_position"]


def test_an_order_that_still_waits_at_the_exchange_explains_only_what_it_has_filled():
    waiting = Order(BTC, "buy", 0.5, "7")
    there = replace(waiting, quantity=0.4, filled=0.1)
    assert kinds(books(0.1, orders=(there,)), books(0.0, orders=(waiting,))) == []
    assert kinds(books(0.3, orders=(there,)), books(0.0, orders=(waiting,))) == ["ghost_position"]


def test_a_fill_that_the_bots_may_not_have_heard_of_explains_a_position():
    fill = Fill(BTC, "7", "buy", 1.0, NOW - 4)
    venue, bots = books(1.0, fills=(fill,)), books(0.0, order_ids=frozenset({"7"}))
    assert kinds(venue, bots, settled_after=NOW - 10) == []
    assert kinds(venue, bots, settled_after=NOW - 2) == ["ghost_position"]


def test_an_order_is_known_by_its_id_or_where_bots_tell_none_by_their_number():
    there = (Order(BTC, "buy", 1.0, "7"), Order(BTC, "buy", 2.0, "8"))
    told = books(orders=(Order(BTC, "buy", 1.0, "7"),), order_ids=frozenset({"7"}))
    assert kinds(books(orders=there), told) == ["orphan_order"]
    nameless = books(orders=(Order(BTC, "buy", 1.0),), order_ids=None)
    assert kinds(books(orders=there), nameless) == ["orphan_order"]
    both = books(orders=(Order(BTC, "buy", 1.0), Order(BTC, "", None)), order_ids=None)
    assert kinds(books(orders=there), both) == []


def test_orders_that_a_side_does_not_know_are_no_difference():
    there = books(orders=(Order(BTC, "buy", 1.0, "7"),))
    assert kinds(there, books(orders=None, order_ids=None)) == []
    assert kinds(books(orders=None), books(orders=(Order(BTC, "buy", 1.0, "7"),))) == []


def protected(quantity: float = 1.0) -> Books:
    return Books(NOW, {"BTCUSDT": Holding(BTC, quantity, 60_000.0, stop=abs(quantity))}, orders=())


@pytest.mark.parametrize(
    ("stops", "kind"),
    [
        ([], ["stop_missing"]),
        ([("sell", 1.0)], []),
        ([("sell", None)], []),  # closes the position, whatever its size
        ([("sell", 0.5)], ["stop_missing"]),
        ([("buy", 1.0)], ["stop_missing"]),  # of the other side
    ],
)
def test_a_stop_that_a_bot_believes_in(stops, kind):
    there = tuple(Order(BTC, side, size, "9", is_stop=True) for side, size in stops)
    assert kinds(books(1.0, orders=there), protected()) == kind


def test_a_stop_for_a_position_that_is_gone():
    stop = Order(BTC, "sell", 1.0, "9", is_stop=True)
    assert kinds(books(orders=(stop,)), books()) == ["stop_without_position"]
    assert kinds(books(orders=(stop,)), protected()) == ["missing_position", "stop_without_position"]


def test_markets_of_the_owners_own_hands_are_left_alone():
    own = replace(TOLERANCE, hands=frozenset({market_key("BTC/USDT")}))
    fill = Fill(BTC, "7", "buy", 1.0, NOW)
    venue = books(1.0, orders=(Order(BTC, "buy", 1.0, "8"),), fills=(fill,), money=500.0)
    assert kinds(venue, books(money=10_000.0), own) == []


def test_a_withdrawal_counts_unless_a_transfer_declares_it():
    left = Withdrawal("1", "USDT", 1000.0, NOW)
    venue = books(withdrawals=(left,), money=9_000.0)
    assert kinds(venue, books(money=10_000.0)) == ["withdrawn_funds"]
    declared = Withdrawal("", "", 1010.0, NOW - 3600)
    assert kinds(venue, books(money=9_000.0, withdrawals=(declared,))) == []


def test_leverage_and_margin_mode_are_compared_where_both_tell_them():
    def of(leverage, mode):
        return Books(NOW, {"BTCUSDT": Holding(BTC, 1.0, 60_000.0, leverage, mode)}, orders=())

    assert kinds(of(20.0, "cross"), of(5.0, None)) == ["leverage_or_margin_mode"]
    assert kinds(of(5.0, "cross"), of(5.0, "isolated")) == ["leverage_or_margin_mode"]
    assert kinds(of(5.0, "cross"), of(None, None)) == []


def test_bots_of_one_account_are_summed():
    both = together({"a": books(1.0), "b": books(-0.4)}, {}, NOW)
    assert kinds(books(0.6), both) == []
    assert kinds(books(1.0), both) == ["wrong_size"]


def test_a_bot_that_does_not_answer_is_its_last_known_and_what_it_ordered_last_is_unknown():
    last = replace(books(1.0), traded=frozenset({"BTCUSDT"}))
    down = together({}, {"a": last}, NOW)
    assert kinds(books(1.0), down) == []
    assert kinds(books(0.0), down) == []  # its stop, or its last order: unknown, neither held nor flat
    assert kinds(books(-1.0), down) == ["wrong_side"]
    assert kinds(books(5.0, symbol="ETH/USDT:USDT", price=3000.0), down) == ["ghost_position"]


def later(one: Books, seconds: float) -> Books:
    return replace(one, at=NOW + seconds)


def test_a_difference_counts_once_both_sides_have_told_it_since():
    one = Witness(TOLERANCE, 10.0)
    one.look(books(1.0), books())
    assert (one.differences, one.settles_at) == ((), NOW + 10)
    one.look(later(books(1.0), 20), later(books(), 5))
    assert one.differences == ()
    one.look(later(books(1.0), 25), later(books(), 15))
    assert [each.kind for each in one.differences] == ["ghost_position"]
    one.look(later(books(), 30), later(books(), 30))
    assert one.differences == ()


def test_an_outage_neither_confirms_nor_denies():
    one = Witness(TOLERANCE, 10.0)
    one.look(books(1.0), books())
    one.look(None, later(books(), 60))
    one.look(later(books(1.0), 90), later(books(), 90))
    assert one.differences == ()
    one.look(later(books(1.0), 120), later(books(), 120))
    one.look(None, later(books(), 150))
    one.look(later(books(1.0), 180), None)
    assert [each.kind for each in one.differences] == ["ghost_position"]


def test_fills_of_different_size_in_flight_at_two_looks_are_no_difference():
    one = Witness(TOLERANCE, 10.0)
    for step, quantity in enumerate((1.0, 0.7, 1.2, 0.4)):
        one.look(later(books(quantity), 30 * step), later(books(), 30 * step))
        assert one.differences == ()


def test_three_orders_of_nobody_are_a_second_bot():
    one = Witness(TOLERANCE, 10.0)
    orders = tuple(Order(BTC, "buy", 1.0, str(number)) for number in range(3))
    for step in (0, 30):
        one.look(later(books(orders=orders), step), later(books(), step))
    assert [each.kind for each in one.differences] == ["orphan_order"] * 3 + ["second_bot"]


def test_money_beside_the_bots_is_no_drift_until_it_moves():
    one = Witness(TOLERANCE, 10.0)
    for step in (0, 30, 60):
        one.look(later(books(money=15_000.0), step), later(books(money=10_000.0), step))
    assert one.differences == ()
    for step in (90, 120):
        one.look(later(books(money=14_000.0), step), later(books(money=10_000.0), step))
    assert [each.kind for each in one.differences] == ["balance_drift"]
