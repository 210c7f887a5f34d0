"""A target's allowed orders, when a bot has reached it, and the weaker of two targets."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.trading import Position
from webhook_actions.bots.protocol import BotStatus, Target, reached
from webhook_actions.outcome import Result

CLOSED = Target(others=0.0, paused=True)
KEYS = ("BTC/USDT long", "BTC/USDT short", "ETH/USDT long")
LIMITS = st.sampled_from([0.0, 0.5, 1.0, 2.0])
TARGETS = st.builds(
    Target,
    st.dictionaries(st.sampled_from(KEYS), LIMITS),
    st.sampled_from([None, 0.0]),
    st.booleans(),
)
QUANTITIES = st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, 3.0])


def position(key: str, quantity: float | None) -> Position:
    symbol, _, side = key.partition(" ")
    return Position(symbol, side, None, None, quantity)


POSITIONS = st.lists(st.builds(position, st.sampled_from(KEYS), st.one_of(st.none(), QUANTITIES)), max_size=4)
STANDINGS = st.builds(
    BotStatus,
    st.sampled_from(["running", "paused", "stopped", "unknown"]),
    st.one_of(st.none(), POSITIONS.map(tuple)),
    st.sampled_from([None, 0, 2]),
    st.booleans(),
)


@given(target=TARGETS)
def test_a_target_outlives_its_way_through_the_database(target: Target) -> None:
    assert Target.from_json(json.loads(json.dumps(target.to_json()))) == target


@given(weaker=TARGETS, stronger=TARGETS, standing=STANDINGS)
def test_what_reached_a_stronger_target_has_reached_the_weaker(
    weaker: Target, stronger: Target, standing: BotStatus
) -> None:
    if weaker.is_weaker_than(stronger) and reached(stronger, standing).done:
        assert reached(weaker, standing).done


@given(first=TARGETS, second=TARGETS, third=TARGETS)
def test_strength_is_an_order(first: Target, second: Target, third: Target) -> None:
    assert first.is_weaker_than(first)
    assert first.is_weaker_than(Target(others=0.0, paused=True))
    assert Target().is_weaker_than(first)
    if first.is_weaker_than(second) and second.is_weaker_than(third):
        assert first.is_weaker_than(third)


def test_closing_all_is_stronger_than_closing_some_reducing_and_pausing() -> None:
    some, half = Target({KEYS[0]: 0.0}), Target({KEYS[0]: 0.5, KEYS[2]: 0.5})
    for weaker in (some, half, Target(paused=True)):
        assert weaker.is_weaker_than(CLOSED)
        assert not CLOSED.is_weaker_than(weaker)
    assert not some.is_weaker_than(half)
    assert not half.is_weaker_than(some)


@given(target=TARGETS, standing=STANDINGS)
def test_reached_is_true_only_at_known_positions(target: Target, standing: BotStatus) -> None:
    if not reached(target, standing).done:
        return
    assert not (target.paused and standing.enters)
    held: dict[str, float] = {}
    for each in standing.positions or ():
        held[each.key] = held.get(each.key, 0.0) + (math.inf if each.quantity is None else each.quantity)
    if target.positions or target.others is not None:
        assert standing.positions is not None
    assert all(quantity <= target.limit(key) * 1.02 + 1e-8 for key, quantity in held.items())


@pytest.mark.parametrize(
    ("standing", "result", "says"),
    [
        (BotStatus("running", (), 0), Result.RETRY, "it is running and may enter positions"),
        (
            BotStatus("running", (), 0, locked=True),
            Result.DONE,
            "it is locked against entries and holds no position",
        ),
        (BotStatus("paused", None, 0), Result.CANNOT, "it is paused and does not say its positions"),
        (BotStatus("paused", (), 2), Result.RETRY, "it still holds 2 pending entry orders"),
        (BotStatus("paused", (), None), Result.DONE, "it is paused and holds no position"),
        (BotStatus("paused", (position(KEYS[0], 0.0),), 0), Result.RETRY, "BTC/USDT long (0, 0 at most)"),
        (
            BotStatus("paused", (position(KEYS[0], None),), 0),
            Result.RETRY,
            "(an unknown quantity, 0 at most)",
        ),
        (BotStatus("paused", (position(KEYS[0], 1e-12),), 0), Result.DONE, "holds no position"),
    ],
)
def test_a_close_is_reached_by_what_the_bot_holds_and_may_enter(
    standing: BotStatus, result: Result, says: str
) -> None:
    outcome = reached(CLOSED, standing)
    assert outcome.result is result
    assert says in outcome.detail


def test_a_reduction_of_an_unknown_size_is_unknown() -> None:
    outcome = reached(Target({KEYS[0]: 0.5}), BotStatus("running", (position(KEYS[0], None),), 0))
    assert outcome.result is Result.CANNOT
    assert "does not say how large BTC/USDT long is" in outcome.detail


def test_a_lot_that_an_exchange_rounds_is_no_excess() -> None:
    target = Target({KEYS[0]: 113.35})
    assert reached(target, BotStatus("running", (position(KEYS[0], 113.4),), 0)).done
    assert not reached(target, BotStatus("running", (position(KEYS[0], 115.0),), 0)).done
