"""The risk of each open position, from each source; an unknown value never counts as safe."""

from copy import deepcopy
from dataclasses import replace
from math import nan
from typing import Any

import pytest

from clients.freqtrade import OpenTrade
from clients.input import Input
from clients.trading import Position, WaitingOrder
from exporter.positions import of_orders, of_positions
from tests.exporter.harness import HELD as OF_API
from tests.exporter.harness import ScriptedBot, Series, http_settings, names, own, serve, value, watch
from tests.exporter.test_freqtrade import Clock, watched
from tests.exporter.test_http import NOW, STATE
from tests.freqtrade_replay import Recording

HELD = Position(
    "BTC/USDT", "long", None, -5.0, quantity=0.5, price=100.0, stop=95.0, liquidation=80.0,
    leverage=5.0, margin_ratio=0.2, funding_paid=1.5, opened_at=NOW - 60,
)  # fmt: skip
SHORT = replace(HELD, side="short", stop=105.0, liquidation=120.0)


@pytest.fixture
def bot() -> ScriptedBot:
    return ScriptedBot(state=deepcopy(STATE))


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def figures(*positions: Position, said: Input | None = None, stops: bool = True) -> dict[Any, float]:
    """Return the positions' series, by metric, or by metric, symbol and side if there are several."""
    found = list(of_positions(positions, NOW, said or Input(500), stops=stops))
    alone = len({each.labels for each in found}) == 1
    return {
        each.metric.name if alone else (each.metric.name, *each.labels): each.value
        for each in found
        if isinstance(each.value, float)
    }


@pytest.mark.parametrize("held", [HELD, SHORT])
def test_a_position_shows_what_it_risks(held: Position) -> None:
    assert figures(held) == {
        "position_value": 50.0,
        "position_profit": -5.0,
        "position_funding_paid": 1.5,
        "position_stop_distance_ratio": pytest.approx(0.05),
        "position_liquidation_distance_ratio": pytest.approx(0.2),
        "position_leverage": 5.0,
        "position_margin_ratio": 0.2,
        "position_age_seconds": 60.0,
        "position_unprotected": 0.0,
    }


@pytest.mark.parametrize(
    "held",
    [
        replace(HELD, stop=None),
        replace(HELD, stop=100.1),
        replace(SHORT, stop=99.9),
        replace(HELD, stop=79.0),  # liquidated before
        replace(HELD, stop=80.0),
        replace(SHORT, stop=121.0),
        replace(HELD, side=""),  # the right side of the price is unknown
        replace(HELD, price=None),  # the bot does not see that the price reached its stop
    ],
)
def test_a_position_without_a_live_stop_is_unprotected(held: Position) -> None:
    assert figures(held)["position_unprotected"] == 1.0


@pytest.mark.parametrize(
    "held",
    [
        replace(HELD, stop=100.0),
        replace(HELD, liquidation=None),
        replace(HELD, price=None, stop_at_exchange=True),
    ],
)
def test_a_position_with_one_is_protected(held: Position) -> None:
    assert figures(held)["position_unprotected"] == 0.0


def test_a_stop_on_the_wrong_side_is_counted_and_no_distance() -> None:
    said = Input(500)
    assert "position_stop_distance_ratio" not in figures(replace(HELD, stop=101.0), said=said)
    assert said.rejected == {"wrong_side": 1}
    assert said.examples == {"wrong_side": "BTC/USDT long: the stop 101 is beyond the price 100"}


def test_a_price_beyond_the_liquidation_is_a_distance_below_zero() -> None:
    assert figures(replace(HELD, liquidation=110.0))["position_liquidation_distance_ratio"] == pytest.approx(
        -0.1
    )


def test_of_a_bot_that_sets_no_stops_none_is_missed() -> None:
    assert "position_unprotected" not in figures(replace(HELD, stop=None), stops=False)


def test_unreported_figures_are_absent() -> None:
    assert figures(Position("BTC/USDT", "long", None, None)) == {"position_unprotected": 1.0}


def test_of_several_positions_of_a_symbol_and_side_the_worst_counts() -> None:
    worse = replace(
        HELD, stop=99.0, liquidation=98.0, leverage=10.0, margin_ratio=0.9, profit=2.0, opened_at=NOW - 5
    )
    assert figures(HELD, worse) == {
        "position_value": 100.0,
        "position_profit": -3.0,
        "position_funding_paid": 3.0,
        "position_stop_distance_ratio": pytest.approx(0.01),
        "position_liquidation_distance_ratio": pytest.approx(0.02),
        "position_leverage": 10.0,
        "position_margin_ratio": 0.9,
        "position_age_seconds": 60.0,
        "position_unprotected": 0.0,
    }
    assert figures(HELD, replace(HELD, stop=None))["position_unprotected"] == 1.0
    assert "position_profit" not in figures(HELD, replace(HELD, profit=None))


