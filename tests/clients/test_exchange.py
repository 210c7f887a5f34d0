"""The client reads an exchange's answers over HTTP, from a fake that is as strict as the exchange."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from clients.books import Holding, market_key
from clients.exchange import Access, Exchange, ExchangeError
from tests.venue.binance import binance
from tests.venue.engine import Engine
from tests.venue.server import KEY, SECRET, FakeVenue, served

PRICES = {"BTC/USDT": 60_000.0, "ETH/USDT": 3_000.0, "ADA/USDT": 0.5}
VENUES = {"binance": (binance, "spot"), "binanceusdm": (binance, "swap")}
Asks = Callable[[Exchange, FakeVenue], Awaitable[object]]


def account(spot: bool) -> Engine:
    engine = Engine(spot, 50_000.0, dict(PRICES))
    engine.market("BTC/USDT", "buy", 0.25, time.time())
    return engine


def asked(name: str, ask: Asks, *, key: str = KEY, secret: str = SECRET, timeout: float = 5.0, **faults):
    """Return the result of `ask` for an exchange of this name with these faults."""
    build, market = VENUES[name]

    async def run() -> object:
        venue = FakeVenue(account(market == "spot"), time.time, **faults)
        async with served(venue, build(venue)) as url:
            exchange = Exchange(Access(name, "USDT", key, secret, url), timeout)
            try:
                return await ask(exchange, venue)
            finally:
                await exchange.close()

    return asyncio.run(run())


def books(exchange: Exchange, venue: FakeVenue, wide: bool = True):
    return exchange.books(venue.clock(), ["BTC/USDT"], wide=wide)


@pytest.mark.parametrize("name", VENUES)
def test_positions_orders_stops_fills_and_money_are_told(name):
    async def ask(exchange, venue):
        engine = venue.engine
        waiting = engine.place("ETH/USDT", "buy", 2.0, time.time())
        engine.fill(waiting.id, time.time(), 0.5)
        stop = engine.place("BTC/USDT", "sell", 0.25, time.time(), stop_price=50_000.0, reduce_only=True)
        return waiting, stop, engine, await books(exchange, venue)

    waiting, stop, engine, told = asked(name, ask)
    held = {key: each.quantity for key, each in told.holdings.items()}
    assert held == pytest.approx({"BTCUSDT": 0.25, "ETHUSDT": 0.5})
    orders = {each.id: each for each in told.orders}
    assert orders.keys() == {waiting.id, stop.id}
    assert (orders[waiting.id].side, orders[waiting.id].is_stop) == ("buy", False)
    assert (orders[waiting.id].quantity, orders[waiting.id].filled) == pytest.approx((1.5, 0.5))
    assert orders[stop.id].is_stop
    assert orders[stop.id].quantity == pytest.approx(0.25)
    assert told.money == pytest.approx(engine.worth)
    fills = {(market_key(each.symbol), each.side, each.order) for each in told.fills}
    assert ("ETHUSDT", "buy", waiting.id) in fills


def test_a_position_of_futures_has_its_side_leverage_and_margin_mode():
    async def ask(exchange, venue):
        venue.engine.market("ETH/USDT", "sell", 3.0, time.time())
        venue.engine.positions["ETH/USDT"].margin_mode = "isolated"
        return await books(exchange, venue)

    told = asked("binanceusdm", ask).holdings["ETHUSDT"]
    assert told == Holding("ETH/USDT:USDT", -3.0, 3_000.0, 5.0, "isolated")


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize(
    ("faults", "reason", "words"),
    [
        ({"key": "x" * 64}, "auth", "refuses the key"),
        ({"secret": "x" * 64}, "auth", "refuses the key"),
        ({"blocked": True}, "auth", "address"),
        ({"ahead": 90.0}, "clock", "clock is off"),
        ({"ahead": -90.0}, "clock", "clock is off"),
        ({"limit": 21}, "limit", "too often"),
        ({"hang": 3.0, "timeout": 0.5}, "timeout", "in time"),
        ({"out": True}, "unavailable", "out"),
    ],
)
def test_each_trouble_with_a_key_or_an_exchange_is_told_in_one_line(name, faults, reason, words):
    with pytest.raises(ExchangeError) as found:
        asked(name, books, **faults)
    assert found.value.reason == reason
    assert words in str(found.value)
    assert "\n" not in str(found.value)
    assert not any(secret in str(found.value) for secret in (KEY, SECRET, "signature"))


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize("may", [True, False])
def test_a_key_that_may_withdraw_is_known(name, may):
    rights = asked(name, lambda exchange, _: exchange.rights(), may_withdraw=may)
    assert (rights.may_withdraw, rights.may_trade) == (may, False)


@pytest.mark.parametrize("name", VENUES)
def test_money_that_left_the_account_is_told_once_the_money_falls(name):
    async def ask(exchange, venue):
        before = await books(exchange, venue)
        venue.engine.withdraw(20_000.0, time.time())
        return before, await books(exchange, venue)

    before, after = asked(name, ask)
    assert before.withdrawals == ()
    assert [(each.currency, each.amount) for each in after.withdrawals] == [("USDT", 20_000.0)]


@pytest.mark.parametrize("name", VENUES)
def test_two_looks_a_minute_cost_less_than_a_twentieth_of_what_may_be_asked(name):
    limit = {"binance": 6000, "binanceusdm": 2400}[name]

    async def ask(exchange, venue):
        await books(exchange, venue)  # once a day it lists the markets
        venue.used, venue.minute = 0, int(venue.clock() // 60)
        await books(exchange, venue)
        return 2 * venue.used

    assert asked(name, ask, limit=limit) <= limit / 20


def test_a_market_that_the_exchange_does_not_list_is_named():
    def ask(exchange, venue):
        return exchange.unlisted(venue.clock(), ["BTC/USDT", "btcusdt", "LUNA/USDT"])

    assert asked("binance", ask) == ["LUNA/USDT"]


def test_the_difference_of_clocks_is_told():
    ahead = asked("binance", lambda exchange, venue: exchange.ahead(venue.clock), ahead=90.0)
    assert ahead == pytest.approx(90.0, abs=2)
