"""A Freqtrade bot's own books, and its exchange's books, if Nightdesk has no key."""

import pytest

from clients.books import Holding
from clients.freqtrade import Config, OpenTrade, Status
from clients.freqtrade_books import Balance, exchange_books, own_books
from exporter.witness.compare import Tolerance, compare
from tests.exporter.harness import value
from tests.exporter.test_freqtrade import Clock, watched
from tests.freqtrade_replay import Recording

NOW = 1_800_000_000.0
TOLERANCE = Tolerance(size=0.01, balance=1.0, dust=5.0)
LIVE = Config(state="running", dry_run=False, trading_mode="spot", margin_mode="")


def entries(recording: Recording) -> list[OpenTrade]:
    found = Status.model_validate({"trades": recording.answers["status"]}).trades
    return [each for each in found if each]


def of_futures(
    position: float, side: str = "long", **more: object
) -> tuple[Config, Balance, list[OpenTrade]]:
    row = {"currency": "BTC/USDT:USDT", "balance": 0, "is_position": True, "position": position, "side": side}
    trade = {"trade_id": 1, "pair": "BTC/USDT:USDT", "amount": 0.5, "leverage": 3.0, "orders": [], **more}
    config = Config(state="running", dry_run=False, trading_mode="futures", margin_mode="isolated")
    return config, Balance.model_validate({"currencies": [row]}), [OpenTrade.model_validate(trade)]


def test_its_own_books_have_positions_orders_and_ids():
    recording = Recording()
    books = own_books(entries(recording), (), LIVE, NOW)
    assert {key: each.quantity for key, each in books.holdings.items()} == {
        "ADAUSDT": 226.7,
        "ATOMUSDT": 12.21,
    }
    (order,) = books.orders
    assert (order.symbol, order.side, order.quantity, order.is_stop) == ("ADA/USDT", "sell", 226.7, False)
    assert order.id in books.order_ids
    assert len(books.order_ids) >= 3


def test_a_bot_that_simulates_holds_nothing_at_the_exchange():
    dry = LIVE.model_copy(update={"dry_run": True})
    recording = Recording()
    assert own_books(entries(recording), (), dry, NOW).holdings == {}
    balance = Balance.model_validate(recording.answers["balance"])
    assert exchange_books(balance, entries(recording), dry, NOW) is None


def test_a_trade_that_cannot_be_read_makes_its_books_unknown():
    assert own_books(None, (), LIVE, NOW) is None


def test_coins_that_a_spot_bot_counts_on_and_that_are_not_there_are_missing():
    recording = Recording()
    open_now = entries(recording)
    told = own_books(open_now, (), LIVE, NOW)

    def kinds() -> list[str]:
        balance = Balance.model_validate(recording.answers["balance"])
        there = exchange_books(balance, open_now, LIVE, NOW)
        return [each.kind for each in compare(there, told, NOW, TOLERANCE)]

    rows = recording.answers["balance"]["currencies"]
    assert kinds() == []
    rows[1]["balance"] = 500.0  # the rest of the coin belongs to the owner
    assert kinds() == []
    rows[1]["balance"] = 10.0
    assert kinds() == ["wrong_size"]
    del rows[1]
    assert kinds() == ["missing_position"]


@pytest.mark.parametrize(
    ("position", "side", "kind"),
    [
        (0.5, "long", []),
        (0.2, "long", ["wrong_size"]),
        (0.5, "short", ["wrong_side"]),
        (0.0, "long", ["missing_position"]),
    ],
)
def test_positions_of_futures_are_compared(position, side, kind):
    config, balance, open_now = of_futures(position, side)
    there, told = exchange_books(balance, open_now, config, NOW), own_books(open_now, (), config, NOW)
    assert told.holdings["BTCUSDT"] == Holding("BTC/USDT:USDT", 0.5, None, 3.0, "isolated")
    assert [each.kind for each in compare(there, told, NOW, TOLERANCE)] == kind
    assert [each.kind for each in compare(there, own_books([], (), config, NOW), NOW, TOLERANCE)] == (
        ["ghost_position"] if position else []
    )


def test_a_stop_at_the_exchange_is_an_order_that_leaves_the_position():
    stop = {"is_open": True, "ft_order_side": "stoploss", "order_id": "9", "remaining": 0.5, "filled": 0.0}
    config, _, open_now = of_futures(0.5, orders=[stop])
    books = own_books(open_now, (), config, NOW)
    assert [(each.id, each.side, each.is_stop) for each in books.orders] == [("9", "sell", True)]
    assert books.holdings["BTCUSDT"].stop == 0.5


def test_a_live_bot_without_a_key_is_compared_with_what_it_tells_of_its_exchange(tmp_path):
    recording, clock = Recording(), Clock()
    recording.answers["show_config"]["dry_run"] = False
    with watched(recording, tmp_path, clock) as bot:
        assert value(bot.poll(), "books_differences", account="") == 0
        del recording.answers["balance"]["currencies"][1]
        for _ in range(2):
            clock.now += 2000  # Freqtrade asks its exchange once an hour
            assert value(bot.poll(), "books_differences", account="") == 0
        clock.now += 2000
        series = bot.poll()
        missing = {"account": "", "symbol": "ATOM/USDT", "difference": "missing_position"}
        assert value(series, "books_by_bots", **missing) == 12.21
        assert value(series, "books_at_exchange", **missing) == 0
