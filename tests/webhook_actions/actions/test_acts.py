"""Each action that changes something mends the fault it is for, on a real bot."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from clients.observer import for_bot
from tests.conftest import eventually
from tests.webhook_actions.actions.conftest import Watched
from webhook_actions.actions import Action, load_actions
from webhook_actions.bots import BotControl
from webhook_actions.outcome import Result
from webhook_actions.store.incidents import Incident

Make = Callable[..., Incident]
ACTIONS = load_actions()


def proven(action: Action, bot: BotControl) -> bool:
    """Return whether the action's own proof holds, at the bot or in Prometheus."""
    if action.proof_at_bot is not None:
        return action.proof_at_bot(bot).done
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
    outcome = ACTIONS[name].run(demo.control(), incident())
    assert outcome.done, outcome
    if fault == "crash":
        assert demo.bot.state()["state"] == "running"
    else:
        assert demo.bot.is_on(fault) is False


@pytest.mark.parametrize("name", ["reduce_processing", "adjust_strategy", "adjust_parameters"])
def test_a_gentler_way_to_trade_is_taken_up(demo: Watched, incident: Make, name: str) -> None:
    outcome = ACTIONS[name].run(demo.control(), incident())
    assert outcome.done, outcome
    assert outcome.detail.startswith(f"{name}: ")
    demo.bot.done("restart")


def test_a_restart_and_a_retraining_are_proven_by_samples(demo: Watched, incident: Make) -> None:
    demo.bot.fault("drift")
    retrain = ACTIONS["retrain_model"]
    eventually(lambda: not proven(retrain, demo.control()), what="drift in Prometheus")
    assert retrain.run(demo.control(), incident()).done
    eventually(lambda: proven(retrain, demo.control()), what="the end of drift in Prometheus")
    assert proven(ACTIONS["restart_bot"], demo.control())


def test_stopped_entries_are_proven_at_the_bot(demo: Watched, incident: Make) -> None:
    action = ACTIONS["stop_entries"]
    assert not proven(action, demo.control())
    assert action.run(demo.control(), incident()).done
    assert proven(action, demo.control())


@pytest.mark.parametrize("name", ["close_all_positions", "close_positions"])
def test_closing_all_leaves_the_bot_flat_and_paused(demo: Watched, incident: Make, name: str) -> None:
    demo.bot.fault("drawdown", {"ratio": 0.1})
    holding(demo, 1)
    action = ACTIONS[name]
    assert not proven(action, demo.control())
    assert action.run(demo.control(), incident("TradingBotCriticalLoss")).done
    assert proven(action, demo.control())
    demo.bot.done("restart")  # which the latch would undo
    assert not proven(action, demo.control())


def test_a_bot_that_is_stopped_says_that_it_cannot_be_closed(demo: Watched, incident: Make) -> None:
    demo.bot.done("stop")
    action = ACTIONS["close_all_positions"]
    outcome = action.run(demo.control(), incident())
    assert outcome.result is Result.FAILED
    assert "nothing was closed" in outcome.detail
    assert "start it first" in outcome.detail
    assert not proven(action, demo.control())


def test_a_bot_that_crashed_is_asked_three_times_to_close(demo: Watched, incident: Make) -> None:
    demo.bot.fault("crash")
    outcome = ACTIONS["close_all_positions"].run(demo.control(), incident())
    assert outcome.result is Result.RETRY
    assert "503" in outcome.detail


def test_risky_positions_are_closed_and_proven_by_their_number(demo: Watched, incident: Make) -> None:
    demo.bot.fault("drawdown", {"ratio": 0.2})
    before = len(holding(demo, 1))
    seen = 'sum(trading_bot_active_positions{bot="$bot"})'
    eventually(lambda: (demo.value(seen) or 0) >= before, what="the positions in Prometheus")
    action = ACTIONS["close_risky_positions"]
    assert action.run(demo.control(), incident("TradingBotHighDrawdown")).done
    assert len(demo.bot.state()["open_positions"]) < before
    eventually(lambda: proven(action, demo.control()), what="the proof")


def test_a_reduction_halves_each_position_once_and_is_proven_by_the_exposure(
    demo: Watched, incident: Make
) -> None:
    before = {position["id"]: position["size"] for position in holding(demo)}
    exposure = demo.bot.state()["exposure"]
    eventually(
        lambda: (demo.value('trading_bot_current_exposure{bot="$bot"}') or 0) > 0.9 * exposure,
        what="the exposure in Prometheus",
    )
    action, bot = ACTIONS["reduce_position_sizes"], demo.control()
    assert action.run(bot, incident("TradingBotHighDrawdown")).done
    assert action.run(bot, incident("TradingBotHighDrawdown")).done  # as after a lost answer: the same key
    after = {position["id"]: position["size"] for position in demo.bot.state()["open_positions"]}
    assert after == pytest.approx({id_: size / 2 for id_, size in before.items()})
    assert proven(action, demo.control())


def test_positions_and_trades_are_read_from_the_bot(demo: Watched) -> None:
    held = holding(demo)
    positions = demo.control().positions()
    assert isinstance(positions, tuple)
    assert {(p.symbol, p.side) for p in positions} == {(p["symbol"], p["side"]) for p in held}
    assert sum(p.value for p in positions) == pytest.approx(demo.bot.state()["exposure"])
    trades = demo.control().trades(5)
    assert isinstance(trades, tuple)
    newest = demo.bot.trades()[-len(trades) :]
    assert [trade.profit for trade in trades] == [trade["profit"] for trade in newest]
    assert all(trade.closed_at <= time.time() for trade in trades)


@pytest.mark.parametrize("name", sorted(name for name, each in ACTIONS.items() if each.verbs))
def test_a_bot_that_only_tells_says_that_it_cannot(watched: Watched, incident: Make, name: str) -> None:
    outcome = ACTIONS[name].run(watched.control("quiet"), incident(bot="quiet"))
    assert outcome.result is Result.CANNOT
    assert "set one in its settings" in outcome.detail
