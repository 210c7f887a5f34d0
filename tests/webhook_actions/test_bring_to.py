"""Nightdesk brings a bot to a target again and again, and requests get lost: no position falls below it."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.http import Lost
from tests.webhook_actions.bot_doubles import (
    LATEST,
    BotApi,
    Clock,
    Double,
    Fault,
    FaultyTransport,
    Freqtrade,
    Held,
    freqtrade_adapter,
    http_adapter,
)
from webhook_actions.bots.protocol import Adapter, BotStatus, OrderRefused, Target, reached
from webhook_actions.outcome import Result

SYMBOLS = ("BTC/USDT", "ETH/USDT", "ADA/USDT")
SIDES = ("long", "short")
ROUNDING = 0.011  # of a target
TRIES = 12  # attempts after which a bot is at its target, once requests no longer get lost

PLACES = st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(SIDES))
QUANTITIES = st.floats(0.001, 1000, allow_nan=False)
SHARES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.99, 1.0, 2.0])
FAULTS = st.lists(st.sampled_from([*Fault, Fault.NONE, Fault.NONE, Fault.NONE]), max_size=25)
LATE = st.lists(st.floats(0, LATEST), max_size=25)


@st.composite
def holdings(draw: st.DrawFn) -> list[Held]:
    places = draw(st.lists(PLACES, max_size=5, unique=True))
    held = [Held(n, symbol, side, draw(QUANTITIES)) for n, (symbol, side) in enumerate(places)]
    return [
        replace(each, quantity=0.0, coming=1.0) if draw(st.integers(0, 5)) == 0 else each for each in held
    ]


@st.composite
def targets(draw: st.DrawFn, held: Sequence[Held]) -> Target:
    if draw(st.integers(0, 2)) == 0:
        return Target(others=0.0, paused=True)
    named = [each for each in held if each.quantity and draw(st.booleans())]
    positions = {each.key: each.quantity * draw(SHARES) for each in named}
    return Target(positions, draw(st.sampled_from([None, None, 0.0])), draw(st.booleans()))


@st.composite
def freqtrades(draw: st.DrawFn, held: list[Held]) -> Freqtrade:
    bot = Freqtrade(Clock(), held)
    bot.fills = iter(draw(st.lists(st.booleans(), max_size=20)))
    for each in held:
        if each.quantity and draw(st.integers(0, 3)) == 0:  # the bot's own exit, whole or in part
            each.exiting = each.quantity * draw(st.sampled_from([0.25, 0.5, 1.0]))
            each.filled = draw(st.booleans())
    return bot


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("secret") / "secret"
    file.write_text("secret")
    return file


class Watch:
    """Checks that a bot never sells below the smallest target, except by its owner's own exits."""

    def __init__(self, bot: Double) -> None:
        self._bot = bot
        self._floor = bot.quantities()
        # The bot's own exits do not count as ours.
        for each in bot.held:
            self._floor[each.key] -= each.exiting if not each.filled else 0.0

    def allow(self, target: Target) -> None:
        for key, floor in self._floor.items():
            self._floor[key] = min(floor, target.limit(key))

    def look(self) -> None:
        now = self._bot.quantities()
        for key, floor in self._floor.items():
            left = now.get(key, 0.0)
            assert left >= floor * (1 - ROUNDING) - 1e-9, f"{key}: {left} is left, {floor} should be"


def bring(wire: FaultyTransport, adapter: Adapter, target: Target, key: str) -> None:
    before = wire.orders
    try:
        outcome = adapter.bring_to(target, key)
    except OrderRefused:
        return
    assert outcome.orders == wire.orders - before, outcome


def guard_of(refusals: Iterator[bool]) -> Callable[[], None]:
    def guard() -> None:
        if next(refusals, False):
            raise OrderRefused("a person stopped it")

    return guard


def is_at(adapter: Adapter, target: Target) -> bool:
    standing = adapter.standing()
    return isinstance(standing, BotStatus) and reached(target, standing).done


