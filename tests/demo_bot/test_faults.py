"""Each fault shows in the bot's state, and ends as the API's document says."""

import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import requests

from demo_bot.trader import TICK_SECONDS
from tests.conftest import eventually
from tests.demo_bot.conftest import Bot

FROZEN_SECONDS = 0.5  # how long a request to a frozen bot waits


def errors(bot: Bot) -> int:
    return int(bot.state()["api"]["requests_error_total"])


def slow_calls(bot: Bot) -> int:
    buckets = bot.state()["api"]["response_seconds"]["buckets"]
    return int(buckets["+Inf"] - buckets["5"])


def rises(bot: Bot, count: Callable[[Bot], int]) -> bool:
    """Whether a counter moves within a few ticks, during which the bot polls the exchange."""
    before, until = count(bot), time.monotonic() + 4 * TICK_SECONDS
    while time.monotonic() < until:
        if count(bot) > before:
            return True
        time.sleep(0.1)
    return False


def memory(bot: Bot) -> int:
    return int(psutil.Process(bot.state()["process"]["pid"]).memory_info().rss)


def test_a_crash_is_answered_with_503_until_somebody_starts_the_bot_again(bot: Bot) -> None:
    before = bot.state()["started_at"]
    bot.fault("crash")
    for method, path in (("GET", "/state"), ("GET", "/trades"), ("POST", "/control/pause")):
        answer = bot.ask(method, path)
        assert (answer.status_code, answer.json()) == (503, {"error": "the trading process is not running"})
    time.sleep(1)
    assert bot.ask("GET", "/state").status_code == 503
    assert bot.is_up()
    bot.done("start")
    assert bot.state()["started_at"] > before


def test_a_bot_that_stays_down_refuses_to_start_until_the_fault_is_switched_off(bot: Bot) -> None:
    bot.fault("stay_down")
    assert bot.state()["state"] == "running"
    bot.fault("crash")
    for verb in ("start", "restart"):
        answer = bot.control(verb)
        assert answer.status_code == 503
        assert "ended at its start" in answer.json()["error"]
    assert "Failed to start: the fault stay_down is switched on" in bot.log()
    bot.mend("stay_down")
    bot.done("start")
    assert bot.state()["state"] == "running"


def test_a_frozen_bot_does_not_answer_yet_its_supervisor_does(bot: Bot) -> None:
    bot.fault("hang")
    with pytest.raises(requests.Timeout):
        bot.ask("GET", "/state", timeout=FROZEN_SECONDS)
    assert bot.is_on("hang") is True
    assert bot.is_on("drift") is None
    bot.mend("hang")
    assert bot.state()["state"] == "running"


def test_a_restart_heals_a_frozen_bot(bot: Bot) -> None:
    pid = bot.state()["process"]["pid"]
    bot.fault("hang")
    bot.done("restart")
    assert bot.state()["process"]["pid"] != pid
    assert not psutil.pid_exists(pid)


def test_a_hung_loop_answers_while_its_last_activity_grows_old(bot: Bot) -> None:
    bot.fault("loop_hang")
    time.sleep(1)
    state = bot.state()
    assert state["time"] - state["last_activity_at"] > 0.6
    bot.mend("loop_hang")
    eventually(lambda: (s := bot.state())["time"] - s["last_activity_at"] < 0.3)


@pytest.mark.parametrize("verb", ["switch_endpoint", "retry_connection"])
def test_api_errors_are_counted_until_a_verb_mends_them(bot: Bot, verb: str) -> None:
    logged = bot.log().count("API error: ")
    bot.fault("api_errors", {"share": 0.8})
    before = errors(bot)
    eventually(lambda: errors(bot) > before, what="an error")
    assert bot.log().count("API error: ") > logged
    bot.done(verb)
    assert bot.is_on("api_errors") is False
    assert not rises(bot, errors)


@pytest.mark.parametrize("verb", ["switch_endpoint", "optimize_connections"])
def test_slow_answers_are_in_the_histogram_until_a_verb_mends_them(bot: Bot, verb: str) -> None:
    logged = bot.log().count("Slow operation: ")
    bot.fault("slow_api")
    before = slow_calls(bot)
    eventually(lambda: slow_calls(bot) > before, what="a slow call")
    assert bot.log().count("Slow operation: ") > logged
    bot.done(verb)
    assert not rises(bot, slow_calls)