def test_long_and_short_of_a_symbol_are_separate() -> None:
    found = figures(HELD, replace(SHORT, stop=None))
    assert found["position_unprotected", "BTC/USDT", "long"] == 0.0
    assert found["position_unprotected", "BTC/USDT", "short"] == 1.0


def test_beyond_the_cap_positions_in_danger_are_kept_and_the_rest_counted() -> None:
    said = Input(2)
    calm = [replace(HELD, symbol=f"A{n}") for n in range(3)]
    near, bare = replace(HELD, symbol="Y", liquidation=90.0), replace(HELD, symbol="Z", stop=None)
    found = figures(*calm, near, bare, said=said)
    assert {symbol for _, symbol, _ in found} == {"Y", "Z"}
    assert said.over_cap == {"positions": 3}


def test_of_the_waiting_orders_of_a_symbol_the_oldest_counts() -> None:
    orders = [WaitingOrder("A", NOW - 5), WaitingOrder("B", NOW + 3), WaitingOrder("A", NOW - 90)]
    found = {each.labels: each.value for each in of_orders(orders, NOW)}
    assert found == {("A",): 90.0, ("B",): 0.0}


SHORTED = {"side": "short", "size": -0.5, "stop_price": 104.0, "liquidation_price": 110.0}
TOLD: dict[str, Any] = OF_API | SHORTED


def polled(bot: Any, tmp_path: Any, **settings: Any) -> Series:
    with serve(bot) as url, watch(http_settings(url, tmp_path, **settings)) as watched_bot:
        return watched_bot.poll()


def test_the_bot_api_reports_positions_and_orders(bot, tmp_path):
    bot.state["open_positions"] = [TOLD]
    bot.state["open_orders"] = [
        {"symbol": "BTC/USDT", "placed_at": NOW - 300},
        {"symbol": "BTC/USDT", "placed_at": NOW - 9000, "rests": True},
        {"symbol": "ETH/USDT"},
    ]
    series = polled(bot, tmp_path)
    of = {"symbol": "BTC/USDT", "side": "short"}
    assert value(series, "position_value", **of) == 50.0
    assert value(series, "position_stop_distance_ratio", **of) == pytest.approx(0.04)
    assert value(series, "position_liquidation_distance_ratio", **of) == pytest.approx(0.1)
    assert value(series, "position_leverage", **of) == 10
    assert value(series, "position_margin_ratio", **of) == 0.25
    assert value(series, "position_funding_paid", **of) == -0.5
    assert value(series, "position_age_seconds", **of) == 600
    assert value(series, "position_unprotected", **of) == 0
    assert value(series, "order_age_seconds", symbol="BTC/USDT") == 300
    assert value(series, "order_age_seconds", symbol="ETH/USDT") is None
    assert own(series, "rejected_input_total", reason="missing") == 1


@pytest.mark.parametrize("field", ["stop_price", "liquidation_price"])
@pytest.mark.parametrize(
    ("wrong", "reason"), [(0, "out_of_range"), (nan, "not_finite"), (-1, "out_of_range")]
)
def test_a_price_that_can_be_none_is_unknown_and_counted(bot, tmp_path, field, wrong, reason):
    bot.state["open_positions"] = [TOLD | {field: wrong}]
    series = polled(bot, tmp_path)
    assert own(series, "rejected_input_total", reason=reason) == 1
    distance = f"position_{field.removesuffix('_price')}_distance_ratio"
    assert distance not in names(series)
    expected = 1.0 if field == "stop_price" else 0.0
    assert value(series, "position_unprotected", symbol="BTC/USDT", side="short") == expected


def test_one_position_that_cannot_be_read_hides_no_other(bot, tmp_path):
    bot.state["open_positions"] = [TOLD, {"symbol": 5}, TOLD | {"symbol": "ETH/USDT", "size": 0}]
    series = polled(bot, tmp_path)
    assert value(series, "position_value", symbol="BTC/USDT", side="short") == 50.0
    assert value(series, "position_unprotected", symbol="ETH/USDT", side="short") is None


@pytest.mark.parametrize(("at_exchange", "unprotected"), [(False, 1.0), (True, 0.0)])
def test_of_a_bot_that_is_stopped_only_a_stop_at_the_exchange_is_live(
    bot, tmp_path, at_exchange, unprotected
):
    bot.state |= {"state": "stopped", "open_positions": [TOLD | {"stop_at_exchange": at_exchange}]}
    series = polled(bot, tmp_path)
    assert value(series, "position_unprotected", symbol="BTC/USDT", side="short") == unprotected


def test_a_setting_says_that_a_bot_sets_no_stops(bot, tmp_path):
    bot.state["open_positions"] = [TOLD]
    assert "position_unprotected" not in names(polled(bot, tmp_path, stops=False))