def play(
    bot: Double, wire: FaultyTransport, adapter: Adapter, wanted: Sequence[Target], order: Sequence[int]
) -> None:
    """Bring a bot to targets in an order, with faults, then to the strongest target without faults."""
    watch = Watch(bot)
    for which in order:
        target = wanted[which % len(wanted)]
        watch.allow(target)
        bring(wire, adapter, target, f"run-{which % len(wanted)}")
        watch.look()
    wire.faults = iter(())
    for target in wanted:
        watch.allow(target)
        key = f"run-{wanted.index(target)}"
        for _ in range(TRIES):
            bring(wire, adapter, target, key)
            watch.look()
            if is_at(adapter, target):
                break
            wire.clock.sleep(LATEST)
            if isinstance(bot, Freqtrade):
                bot.settle()
        else:
            pytest.fail(f"{target} is not reached: {adapter.standing()}")
    settled, orders = deepcopy(bot.held), wire.orders
    for weaker in wanted:
        bring(wire, adapter, weaker, "again")
    wire.clock.sleep(LATEST)
    watch.look()
    assert (bot.held, wire.orders) == (settled, orders), "what was reached was ordered again"


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_freqtrade_comes_to_its_targets_and_never_beyond(secret: Path, data: st.DataObject) -> None:
    held = data.draw(holdings())
    wanted = data.draw(st.lists(targets(held), min_size=1, max_size=3))
    bot = data.draw(freqtrades(held))
    wire = FaultyTransport(
        bot.serve, bot.clock, iter(data.draw(FAULTS)), itertools.chain(data.draw(LATE), itertools.repeat(1.0))
    )
    refusals = iter(data.draw(st.lists(st.sampled_from([True, False, False, False]), max_size=10)))
    adapter = freqtrade_adapter(wire, secret, guard_of(refusals))
    play(bot, wire, adapter, wanted, data.draw(st.lists(st.integers(0, 2), max_size=5)))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_bot_of_the_bot_api_comes_to_its_targets_and_never_beyond(
    secret: Path, data: st.DataObject
) -> None:
    held = data.draw(holdings())
    wanted = data.draw(st.lists(targets(held), min_size=1, max_size=3))
    bot = BotApi(Clock(), held)
    wire = FaultyTransport(
        bot.serve, bot.clock, iter(data.draw(FAULTS)), itertools.chain(data.draw(LATE), itertools.repeat(1.0))
    )
    refusals = iter(data.draw(st.lists(st.sampled_from([True, False, False, False]), max_size=10)))
    adapter = http_adapter(wire, secret, guard_of(refusals))
    play(bot, wire, adapter, wanted, data.draw(st.lists(st.integers(0, 2), max_size=5)))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), keep=st.floats(0.05, 0.95), knows=st.sampled_from(["factor", "strict"]))
def test_an_older_bot_that_knows_only_a_factor_is_reduced_once(
    secret: Path, data: st.DataObject, keep: float, knows: str
) -> None:
    held = [each for each in data.draw(holdings()) if each.quantity]
    bot = BotApi(Clock(), held)
    bot.knows = knows
    wire = FaultyTransport(
        bot.serve, bot.clock, iter(data.draw(FAULTS)), itertools.chain(data.draw(LATE), itertools.repeat(1.0))
    )
    target = Target({each.key: each.quantity * keep for each in held})
    play(
        bot,
        wire,
        http_adapter(wire, secret, lambda: None),
        [target],
        data.draw(st.lists(st.just(0), max_size=5)),
    )


def test_a_trade_that_hangs_holds_back_no_other_for_ever(secret: Path) -> None:
    bot = Freqtrade(Clock(), [Held(n, f"COIN{n}/USDT", "long", 1.0) for n in range(4)])
    wire = FaultyTransport(bot.serve, bot.clock, iter(()))
    serve = bot.serve

    def hang(method: str, path: str, body: Any, key: str | None) -> tuple[int, Any]:
        if path == "forceexit" and body["tradeid"] in ("all", "0"):
            bot.clock.sleep(20)
            raise Lost("no answer within 20s")
        return serve(method, path, body, key)

    wire.serve = hang
    adapter = freqtrade_adapter(wire, secret, lambda: None)
    for _ in range(TRIES):
        assert adapter.bring_to(Target(others=0.0, paused=True), "run-1").result is Result.RETRY
        bot.clock.sleep(1)
    assert [each.id for each in bot.held] == [0]


@pytest.mark.parametrize("fault", list(Fault))
def test_an_attempt_takes_no_longer_than_the_adapter_says(secret: Path, fault: Fault) -> None:
    for target in (Target(others=0.0, paused=True), Target({f"COIN{n}/USDT long": 0.5 for n in range(9)})):
        bot = Freqtrade(Clock(), [Held(n, f"COIN{n}/USDT", "long", 1.0) for n in range(9)])
        reads = [Fault.NONE, Fault.NONE] if target.paused else [Fault.NONE]
        wire = FaultyTransport(bot.serve, bot.clock, itertools.chain(reads, itertools.repeat(fault)))
        adapter = freqtrade_adapter(wire, secret, lambda: None)
        adapter.bring_to(target, "run-1")
        assert bot.clock.now <= adapter.longest
