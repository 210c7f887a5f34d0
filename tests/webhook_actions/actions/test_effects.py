"""Each action that changes something repairs its fault, on a real bot."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from clients.observer import for_bot
from tests.conftest import eventually
from tests.webhook_actions.actions.conftest import Watched
from webhook_actions.actions import Action, load_actions
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import BotStatus, Target, reached
from webhook_actions.outcome import Outcome, Result
from webhook_actions.store.incidents import Incident

Make = Callable[..., Incident]
ACTIONS = load_actions()


def run(name: str, bot: BotControl, incident: Incident) -> Outcome:
    run = ACTIONS[name].run
    assert run is not None
    return run(bot, incident)


def target_of(name: str, bot: BotControl) -> Target | Outcome:
    """Return the target that an action sets for the bot's current state."""
    set_target, standing = ACTIONS[name].target, bot.standing()
    assert set_target is not None
    return set_target(bot, standing if isinstance(standing, BotStatus) else BotStatus.unknown())


def wanted(name: str, bot: BotControl) -> Target:
    target = target_of(name, bot)
    assert isinstance(target, Target), target
    return target


def is_at(bot: BotControl, target: Target) -> bool:
    standing = bot.standing()
    return isinstance(standing, BotStatus) and reached(target, standing).done


def proven(action: Action, bot: BotControl) -> bool:
    """Return whether the action's own proof holds in Prometheus."""
    assert action.proof is not None
    return bool(bot.observer.ask(for_bot(action.proof, bot.name)))


def holding(demo: Watched, at_least: int = 2) -> list[dict[str, Any]]:
    """Wait until the bot holds positions, and let nothing but a verb close one."""

    def look() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = demo.bot.state()["open_positions"]
        return found if len(found) >= at_least else []

    eventually(look, what="open positions")
    demo.bot.fault("loop_hang")
    while not (held := look()):  # some were closed just before
        demo.bot.mend("loop_hang")
        eventually(look, what="open positions")
        demo.bot.fault("loop_hang")
    return held


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("restart_bot", "crash"),
        ("restart_bot", "hang"),
        ("restart_bot", "loop_hang"),
        ("switch_api_endpoint", "api_errors"),
        ("retry_connection", "api_errors"),
        ("retry_connection", "stale_data"),
        ("optimize_connections", "slow_api"),
        ("retrain_model", "drift"),
        ("clear_cache", "memory_growth"),
    ],
)
def test_each_fault_is_mended_by_its_action(demo: Watched, incident: Make, name: str, fault: str) -> None:
    demo.bot.fault(fault)
    outcome = run(name, demo.control(), incident())
    assert outcome.done, outcome
    if fault == "crash":
        assert demo.bot.state()["state"] == "running"
    else:
        assert demo.bot.is_on(fault) is False


@pytest.mark.parametrize("name", ["reduce_processing", "adjust_strategy", "adjust_parameters"])
def test_a_gentler_way_to_trade_is_taken_up(demo: Watched, incident: Make, name: str) -> None:
    outcome = run(name, demo.control(), incident())
    assert outcome.done, outcome
    assert outcome.detail.startswith(f"{name}: ")
    demo.bot.done("restart")


def test_a_restart_and_a_retraining_are_proven_by_samples(demo: Watched, incident: Make) -> None:
    demo.bot.fault("drift")
    retrain = ACTIONS["retrain_model"]
    eventually(lambda: not proven(retrain, demo.control()), what="drift in Prometheus")
    assert run("retrain_model", demo.control(), incident()).done
    eventually(lambda: proven(retrain, demo.control()), what="the end of drift in Prometheus")
    assert proven(ACTIONS["restart_bot"], demo.control())


def test_stopped_entries_are_proven_at_the_bot(demo: Watched) -> None:
    target = wanted("stop_entries", demo.control())
    assert not is_at(demo.control(), target)
    assert demo.control().bring_to(target).orders == 1
    assert is_at(demo.control(), target)
    assert demo.control().bring_to(target).orders == 0


@pytest.mark.parametrize("name", ["close_all_positions", "close_positions"])
def test_closing_all_leaves_the_bot_flat_and_paused(demo: Watched, name: str) -> None:
    demo.bot.fault("drawdown", {"ratio": 0.1})
    holding(demo, 1)
    target = wanted(name, demo.control())
    assert not is_at(demo.control(), target)
    assert demo.control().bring_to(target).done
    assert is_at(demo.control(), target)
    assert demo.control().bring_to(target).orders == 0
    demo.bot.done("restart")  # the latch would undo this
    assert not is_at(demo.control(), target)