def test_an_old_bot_that_reports_only_symbols_has_no_known_stop(bot, tmp_path):
    bot.state["open_positions"] = [{"id": 4, "symbol": "BTC/USDT"}]
    series = polled(bot, tmp_path)
    assert value(series, "position_unprotected", symbol="BTC/USDT", side="") == 1.0


def test_freqtrade_reports_positions_and_orders_as_recorded(recording, clock, tmp_path):
    with watched(recording, tmp_path, clock) as bot:
        series = bot.poll()
    ada, atom = recording.answers["status"]
    of = {"symbol": "ADA/USDT", "side": "long"}
    assert value(series, "position_value", **of) == pytest.approx(226.7 * 0.4386)
    assert value(series, "position_profit", **of) == ada["profit_abs"]
    assert value(series, "position_stop_distance_ratio", **of) == pytest.approx((0.4386 - 0.4383) / 0.4386)
    assert value(series, "position_liquidation_distance_ratio", **of) is None  # spot has none
    assert value(series, "position_leverage", **of) == 1.0
    assert value(series, "position_funding_paid", **of) == 0.0
    assert value(series, "position_unprotected", **of) == 0.0
    age = value(series, "position_age_seconds", **of)
    order = value(series, "order_age_seconds", symbol="ADA/USDT")
    opened, placed = ada["open_fill_timestamp"] / 1000, ada["orders"][1]["order_timestamp"] / 1000
    assert age is not None
    assert order is not None
    assert age - order == pytest.approx(placed - opened)
    assert value(series, "order_age_seconds", symbol=atom["pair"]) is None


FUTURES = {"is_short": True, "current_rate": 100.0, "stop_loss_abs": 104.0, "liquidation_price": 110.0}


@pytest.mark.parametrize(
    ("changes", "state", "unprotected"),
    [
        ({}, "running", 0.0),
        ({}, "stopped", 1.0),  # only the loop acts on its stop
        ({"orders": [{"is_open": True, "ft_order_side": "stoploss"}]}, "stopped", 0.0),
        ({"current_rate": None}, "running", 1.0),  # after five minutes without an exchange
        ({"stop_loss_abs": 0.0}, "running", 1.0),
        ({"stop_loss_abs": nan}, "running", 1.0),
        ({"stop_loss_abs": None}, "running", 1.0),
        ({"stop_loss_abs": 199.0, "liquidation_price": None, "stop_loss_ratio": -0.99}, "running", 1.0),
        ({"stop_loss_abs": 99.0}, "running", 1.0),
    ],
)
def test_what_freqtrade_says_of_a_stop(recording, clock, tmp_path, changes, state, unprotected):
    trade = recording.answers["status"][0] | FUTURES | {"funding_fees": -2.5, "leverage": 5.0} | changes
    recording.answers["status"] = [trade]
    recording.state = state
    with watched(recording, tmp_path, clock) as bot:
        series = bot.poll()
    of = {"symbol": "ADA/USDT", "side": "short"}
    assert value(series, "position_unprotected", **of) == unprotected
    assert value(series, "position_funding_paid", **of) == 2.5
    assert value(series, "position_leverage", **of) == 5.0


@pytest.mark.parametrize("wrong", [0.0, nan])
def test_a_liquidation_price_of_freqtrade_that_can_be_none_is_unknown(recording, clock, tmp_path, wrong):
    recording.answers["status"] = [recording.answers["status"][0] | FUTURES | {"liquidation_price": wrong}]
    with watched(recording, tmp_path, clock) as bot:
        series = bot.poll()
    assert "position_liquidation_distance_ratio" not in names(series)
    assert sum(count for (name, _), count in series.items() if name.endswith("rejected_input_total")) == 1


def test_a_stop_order_at_the_exchange_is_no_order_that_is_stuck(recording, clock, tmp_path):
    stop = {"is_open": True, "ft_order_side": "stoploss", "order_timestamp": 1795399285114}
    recording.answers["status"] = [recording.answers["status"][0] | {"orders": [stop]}]
    with watched(recording, tmp_path, clock) as bot:
        assert "order_age_seconds" not in names(bot.poll())


@pytest.mark.parametrize(
    ("open_rate", "rate", "liquidation", "risky"),
    [
        (100.0, 104.9, 110.0, False),
        (100.0, 105.1, 110.0, True),  # more than half the way
        (100.0, 112.0, 110.0, True),
        (100.0, 105.1, None, False),
        (None, 105.1, 110.0, None),
    ],
)
def test_a_freqtrade_position_near_its_liquidation_is_risky(
    open_rate: float | None, rate: float, liquidation: float | None, risky: bool | None
) -> None:
    trade = OpenTrade(
        trade_id=1,
        pair="ADA/USDT",
        is_short=True,
        open_rate=open_rate,
        current_rate=rate,
        liquidation_price=liquidation,
        stake_amount=100.0,
    )
    assert trade.is_risky(100.0) is risky