def test_stale_feeds_grow_old_until_the_connection_is_retried(bot: Bot) -> None:
    bot.fault("stale_data")
    feeds = bot.state()["feeds"]
    time.sleep(1.5)
    assert bot.state()["feeds"] == feeds
    assert not rises(bot, errors)
    bot.done("retry_connection")
    eventually(lambda: all(at > feeds[symbol] for symbol, at in bot.state()["feeds"].items()))


def test_drift_is_detected_and_ends_the_models_skill_until_it_is_retrained(bot: Bot) -> None:
    eventually(lambda: bot.state()["models"]["direction"].get("accuracy", 0) > 0.75)
    bot.fault("drift", {"score": 0.5})
    model = bot.state()["models"]["direction"]
    assert (model["drift_detected"], model["drift_score"]) == (True, 0.5)
    accuracy, retrainings = model["accuracy"], model["retrainings_total"]
    eventually(lambda: bot.state()["models"]["direction"]["accuracy"] < accuracy)
    bot.done("retrain_model")
    model = bot.state()["models"]["direction"]
    assert model["drift_detected"] is False
    assert model["retrainings_total"] == retrainings + 1
    assert model["last_retraining_at"] <= bot.state()["time"]
    assert "accuracy" not in model, "a model that has not been tried has no accuracy"


def test_memory_grows_to_its_bound_until_the_cache_is_cleared(bot: Bot) -> None:
    before = memory(bot)
    bot.fault("memory_growth", {"megabytes": 50})
    eventually(lambda: memory(bot) - before > 9_000_000)
    assert "High memory usage: cache grew to 10 MB" in bot.log()
    bot.done("clear_cache")
    assert memory(bot) - before < 9_000_000


def test_log_errors_write_error_lines_and_tracebacks_at_the_given_rate(bot: Bot) -> None:
    bot.fault("log_errors", {"per_second": 40})
    eventually(lambda: bot.log().count(" - ERROR - Failed to read the order book") > 40)
    bot.mend("log_errors")
    log = bot.log()
    assert "Traceback (most recent call last):" in log
    assert "json.decoder.JSONDecodeError: Expecting value" in log


def test_a_drawdown_takes_real_money_by_closed_trades_and_open_loss(bot: Bot) -> None:
    bot.done("pause")
    before = bot.state()
    bot.fault("drawdown", {"ratio": 0.3})
    after = bot.state()
    assert after["equity"] == pytest.approx(before["equity"] * 0.7, rel=0.01)
    assert after["profit_open"] < -0.1 * before["equity"]
    worst = min(bot.trades(), key=lambda trade: trade["profit"])
    assert worst["profit"] < -0.1 * before["equity"]
    assert bot.ask("DELETE", "/faults/drawdown").status_code == 409
    bot.done("close_positions", {"scope": "risky"})
    assert bot.state()["profit_open"] > -0.01 * before["equity"]


def opened(bot: Bot, fault: str, arguments: dict[str, float] | None = None) -> dict[str, Any]:
    """Return the position that a fault opens in a bot that enters nothing else."""
    bot.done("pause")
    before = {position["id"] for position in bot.state()["open_positions"]}
    bot.fault(fault, arguments)
    found: list[dict[str, Any]] = bot.state()["open_positions"]
    [position] = [each for each in found if each["id"] not in before]
    return position


def test_an_unprotected_position_has_no_stop_and_others_have_one(bot: Bot) -> None:
    assert "stop_price" not in opened(bot, "unprotected")
    position = opened(bot, "funding_drain")
    assert position["stop_price"] < position["price"]
    assert position["leverage"] == 1
    assert "liquidation_price" not in position


def test_an_unprotected_position_has_a_stop_once_the_fault_is_switched_off(bot: Bot) -> None:
    bare = opened(bot, "unprotected")
    assert bot.get("/faults")["faults"]["unprotected"]["active"]
    bot.mend("unprotected")
    assert not bot.get("/faults")["faults"]["unprotected"]["active"]
    [held] = [each for each in bot.state()["open_positions"] if each["id"] == bare["id"]]
    assert 0 < held["stop_price"] < held["price"]