def test_a_bot_that_is_stopped_says_that_it_cannot_be_closed(demo: Watched) -> None:
    demo.bot.done("stop")
    bot = demo.control()
    outcome = bot.bring_to(wanted("close_all_positions", bot))
    assert outcome.result is Result.RETRY
    assert "start it first" in outcome.detail
    standing = bot.standing()
    assert isinstance(standing, BotStatus)
    assert reached(wanted("close_all_positions", bot), standing).result is Result.CANNOT


def test_a_bot_that_crashed_is_worth_another_attempt_to_close(demo: Watched) -> None:
    demo.bot.fault("crash")
    bot = demo.control()
    outcome = bot.bring_to(wanted("close_all_positions", bot))
    assert (outcome.result, outcome.orders) == (Result.RETRY, 1)
    assert "503" in outcome.detail


def test_risky_positions_are_closed_and_the_others_stay(demo: Watched) -> None:
    demo.bot.fault("drawdown", {"ratio": 0.2})
    before = {position["id"]: position for position in holding(demo, 1)}
    bot = demo.control()
    target = wanted("close_risky_positions", bot)
    assert bot.bring_to(target).done
    left = {position["id"] for position in demo.bot.state()["open_positions"]}
    assert left == {id_ for id_, position in before.items() if not position["risky"]}
    assert left != before.keys()
    assert is_at(demo.control(), target)
    nothing = target_of("close_risky_positions", demo.control())
    assert isinstance(nothing, Outcome)
    assert nothing.result is Result.FAILED


def test_a_reduction_halves_each_position_once_however_often_it_is_asked_for(demo: Watched) -> None:
    before = {position["id"]: position["size"] for position in holding(demo)}
    target = wanted("reduce_position_sizes", demo.control())
    assert not is_at(demo.control(), target)
    for orders in (1, 0, 0):  # each in its own run, as after a crash
        assert demo.control().bring_to(target).orders == orders
        after = {position["id"]: position["size"] for position in demo.bot.state()["open_positions"]}
        held = before.keys() & after.keys()  # the bot itself trades on
        assert held
        assert [after[id_] for id_ in held] == pytest.approx([before[id_] / 2 for id_ in held])
    assert is_at(demo.control(), target)


@pytest.mark.parametrize("name", ["reduce_position_sizes", "close_risky_positions"])
def test_unknown_positions_set_no_target(demo: Watched, name: str) -> None:
    demo.bot.done("stop")
    outcome = target_of(name, demo.control())
    assert isinstance(outcome, Outcome)
    assert outcome.result is Result.CANNOT
    assert "it is stopped and does not say its positions" in outcome.detail


def test_positions_and_trades_are_read_from_the_bot(demo: Watched) -> None:
    held = holding(demo)
    standing = demo.control().standing()
    assert isinstance(standing, BotStatus)
    positions = standing.positions or ()
    assert sorted((p.key, p.quantity) for p in positions) == sorted(
        (f"{p['symbol']} {p['side']}", p["size"]) for p in held
    )
    assert {(p.symbol, p.side) for p in positions} == {(p["symbol"], p["side"]) for p in held}
    assert sum(p.value for p in positions) == pytest.approx(demo.bot.state()["exposure"])
    trades = demo.control().trades(5)
    assert isinstance(trades, tuple)
    newest = demo.bot.trades()[-len(trades) :]
    assert [trade.profit for trade in trades] == [trade["profit"] for trade in newest]
    assert all(trade.closed_at <= time.time() for trade in trades)


@pytest.mark.parametrize("name", sorted(name for name, each in ACTIONS.items() if each.verbs))
def test_a_bot_that_only_reports_says_that_it_cannot_act(watched: Watched, incident: Make, name: str) -> None:
    bot = watched.control("quiet")
    targeted = ACTIONS[name].target is not None
    outcome = bot.bring_to(Target(paused=True)) if targeted else run(name, bot, incident(bot="quiet"))
    assert outcome.result is Result.CANNOT
    assert "set one in its settings" in outcome.detail
