"""Closing, reducing, pausing and reloading a Freqtrade bot, against recordings of a live one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.observer import Observer
from stack.settings import FreqtradeBot
from tests.freqtrade_replay import PASSWORD, RECORDINGS, USER, Recording, serve
from webhook_actions.actions.close_risky_positions import close_risky_positions
from webhook_actions.bots import BotControl
from webhook_actions.bots.freqtrade import FreqtradeAdapter
from webhook_actions.bots.protocol import BotStatus, Order, OrderRefused, Target, Verb, reached
from webhook_actions.outcome import Outcome, Result

CLOSED = Target(others=0.0, paused=True)
STOPPED_ENTRIES = Target(paused=True)
CANNOT = [Verb.RETRAIN_MODEL, Verb.SWITCH_ENDPOINT, Verb.CLEAR_CACHE, Verb.ADJUST_STRATEGY]


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
def bot(recording: Recording, tmp_path: Path) -> Iterator[BotControl]:
    (tmp_path / "password").write_text(PASSWORD)
    with serve(recording) as url:
        yield over(adapter_of(url, tmp_path))


def adapter_of(url: str, directory: Path, **more: Any) -> FreqtradeAdapter:
    access = FreqtradeBot(type="freqtrade", url=url, username=USER, password_file=directory / "password")
    given: dict[str, Any] = {"guard": lambda: None, "sleep": lambda _: None} | more
    return FreqtradeAdapter(access, 2, **given)


def over(adapter: FreqtradeAdapter) -> BotControl:
    observer = Observer(["http://127.0.0.1:9"], [], 0.5)
    return BotControl("alpha", "run-1", adapter, adapter, observer, 0, 5, 0.5, sleep=lambda _: None)


def proof(bot: BotControl, target: Target) -> Outcome:
    standing = bot.standing()
    assert isinstance(standing, BotStatus), standing
    return reached(target, standing)


def without_orders(recording: Recording) -> dict[str, float]:
    """Remove the exits that waited when the bot was recorded; return the held sizes, by key."""
    for trade in recording.answers["status"]:
        trade |= {"orders": [], "has_open_orders": False}
    return {f"{trade['pair']} long": trade["amount"] for trade in recording.answers["status"]}


def held(recording: Recording) -> dict[str, float]:
    return {trade["pair"]: trade["amount"] for trade in recording.answers["status"]}


def unfilled(recording: Recording) -> dict[str, Any]:
    """Add an entry that waits to be filled, and return it."""
    trade: dict[str, Any] = recording.answers["status"][0] | {"trade_id": 63, "pair": "LINK/USDT"}
    entry = {"is_open": True, "ft_order_side": "buy", "order_type": "limit"}
    trade |= {
        "amount": 0.0,
        "stake_amount": 0.0,
        "profit_abs": -0.1,
        "has_open_orders": True,
        "orders": [entry],
    }
    recording.answers["status"].append(trade)
    return trade


def test_closing_all_goes_in_the_order_that_was_recorded_to_stay_flat(
    bot: BotControl, recording: Recording
) -> None:
    actions = json.loads((RECORDINGS / "actions.json").read_text())
    start = next(i for i, each in enumerate(actions) if "flatten order" in each["note"])
    wanted = [(each["path"].removeprefix("/api/v1/"), each["body"]) for each in actions[start : start + 2]]
    assert bot.bring_to(CLOSED).done
    assert recording.orders == wanted
    assert proof(bot, CLOSED) == Outcome.ok("it is paused and holds no position")


def test_a_target_that_is_reached_orders_nothing(bot: BotControl, recording: Recording) -> None:
    assert bot.bring_to(CLOSED).orders == 2
    assert bot.bring_to(CLOSED).orders == 0
    assert bot.bring_to(Target({"ADA/USDT long": 1.0})).orders == 0
    assert len(recording.orders) == 2


def test_an_open_position_is_not_taken_for_closed(bot: BotControl, recording: Recording) -> None:
    assert proof(bot, CLOSED).detail == "it is running and may enter positions"
    recording.state = "paused"
    assert "still holds ADA/USDT long (226.7, 0 at most)" in proof(bot, CLOSED).detail
    recording.answers["status"] = [unfilled(recording)]
    assert "1 pending entry orders" in proof(bot, CLOSED).detail


def test_a_stopped_bot_is_started_paused_before_it_is_closed(bot: BotControl, recording: Recording) -> None:
    recording.state = "stopped"
    assert proof(bot, STOPPED_ENTRIES).done
    assert "still holds" in proof(bot, CLOSED).detail  # though /count refuses to answer now
    assert bot.bring_to(STOPPED_ENTRIES).orders == 0
    assert bot.bring_to(CLOSED).done
    assert [verb for verb, _ in recording.orders] == ["pause", "forceexit"]
    assert proof(bot, CLOSED).done


def test_what_cannot_be_paused_is_not_closed(bot: BotControl, recording: Recording) -> None:
    recording.broken["show_config"] = (503, b"")
    outcome = bot.bring_to(CLOSED)
    assert outcome.result is Result.RETRY
    assert "nothing was closed" in outcome.detail
    assert (outcome.orders, recording.orders) == (0, [])


def test_each_order_follows_a_fresh_look_and_the_guard(recording: Recording, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    before = without_orders(recording)
    seen: list[str] = []
    recording.calls = seen
    with serve(recording) as url:
        adapter = adapter_of(url, tmp_path, guard=lambda: seen.append("guard"))
        assert adapter.bring_to(Target({key: amount / 2 for key, amount in before.items()}), "run-1").done
    one = ["/api/v1/status", "guard", "/api/v1/forceexit"]
    assert seen == [
        "/api/v1/show_config",
        *one,
        *one,
        "/api/v1/status",
    ]  # Nightdesk asks for its capabilities once


def test_a_refusing_guard_stops_the_remaining_orders(recording: Recording, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    asked: list[int] = []

    def guard() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise OrderRefused("ann paused all actions")

    with serve(recording) as url, pytest.raises(OrderRefused, match="ann paused"):
        adapter_of(url, tmp_path, guard=guard).bring_to(CLOSED, "run-1")
    assert [verb for verb, _ in recording.orders] == ["pause"]


def test_a_trade_that_is_stuck_does_not_hold_back_the_others(bot: BotControl, recording: Recording) -> None:
    recording.refuses_exits = "ADA/USDT"
    outcome = bot.bring_to(CLOSED)
    assert outcome.result is Result.RETRY
    assert "exit ordered: ATOM/USDT" in outcome.detail
    assert "ADA/USDT: POST forceexit: 502" in outcome.detail
    assert list(held(recording)) == ["ADA/USDT"]
    recording.refuses_exits = None
    assert bot.bring_to(CLOSED).done
    assert proof(bot, CLOSED).done


def test_named_positions_are_closed_one_by_one_and_the_others_stay(
    bot: BotControl, recording: Recording
) -> None:
    assert bot.bring_to(Target({"ADA/USDT long": 0.0})).done
    assert recording.orders == [("forceexit", {"tradeid": "24", "ordertype": "market"})]
    assert list(held(recording)) == ["ATOM/USDT"]


def test_a_position_is_risky_near_its_stop_or_far_larger_than_the_others(
    bot: BotControl, recording: Recording
) -> None:
    ada, atom = recording.answers["status"]
    atom |= {"profit_ratio": -0.002}  # a third of the way to its stop
    small = [atom | {"trade_id": 70 + n, "pair": f"COIN{n}/USDT"} for n in range(3)]
    large = atom | {"trade_id": 80, "pair": "BTC/USDT", "stake_amount": 400.0}
    recording.answers["status"] = [ada, atom, *small, large]
    assert risky(bot) == Target({"ADA/USDT long": 0.0, "BTC/USDT long": 0.0})
    recording.answers["status"] = [atom, *small]
    nothing = risky(bot)
    assert isinstance(nothing, Outcome)
    assert nothing.result is Result.FAILED
    assert "none of its 4 positions is risky" in nothing.detail
    recording.answers["status"] = [atom | {"profit_ratio": None}, *small]
    unknown = risky(bot)
    assert isinstance(unknown, Outcome)
    assert unknown.result is Result.CANNOT


def risky(bot: BotControl) -> Target | Outcome:
    standing = bot.standing()
    assert isinstance(standing, BotStatus)
    return close_risky_positions(bot, standing)


def test_an_entry_that_was_never_filled_is_gone_though_the_answer_is_502(
    bot: BotControl, recording: Recording
) -> None:
    recording.answers["status"] = [unfilled(recording)]
    assert bot.bring_to(Target({"LINK/USDT long": 0.0})).done
    assert held(recording) == {}


def test_a_reduction_exits_a_part_of_each_trade_and_a_repeat_nothing(
    bot: BotControl, recording: Recording
) -> None:
    before = without_orders(recording)
    waiting = unfilled(recording)["pair"]
    target = Target({key: amount / 4 for key, amount in before.items()})
    assert bot.bring_to(target).orders == 2
    assert bot.bring_to(target).orders == 0
    after = held(recording)
    assert {key: after[key.partition(" ")[0]] for key in before} == pytest.approx(target.positions)
    assert {body["tradeid"] for _, body in recording.orders} == {"24", "56"}
    assert waiting in after
    assert proof(bot, target).done


def test_a_part_is_not_exited_while_another_exit_waits_to_be_filled(
    bot: BotControl, recording: Recording
) -> None:
    target = Target({"ADA/USDT long": 113.35})  # whose recorded exit may be filled at any moment
    outcome = bot.bring_to(target)
    assert outcome == Outcome.retry("its entries continue as before; ADA/USDT: an exit waits to be filled")
    assert recording.orders == []
    assert not proof(bot, target).done
    assert (
        bot.bring_to(Target({"ADA/USDT long": 0.0})).orders == 1
    )  # a position that is wholly sold cannot be sold twice


def test_the_next_attempt_does_the_failed_part_of_a_reduction(bot: BotControl, recording: Recording) -> None:
    before = without_orders(recording)
    target = Target({key: amount / 2 for key, amount in before.items()})
    recording.refuses_exits = "ADA/USDT"
    outcome = bot.bring_to(target)
    assert outcome.result is Result.RETRY
    assert "exit ordered: ATOM/USDT" in outcome.detail
    assert "ADA/USDT: POST forceexit: 502" in outcome.detail
    assert "would be too small" in outcome.detail
    assert outcome.orders == 2
    recording.refuses_exits = None
    assert bot.bring_to(target).orders == 1
    assert proof(bot, target).done


def test_a_freqtrade_that_exits_only_whole_trades_is_not_reduced(
    recording: Recording, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    with serve(recording) as url:
        recording.answers["show_config"]["version"] = "2022.7"
        adapter = adapter_of(url, tmp_path)
        assert adapter.bring_to(Target({"ADA/USDT long": 1.0}), "run-1").result is Result.CANNOT
        assert recording.orders == []
        assert adapter.bring_to(Target({"ADA/USDT long": 0.0}), "run-1").done


@pytest.mark.parametrize("amount", ["null", "NaN"])
def test_figures_that_freqtrade_does_not_know_are_unknown_not_zero(
    bot: BotControl, recording: Recording, amount: str
) -> None:
    ada = recording.answers["status"][0] | {"profit_abs": None, "profit_ratio": None, "amount": 12345678}
    body = json.dumps([ada | {"stake_amount": float("nan")}]).replace("12345678", amount)
    recording.broken["status"] = (200, body.encode())
    standing = bot.standing()
    assert isinstance(standing, BotStatus)
    assert standing.positions is not None
    position = standing.positions[0]
    assert (position.value, position.profit, position.quantity, position.risky) == (None, None, None, None)
    recording.state = "paused"
    assert proof(bot, CLOSED).result is Result.RETRY
    assert proof(bot, Target({"ADA/USDT long": 1.0})).result is Result.CANNOT
    assert bot.bring_to(Target({"ADA/USDT long": 1.0})).result is Result.CANNOT
    assert recording.orders == []
    assert bot.bring_to(CLOSED).orders == 1  # the whole position can still be closed


def test_entries_are_stopped_and_allowed_again(bot: BotControl, recording: Recording) -> None:
    assert proof(bot, STOPPED_ENTRIES).result is Result.RETRY
    assert bot.bring_to(STOPPED_ENTRIES).orders == 1
    assert bot.bring_to(STOPPED_ENTRIES).orders == 0
    assert proof(bot, STOPPED_ENTRIES) == Outcome.ok("it is paused")
    assert bot.resume().done
    assert recording.state == "running"


def test_an_older_freqtrade_that_knows_no_pause_is_locked_instead(
    bot: BotControl, recording: Recording
) -> None:
    recording.knows_pause = False
    assert bot.bring_to(STOPPED_ENTRIES).done
    assert proof(bot, STOPPED_ENTRIES) == Outcome.ok("it is locked against entries")
    assert bot.bring_to(STOPPED_ENTRIES).orders == 0
    assert [verb for verb, _ in recording.orders] == ["pause", "locks"]
    assert bot.resume().done
    assert not proof(bot, STOPPED_ENTRIES).done


def test_resuming_leaves_the_locks_of_others(bot: BotControl, recording: Recording) -> None:
    recording.control("locks", [{"pair": "*", "until": "2099-01-01T00:00:00Z", "reason": "the owner's"}])
    assert bot.resume().done
    _, told = recording.answer("locks", {})
    assert [lock["reason"] for lock in told["locks"]] == ["the owner's"]


@pytest.mark.parametrize(("state", "after"), [("running", "running"), ("paused", "paused")])
def test_a_reload_leaves_a_bot_as_paused_as_it_was(
    bot: BotControl, recording: Recording, state: str, after: str
) -> None:
    recording.state, recording.logs = state, recording.logs[:1]  # without the failed calls at its end
    assert bot.retry_connection().done
    standing = bot.standing()
    while isinstance(standing, BotStatus) and standing.state == "reload_config":
        standing = bot.standing()
    if isinstance(standing, Outcome):  # nothing listens for a moment
        standing = bot.standing()
    assert isinstance(standing, BotStatus)
    assert standing.state == after


@pytest.mark.parametrize("verb", CANNOT)
def test_a_verb_that_freqtrade_lacks_is_reported(bot: BotControl, recording: Recording, verb: Verb) -> None:
    outcome = bot.adapter.carry_out(Order(verb), "key")
    assert outcome == Outcome.cannot(f"Freqtrade's API has no {verb}")
    assert recording.orders == []


def test_the_last_trades_are_read_from_the_end(bot: BotControl, recording: Recording) -> None:
    trades = bot.trades(3)
    assert not isinstance(trades, Outcome)
    last = sorted(recording.trades, key=lambda trade: trade["trade_id"])[-3:]
    assert {trade.profit for trade in trades} == {trade["profit_abs"] for trade in last}
    assert [trade.closed_at for trade in trades] == sorted(trade.closed_at for trade in trades)


def test_a_foreign_answer_is_reported_with_its_place(bot: BotControl, recording: Recording) -> None:
    recording.broken["show_config"] = (200, b'{"version": 3}')
    outcome = bot.standing()
    assert isinstance(outcome, Outcome)
    assert outcome.result is Result.FAILED
    assert "GET show_config: state cannot be read; is this Freqtrade's API?" in outcome.detail
