"""Each control verb has an effect that the bot's state shows, once for an idempotency key."""

import threading
import time
from collections import Counter
from typing import Any

import pytest

from tests.conftest import eventually
from tests.demo_bot.conftest import Bot


def positions(bot: Bot) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bot.state()["open_positions"]
    return found


def holding(bot: Bot) -> list[dict[str, Any]]:
    """Wait until some positions are open, then pause."""
    eventually(lambda: len(positions(bot)) >= 2, what="two open positions")
    bot.done("pause")
    return positions(bot)


def test_a_paused_bot_enters_nothing_while_exits_go_on(bot: Bot) -> None:
    holding(bot)
    state = bot.state()
    assert (state["state"], state["pending_orders"]) == ("paused", 0)
    eventually(lambda: positions(bot) == [], what="the exit of all positions")
    time.sleep(0.8)
    assert positions(bot) == []
    bot.done("resume")
    assert bot.state()["state"] == "running"
    eventually(lambda: positions(bot), what="a new position")


def test_closing_all_leaves_a_paused_bot_flat_and_makes_trades_of_all(bot: Bot) -> None:
    held, last = holding(bot), bot.state()["last_trade_id"]
    bot.done("close_positions", {"scope": "all"})
    assert positions(bot) == []
    assert bot.state()["exposure"] == 0
    assert bot.state()["last_trade_id"] >= last + 1
    newest = bot.get(f"/trades?since_id={last}")["trades"]
    assert {trade["symbol"] for trade in newest} <= {position["symbol"] for position in held}
    assert bot.done("close_positions", {"scope": "all"}) == "0 positions closed"


def test_closing_a_symbol_leaves_the_others(bot: Bot) -> None:
    symbol = holding(bot)[0]["symbol"]
    bot.done("close_positions", {"symbols": [symbol]})
    assert symbol not in {position["symbol"] for position in positions(bot)}


def test_an_unknown_symbol_is_refused_with_the_known_ones(bot: Bot) -> None:
    answer = bot.control("close_positions", {"symbols": ["DOGE/USDT"]})
    assert answer.status_code == 409
    assert "DOGE/USDT is not traded here; known: ADA/USDT" in answer.json()["error"]


def test_reducing_keeps_the_factor_of_each_position_and_books_the_rest(bot: Bot) -> None:
    bot.fault("stale_data")
    bot.done("restart")
    eventually(lambda: len(positions(bot)) >= 2)
    bot.fault("loop_hang")  # so that only the verb closes a position
    before, last = {p["id"]: p["size"] for p in positions(bot)}, bot.state()["last_trade_id"]
    bot.done("reduce_positions", {"factor": 0.25})
    after = {p["id"]: p["size"] for p in positions(bot)}
    assert after == pytest.approx({id_: size / 4 for id_, size in before.items()})
    sold = [trade["size"] for trade in bot.get(f"/trades?since_id={last}")["trades"]]
    assert sorted(sold) == pytest.approx(sorted(size * 3 / 4 for size in before.values()))


def test_reducing_to_sizes_sells_what_is_above_and_leaves_the_others(bot: Bot) -> None:
    bot.done("restart")

    def alone() -> list[Any]:  # a size is that of all positions of a symbol and side
        held = Counter((p["symbol"], p["side"]) for p in positions(bot))
        return [p for p in positions(bot) if held[p["symbol"], p["side"]] == 1]

    eventually(lambda: len(alone()) >= 2, within=60)
    bot.fault("loop_hang")
    first, second = alone()[:2]
    others = [p for p in positions(bot) if p["id"] not in (first["id"], second["id"])]
    wanted = [
        {"symbol": first["symbol"], "side": first["side"], "size": first["size"] / 4},
        {"symbol": second["symbol"], "side": second["side"], "size": second["size"] * 2},
        {"symbol": "DOGE/USDT", "side": "long", "size": 0},
    ]
    for _ in range(2):  # with the same key, like a retry of Nightdesk
        bot.control("reduce_positions", {"positions": wanted, "factor": 0.5}, key="to-sizes")
        after = {p["id"]: p["size"] for p in positions(bot)}
        assert after == pytest.approx(
            {p["id"]: p["size"] for p in (second, *others)} | {first["id"]: first["size"] / 4}
        )


def test_a_refused_order_is_sent_again_under_its_key(bot: Bot) -> None:
    bot.done("restart")
    first, *_ = eventually(lambda: positions(bot))
    bot.fault("loop_hang")
    nothing = {"positions": [{"symbol": first["symbol"], "side": first["side"], "size": 0}]}
    bot.fault("api_errors", {"share": 1})
    assert bot.control("reduce_positions", nothing, key="refused").status_code == 409
    bot.mend("api_errors")
    assert bot.control("reduce_positions", nothing, key="refused").status_code == 200
    assert first["id"] not in {position["id"] for position in positions(bot)}


