"""The running exporter compares a bot with its account at a fake Binance."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.exporter.harness import ScriptedBot, Series, parsed, serve
from tests.exporter.test_http import STATE
from tests.exporter.test_service import Exporter, http, running
from tests.venue.binance import binance
from tests.venue.engine import Engine
from tests.venue.server import KEY, SECRET, FakeVenue, beside

HELD = {"symbol": "BTC/USDT", "side": "long", "size": 0.25, "price": 60_000.0}


@dataclass
class Desk:
    exporter: Exporter
    bot: ScriptedBot
    venue: FakeVenue

    def series(self) -> Series:
        return parsed(self.exporter.get("/metrics?collect[]=trading&bot[]=b")[1])

    def value(self, name: str, **labels: str) -> float | None:
        wanted = frozenset({"account": "main", **labels}.items())
        return self.series().get((f"trading_bot_{name}", wanted))


@contextmanager
def desk_of(tmp_path: Path, **faults: object) -> Iterator[Desk]:
    engine = Engine(False, 50_000.0, {"BTC/USDT": 60_000.0, "ETH/USDT": 3_000.0})
    engine.market("BTC/USDT", "buy", 0.25, time.time() - 3600)
    venue = FakeVenue(engine, time.time, limit=2400, **faults)
    bot = ScriptedBot({**STATE, "open_positions": [HELD], "open_orders": [], "order_ids": []})
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    with ExitStack() as stack:
        place, url = stack.enter_context(beside(venue, binance)), stack.enter_context(serve(bot))
        exchange = {
            "venue": "binanceusdm", "key_file": "key", "secret_file": "secret", "url": place,
            "interval": "10s", "settle": "1s",
        }  # fmt: skip
        accounts = {"main": {"bots": ["b"], "exchange": exchange}}
        exporter = stack.enter_context(running(tmp_path, {"b": http(url)}, accounts=accounts))
        yield Desk(exporter, bot, venue)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_of(tmp_path) as found:
        yield found


def test_a_ghost_position_is_told_until_it_is_closed_and_an_outage_is_unknown(desk: Desk):
    eventually(lambda: desk.value("books_differences") == 0, within=60, what="the first comparison")
    assert (desk.value("exchange_up"), desk.value("books_compared")) == (1, 1)
    desk.venue.engine.market("ETH/USDT", "sell", 2.0, time.time() - 60)
    ghost = {"difference": "ghost_position", "symbol": "ETH/USDT:USDT"}
    eventually(lambda: desk.value("books_at_exchange", **ghost) == -2, within=60, what="the ghost position")
    assert desk.value("books_by_bots", **ghost) == 0
    desk.venue.out = True
    unavailable = {"reason": "unavailable"}
    eventually(lambda: desk.value("exchange_error", **unavailable) == 1, within=60, what="the outage")
    assert (desk.value("exchange_up"), desk.value("books_compared")) == (0, 0)
    assert desk.value("books_differences") is None, "unknown, not flat"
    assert desk.value("books_difference", **ghost) == 2, "the last known"
    desk.venue.engine.market("ETH/USDT", "buy", 2.0, time.time() - 60)
    desk.venue.out = False
    eventually(lambda: desk.value("books_difference", **ghost) is None, within=60, what="its end")


def test_a_key_that_may_withdraw_is_not_used_and_no_secret_is_in_the_log(tmp_path: Path):
    with desk_of(tmp_path, may_withdraw=True) as desk:
        eventually(
            lambda: desk.value("exchange_error", reason="withdraws") == 1, within=60, what="the refusal"
        )
        assert desk.value("books_compared") == 0
        assert not [path for path in desk.venue.asked if path.startswith("/fapi")]
        log = desk.exporter.log.read_text()
    assert "make one that may only read" in log
    assert not any(secret in log for secret in (KEY, SECRET))


def test_a_key_that_gets_the_right_to_withdraw_later_is_not_used_until_it_loses_it(desk: Desk):
    eventually(lambda: desk.value("books_compared") == 1, within=60, what="the first comparison")
    desk.venue.may_withdraw = True
    eventually(lambda: desk.value("exchange_error", reason="withdraws") == 1, within=60, what="the refusal")
    assert desk.value("books_compared") == 0
    desk.venue.may_withdraw = False
    eventually(lambda: desk.value("books_compared") == 1, within=60, what="the next comparison")