def test_a_position_near_its_liquidation_is_risky_and_closed_as_such(bot: Bot) -> None:
    position = opened(bot, "liquidation_near", {"distance": 0.03})
    assert position["liquidation_price"] == pytest.approx(0.97 * position["entry_price"])
    assert position["liquidation_price"] < position["stop_price"] < position["price"]
    assert position["leverage"] == pytest.approx(1 / 0.035)
    assert position["risky"]
    bot.done("close_positions", {"scope": "risky"})
    assert position["id"] not in {each["id"] for each in bot.state()["open_positions"]}


def test_funding_is_paid_out_of_the_equity_and_is_part_of_the_profit(bot: Bot) -> None:
    position = opened(bot, "funding_drain", {"ratio": 0.1})
    assert position["funding_paid"] == pytest.approx(0.1 * position["stake"])
    assert position["profit"] == pytest.approx(-0.1 * position["stake"], rel=0.1)
    bot.done("close_positions", {"scope": "all"})
    closed = [trade for trade in bot.trades() if trade["fees"] > 0.09 * trade["stake"]]
    assert closed[-1]["profit"] == pytest.approx(-closed[-1]["fees"], rel=0.1)
    state = bot.state()
    whole = state["starting_capital"] + state["profit_realised"] + state["profit_open"]
    assert state["equity"] == pytest.approx(whole)


def test_stuck_orders_wait_until_the_connection_is_retried(bot: Bot) -> None:
    bot.done("close_positions", {"scope": "all"})
    bot.fault("stuck_orders")
    first = eventually(lambda: bot.state()["open_orders"])[0]
    time.sleep(1.5)
    assert first in bot.state()["open_orders"]
    assert not bot.state()["open_positions"]
    bot.done("retry_connection")
    assert bot.is_on("stuck_orders") is False
    eventually(lambda: first not in bot.state()["open_orders"])


def slips(trade: dict[str, Any]) -> tuple[float | None, float]:
    """Return by how many basis points entry and exit of a trade were worse than ordered."""
    ahead = 1 if trade["side"] == "long" else -1
    asked, left = trade["entry_price_requested"], trade["exit_price_requested"]
    entry = None if asked is None else ahead * (trade["entry_price"] / asked - 1) * 10_000
    return entry, ahead * (1 - trade["exit_price"] / left) * 10_000


def test_worse_fills_cost_what_was_asked_for_less_on_either_leg_and_side(bot: Bot) -> None:
    bot.fault("worse_fills", {"basis_points": 80})
    known = max((trade["id"] for trade in bot.trades()), default=0)

    def after() -> list[dict[str, Any]]:
        return [each for each in bot.trades() if each["id"] > known]

    def sides() -> set[str]:
        return {trade["side"] for trade in after() if (slips(trade)[0] or 0) > 40}

    eventually(lambda: sides() == {"long", "short"}, what="trades of both sides entered at worse prices")
    assert all(slips(trade)[1] == pytest.approx(80, abs=1e-6) for trade in after())
    state = bot.state()
    assert state["equity"] == pytest.approx(
        state["starting_capital"] + state["profit_realised"] + state["profit_open"]
    )


def test_a_restart_ends_the_faults_of_the_trading_process(bot: Bot) -> None:
    for name in (
        "api_errors",
        "slow_api",
        "drift",
        "stale_data",
        "stuck_orders",
        "memory_growth",
        "log_errors",
        "worse_fills",
        "loop_hang",
    ):
        bot.fault(name)
        assert bot.is_on(name) is True
    bot.done("restart")
    assert not any(fault["active"] for fault in bot.get("/faults")["faults"].values())


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("api_errors", {"share": 0}),
        ("api_errors", {"share": "much"}),
        ("drawdown", {"ratio": 0.9}),
        ("liquidation_near", {"distance": 0}),
        ("memory_growth", {"megabytes": 10**9}),
        ("crash", {"now": True}),
        ("slow_api", [1]),
    ],
)
def test_wrong_fault_arguments_change_nothing(bot: Bot, name: str, arguments: object) -> None:
    before = bot.state()["started_at"]
    answer = bot.ask("POST", f"/faults/{name}", json=arguments)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("body")
    assert bot.is_on(name) is False
    assert bot.state()["started_at"] == before


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_an_unknown_fault_is_answered_with_the_known_ones(bot: Bot, method: str) -> None:
    answer = bot.ask(method, "/faults/earthquake")
    assert answer.status_code == 404
    assert "crash" in answer.json()["known"]