def test_the_same_key_reduces_once_and_answers_the_same(bot: Bot) -> None:
    eventually(lambda: positions(bot))
    bot.fault("loop_hang")
    first = bot.control("reduce_positions", {"factor": 0.5}, key="reduce-1")
    once = positions(bot)
    again = bot.control("reduce_positions", {"factor": 0.5}, key="reduce-1")
    assert again.json() == first.json()
    assert positions(bot) == once
    bot.control("reduce_positions", {"factor": 0.5}, key="reduce-2")
    assert positions(bot) != once


def test_a_key_that_comes_with_another_request_is_refused(bot: Bot) -> None:
    bot.control("clear_cache", key="mine")
    answer = bot.control("pause", key="mine")
    assert answer.status_code == 422
    assert "belongs to 'clear_cache {}'" in answer.json()["error"]
    assert bot.state()["state"] == "running"


def test_two_restarts_at_once_with_one_key_are_one(bot: Bot) -> None:
    answers: list[Any] = []

    def restart() -> None:
        answers.append(bot.control("restart", {"wait": 0.2}, key="restart-at-once").json())

    threads = [threading.Thread(target=restart) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["detail"] == f"running as process {bot.state()['process']['pid']}"


def test_a_request_that_the_bot_was_too_dead_for_can_be_made_again_with_its_key(bot: Bot) -> None:
    bot.fault("crash")
    assert bot.control("pause", key="late").status_code == 503
    bot.done("start")
    assert bot.control("pause", key="late").status_code == 200
    assert bot.state()["state"] == "paused"


def test_a_verb_whose_outcome_died_with_the_bot_is_not_repeated_under_its_key(bot: Bot) -> None:
    bot.fault("hang")
    waiting = threading.Thread(target=bot.control, args=("reduce_positions", None, "lost"))
    waiting.start()
    eventually(lambda: bot.is_on("drift") is None)
    bot.done("restart")
    waiting.join()
    answer = bot.control("reduce_positions", key="lost")
    assert answer.status_code == 409
    assert "read the state, then send it with a new key" in answer.json()["error"]


def test_stop_is_reported_as_stopped_and_start_continues_with_the_account(bot: Bot) -> None:
    eventually(lambda: bot.state()["trades_closed"] > 2)
    before = bot.trades()
    bot.done("stop")
    state = bot.state()
    assert state["state"] == "stopped"
    assert state["trades_closed"] == state["last_trade_id"] >= len(before)
    assert "equity" not in state, "unknown while stopped"
    assert bot.trades()[: len(before)] == before
    refused = bot.control("pause")
    assert refused.status_code == 409
    assert "start it first" in refused.json()["error"]
    assert bot.done("stop") == "already stopped"
    bot.done("start")
    assert bot.done("start") == "already running"
    assert bot.state()["trades_closed"] >= state["trades_closed"]


def test_restart_waits_as_long_as_requested(bot: Bot) -> None:
    began = time.monotonic()
    bot.done("restart", {"wait": 0.8})
    assert time.monotonic() - began >= 0.8


def test_an_endpoint_is_switched_to_the_named_one_or_the_next(bot: Bot) -> None:
    assert bot.done("switch_endpoint", {"endpoint": "https://x.example/v3"}) == "now at https://x.example/v3"
    assert bot.done("switch_endpoint") == "now at https://api1.exchange.example"
    assert bot.done("switch_endpoint") == "now at https://api2.exchange.example"
    assert bot.control("switch_endpoint", {"endpoint": "nowhere"}).status_code == 422


def test_reduced_processing_polls_the_exchange_less_often(bot: Bot) -> None:
    bot.done("reduce_processing")
    seen: set[float] = set()
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        seen |= set(bot.state()["feeds"].values())
        time.sleep(0.1)
    assert len(seen) <= 3
    bot.done("restart")


def test_an_adjusted_strategy_stakes_half(bot: Bot) -> None:
    usual = eventually(lambda: positions(bot))[0]["stake"]
    bot.done("adjust_strategy")
    bot.done("adjust_strategy")
    eventually(lambda: any(p["stake"] < 0.6 * usual for p in positions(bot)))
    assert all(p["stake"] > 0.4 * usual for p in positions(bot))
    bot.done("restart")


def test_adjusted_parameters_leave_only_the_predictions_that_the_model_is_sure_of(bot: Bot) -> None:
    def confidence() -> float:
        return float(bot.state()["models"]["direction"].get("prediction_confidence", 0))

    before = eventually(confidence)
    bot.done("adjust_parameters")
    eventually(lambda: confidence() > before + 0.03)
    bot.done("restart")


def test_optimized_connections_answer_sooner(bot: Bot) -> None:
    def mean(before: dict[str, float], after: dict[str, float]) -> float:
        return (after["sum"] - before["sum"]) / max(1, after["count"] - before["count"])

    def times() -> dict[str, float]:
        found: dict[str, float] = bot.state()["api"]["response_seconds"]
        return found

    start = times()
    between = eventually(lambda: now if (now := times())["count"] > start["count"] + 15 else None)
    bot.done("optimize_connections")
    between_after = times()
    end = eventually(lambda: now if (now := times())["count"] > between["count"] + 15 else None)
    assert mean(between_after, end) < mean(start, between)
    bot.done("restart")
