"""How a Freqtrade bot is closed, reduced, paused and reloaded, against what was recorded of a live one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.observer import Observer
from stack.settings import FreqtradeBot
from tests.freqtrade_replay import PASSWORD, RECORDINGS, USER, Recording, recorded, serve
from webhook_actions.actions.close_all_positions import close_all_positions, is_out_of_the_market
from webhook_actions.actions.stop_entries import stop_entries
from webhook_actions.bots import BotControl
from webhook_actions.bots.freqtrade import FreqtradeAdapter
from webhook_actions.bots.protocol import Order, Standing, Verb
from webhook_actions.outcome import Outcome, Result

NOBODY: Any = None  # the incident, which these actions do not look at
CANNOT = [Verb.RETRAIN_MODEL, Verb.SWITCH_ENDPOINT, Verb.CLEAR_CACHE, Verb.ADJUST_STRATEGY]


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
def bot(recording: Recording, tmp_path: Path) -> Iterator[BotControl]:
    (tmp_path / "password").write_text(PASSWORD)
    with serve(recording) as url:
        access = FreqtradeBot(type="freqtrade", url=url, username=USER, password_file=tmp_path / "password")
        adapter = FreqtradeAdapter(access, 2, sleep=lambda _: None)
        observer = Observer(["http://127.0.0.1:9"], [], 0.5)
        yield BotControl("alpha", "step-1", adapter, adapter, observer, 0, 5, 0.5, sleep=lambda _: None)


def held(recording: Recording) -> dict[str, float]:
    return {trade["pair"]: trade["amount"] for trade in recording.answers["status"]}


def unfilled(recording: Recording) -> dict[str, Any]:
    """Add an entry that waits to be filled, and return it."""
    trade: dict[str, Any] = recording.answers["status"][0] | {"trade_id": 63, "pair": "LINK/USDT"}
    trade |= {"amount": 0.0, "stake_amount": 0.0, "profit_abs": -0.1, "has_open_orders": True}
    recording.answers["status"].append(trade)
    return trade


def test_closing_all_goes_in_the_order_that_was_recorded_to_stay_flat(
    bot: BotControl, recording: Recording
) -> None:
    actions = json.loads((RECORDINGS / "actions.json").read_text())
    start = next(i for i, each in enumerate(actions) if "flatten order" in each["note"])
    wanted = [(each["path"].removeprefix("/api/v1/"), each["body"]) for each in actions[start : start + 2]]
    assert close_all_positions(bot, NOBODY).done
    assert recording.orders == wanted
    assert is_out_of_the_market(bot) == Outcome.ok("it is paused")


def test_closing_without_a_pause_is_not_taken_for_being_out_of_the_market(
    bot: BotControl, recording: Recording
) -> None:
    assert bot.close_positions("all").done
    proof = is_out_of_the_market(bot)
    assert proof.result is Result.RETRY
    assert "still holds ADA/USDT" in proof.detail


def test_a_stopped_bot_is_started_paused_before_it_is_closed(bot: BotControl, recording: Recording) -> None:
    recording.state = "stopped"
    assert bot.is_paused().done
    assert "still holds" in bot.is_flat().detail  # though /count refuses to answer now
    assert close_all_positions(bot, NOBODY).done
    assert [verb for verb, _ in recording.orders] == ["pause", "forceexit"]
    assert is_out_of_the_market(bot).done


def test_what_cannot_be_paused_is_not_closed(bot: BotControl, recording: Recording) -> None:
    recording.broken["show_config"] = (503, b"")
    outcome = close_all_positions(bot, NOBODY)
    assert outcome.result is Result.RETRY
    assert "nothing was closed" in outcome.detail
    assert recording.orders == []
    assert recording.calls.count("/api/v1/show_config") == 3


def test_a_refusal_says_its_reason(bot: BotControl, recording: Recording) -> None:
    unknown = recorded("forceexit, unknown trade")[1]["error"]
    recording.answers["status"][0]["trade_id"] = 999999
    recording.broken["status"] = (200, json.dumps(recording.answers["status"]).encode())
    recording.answers["status"] = []
    outcome = bot.close_positions("losing")
    assert outcome.result is Result.RETRY
    assert unknown in outcome.detail


def test_losing_positions_are_closed_one_by_one_and_the_others_stay(
    bot: BotControl, recording: Recording
) -> None:
    recording.answers["status"][1]["profit_abs"] = 0.4
    assert bot.close_positions("losing") == Outcome.ok("exit ordered: ADA/USDT")
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
    assert bot.close_positions("risky").done
    assert list(held(recording)) == ["ATOM/USDT", "COIN0/USDT", "COIN1/USDT", "COIN2/USDT"]
    nothing = bot.close_positions("risky")
    assert nothing.result is Result.FAILED
    assert "none of its 4 positions is risky" in nothing.detail


def test_an_entry_that_was_never_filled_is_gone_though_the_answer_is_502(
    bot: BotControl, recording: Recording
) -> None:
    recording.answers["status"] = [unfilled(recording)]
    assert bot.close_positions("losing").done
    assert held(recording) == {}


def test_a_reduction_exits_a_part_of_each_filled_trade(bot: BotControl, recording: Recording) -> None:
    before = held(recording)
    waiting = unfilled(recording)["pair"]
    assert bot.reduce_positions(0.25).done
    after = held(recording)
    assert {pair: after[pair] for pair in before} == {
        pair: pytest.approx(amount / 4) for pair, amount in before.items()
    }
    assert [body["tradeid"] for _, body in recording.orders] == ["24", "56"]
    assert waiting in after


def test_a_reduction_that_failed_in_part_is_not_tried_again_and_says_what_was_done(
    bot: BotControl, recording: Recording
) -> None:
    recording.refuses_parts = "ADA/USDT"
    outcome = bot.reduce_positions(0.5)
    assert outcome.result is Result.FAILED
    assert "reduced to 0.5: ATOM/USDT" in outcome.detail
    assert "ADA/USDT: POST forceexit: 502" in outcome.detail
    assert "would be too small" in outcome.detail
    assert len(recording.orders) == 2


def test_entries_are_stopped_and_allowed_again(bot: BotControl, recording: Recording) -> None:
    assert bot.is_paused().result is Result.RETRY
    assert stop_entries(bot, NOBODY).done
    assert stop_entries(bot, NOBODY).done
    assert bot.is_paused().done
    assert bot.resume().done
    assert recording.state == "running"


def test_an_older_freqtrade_that_knows_no_pause_is_locked_instead(
    bot: BotControl, recording: Recording
) -> None:
    recording.knows_pause = False
    assert bot.pause().done
    assert bot.is_paused() == Outcome.ok("it is locked against entries")
    assert [verb for verb, _ in recording.orders] == ["pause", "locks"]
    assert bot.resume().done
    assert not bot.is_paused().done


def test_resuming_leaves_the_locks_of_others(bot: BotControl, recording: Recording) -> None:
    recording.control("locks", [{"pair": "*", "until": "2099-01-01T00:00:00Z", "reason": "the owner's"}])
    assert bot.resume().done
    assert bot.is_paused().done


@pytest.mark.parametrize(("state", "after"), [("running", "running"), ("paused", "paused")])
def test_a_reload_leaves_a_bot_as_paused_as_it_was(
    bot: BotControl, recording: Recording, state: str, after: str
) -> None:
    recording.state = state
    assert bot.retry_connection().done
    standing = bot.standing()
    while isinstance(standing, Standing) and standing.state == "reload_config":
        standing = bot.standing()
    if isinstance(standing, Outcome):  # nothing listens for a moment
        standing = bot.standing()
    assert isinstance(standing, Standing)
    assert standing.state == after


@pytest.mark.parametrize("verb", CANNOT)
def test_what_freqtrade_has_no_call_for_is_said(bot: BotControl, recording: Recording, verb: Verb) -> None:
    outcome = bot.adapter.carry_out(Order(verb), "key")
    assert outcome == Outcome.cannot(f"Freqtrade's API has no {verb}")
    assert recording.orders == []


def test_the_last_trades_are_read_from_the_end(bot: BotControl, recording: Recording) -> None:
    trades = bot.trades(3)
    assert not isinstance(trades, Outcome)
    last = sorted(recording.trades, key=lambda trade: trade["trade_id"])[-3:]
    assert {trade.profit for trade in trades} == {trade["profit_abs"] for trade in last}
    assert [trade.closed_at for trade in trades] == sorted(trade.closed_at for trade in trades)


def test_an_answer_that_is_not_freqtrades_is_told_with_its_place(
    bot: BotControl, recording: Recording
) -> None:
    recording.broken["show_config"] = (200, b'{"version": 3}')
    outcome = bot.is_paused()
    assert outcome.result is Result.FAILED
    assert "GET show_config: state cannot be read; is this Freqtrade's API?" in outcome.detail
