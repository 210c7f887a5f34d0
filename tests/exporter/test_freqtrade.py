"""Freqtrade in the exporter: the recorded figures, refusals and pitfalls."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.exporter.harness import Watch, names, own, value, watch
from tests.freqtrade_replay import PASSWORD, USER, Recording, serve

RECORDED_AT = 1795399297.0  # /health last_process_ts
PACE = 15.0


class Clock:
    """The exporter's clock, moved by hand."""

    def __init__(self, now: float = RECORDED_AT) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def settings(url: str, directory: Path, password: str = PASSWORD) -> dict[str, Any]:
    (directory / "password").write_text(password)
    source = {
        "type": "freqtrade",
        "url": url,
        "username": USER,
        "password_file": directory / "password",
    }
    return {"source": source}


@contextmanager
def watched(recording: Recording, directory: Path, clock: Clock, **more: Any) -> Iterator[Watch]:
    with serve(recording) as url, watch(settings(url, directory), clock=clock, **more) as found:
        yield found


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_recorded_figures_reach_prometheus_unchanged(recording, clock, tmp_path):
    with watched(recording, tmp_path, clock) as bot:
        series = bot.poll()
    profit = recording.answers["profit"]
    exact = {
        "up": 1,
        "start_time_seconds": 1795398539,
        "uptime_seconds": RECORDED_AT - 1795398539,
        "last_activity_timestamp_seconds": 1795399297,
        "profit_loss": profit["profit_all_coin"],
        "equity": 990.0 + profit["profit_all_coin"],
        "current_exposure": 199.93972,
        "pending_orders": 1,
    }
    assert {name: value(series, name) for name in exact} == exact
    computed = {
        "win_rate": profit["winrate"],
        "profit_factor": profit["profit_factor"],
        "expectancy": profit["expectancy"],
        "max_drawdown_ratio": profit["max_drawdown"],
    }
    assert {name: value(series, name) for name in computed} == pytest.approx(computed, rel=1e-12)
    pnl = {window: value(series, "pnl", window=window) for window in ("day", "week", "month", "total")}
    assert set(pnl.values()) == {profit["profit_closed_coin"]}
    assert value(series, "host_cpu_usage_ratio", host="127.0.0.1") == 0.15
    assert value(series, "host_memory_usage_ratio", host="127.0.0.1") == pytest.approx(0.042)


def test_trades_are_counted_by_symbol_side_and_outcome_as_freqtrade_counts_them(recording, clock, tmp_path):
    with watched(recording, tmp_path, clock) as bot:
        series = bot.poll()
    counted: dict[str, float] = {}
    outcomes: dict[str, float] = {}
    for (name, labels), count in series.items():
        if name == "trading_bot_trades_total":
            of = dict(labels)
            assert of["side"] == "long"
            counted[of["symbol"]] = counted.get(of["symbol"], 0) + count
            outcomes[of["outcome"]] = outcomes.get(of["outcome"], 0) + count
    performance = json.loads((Path(__file__).parents[1] / "fixtures/freqtrade/performance.json").read_text())
    assert counted == {row["pair"]: row["count"] for row in performance}
    assert {
        row["pair"]: value(series, "symbol_pnl", symbol=row["pair"]) for row in performance
    } == pytest.approx({row["pair"]: row["profit_abs"] for row in performance}, abs=1e-8)
    assert outcomes == {"won": 8, "lost": 18}


def test_durations_and_sizes_are_those_of_the_recorded_trades(recording, clock, tmp_path):
    with watched(recording, tmp_path, clock) as bot:
        series = bot.poll()
    trades = recording.trades
    mean = sum(trade["trade_duration_s"] for trade in trades) / len(trades)
    assert value(series, "position_duration_avg_seconds") == pytest.approx(
        mean, abs=1
    )  # it says whole seconds
    stake = sum(trade["stake_amount"] for trade in trades) / len(trades)
    assert value(series, "position_size_avg") == pytest.approx(stake)
    assert value(series, "last_trade_timestamp_seconds") == 1795399294.047


def test_open_positions_are_filled_ones_only(recording, clock, tmp_path):
    unfilled = recording.answers["status"][0] | {"pair": "ETH/USDT", "amount": 0.0, "current_rate": 1.0}
    recording.answers["status"].append(unfilled)
    with watched(recording, tmp_path, clock) as bot:
        series = bot.poll()
    assert value(series, "active_positions", symbol="ADA/USDT") == 1
    assert value(series, "active_positions", symbol="ETH/USDT") is None
    assert value(series, "pending_orders") == 2


def test_a_closed_position_is_zero_afterwards(recording, clock, tmp_path):
    with watched(recording, tmp_path, clock) as bot:
        bot.poll()
        recording.answers["status"] = []
        series = bot.poll()
    assert value(series, "active_positions", symbol="ADA/USDT") == 0


def test_what_freqtrade_cannot_know_is_absent(recording, clock, tmp_path):
    with watched(recording, tmp_path, clock) as bot:
        found = names(bot.poll())
    assert not found & {"api_requests_total", "max_exposure", "sharpe_ratio", "value_at_risk", "model_loaded"}
    assert not {name for name in found if name.startswith(("market_", "model_", "response_time"))}


def test_rates_and_profit_that_become_null_are_absent_not_zero(recording, clock, tmp_path):
    recording.answers["profit"]["profit_all_coin"] = None
    for trade in recording.answers["status"]:
        trade["current_rate"] = None
    with watched(recording, tmp_path, clock) as bot:
        series = bot.poll()
    assert value(series, "up") == 1
    assert not names(series) & {"profit_loss", "equity", "drawdown_ratio"}
    assert value(series, "pnl", window="total") == -3.69678748


def test_frozen_rates_grow_old_until_one_moves(recording, clock, tmp_path):
    with watched(recording, tmp_path, clock) as bot:
        ages = [value(bot.poll(), "data_freshness_seconds", feed="rates")]
        clock.now += 400
        for trade in recording.answers["status"]:
            trade["current_rate"] = None  # as after five minutes of an outage
        ages.append(value(bot.poll(), "data_freshness_seconds", feed="rates"))
        recording.answers["status"][0]["current_rate"] = 0.5
        clock.now += 5
        ages.append(value(bot.poll(), "data_freshness_seconds", feed="rates"))
    assert ages == [0, 400, 0]


def test_a_pair_whose_rate_stands_still_is_no_stale_data_while_every_call_is_healthy(
    recording, clock, tmp_path
):
    recording.logs = recording.logs[:1]
    with watched(recording, tmp_path, clock) as bot:
        bot.poll()
        clock.now += 600
        series = bot.poll()
    assert value(series, "error_rate") == 0
    assert value(series, "data_freshness_seconds", feed="rates") == 0


def test_a_rate_that_stands_still_while_calls_fail_grows_old(recording, clock, tmp_path):
    with watched(recording, tmp_path, clock) as bot:
        bot.poll()
        recording.outage = True
        recording.answers["health"]["last_process_ts"] += 400
        clock.now += 400
        assert value(bot.poll(), "data_freshness_seconds", feed="rates") == 400


@pytest.mark.parametrize("wrong", [{"amount": None}, {"amount": float("nan")}, {"pair": ""}])
def test_what_is_open_is_unknown_where_one_trade_cannot_be_read(recording, clock, tmp_path, wrong):
    recording.answers["status"].append(recording.answers["status"][0] | {"trade_id": 900, **wrong})
    with watched(recording, tmp_path, clock) as bot:
        found = names(bot.poll())
    assert "up" in found
    assert not found & {"active_positions", "pending_orders"}


def test_orders_that_an_older_freqtrade_does_not_list_are_unknown(recording, clock, tmp_path):
    for trade in recording.answers["status"]:
        del trade["orders"]
    with watched(recording, tmp_path, clock) as bot:
        found = names(bot.poll())
    assert "active_positions" in found
    assert "pending_orders" not in found


def test_one_failed_call_in_the_log_is_no_outage(recording, clock, tmp_path):
    with watched(recording, tmp_path, clock) as bot:
        assert value(bot.poll(), "error_rate") == pytest.approx(1 / 60)


@pytest.mark.parametrize("skew", [-3600, -400, 400, 3600])
def test_failed_calls_are_counted_by_the_bots_own_clock(recording, clock, tmp_path, skew):
    clock.now += skew
    with watched(recording, tmp_path, clock) as bot:
        assert value(bot.poll(), "error_rate") == pytest.approx(1 / 60)
        recording.outage = True
        assert value(bot.poll(), "error_rate") > 0.05


def test_an_outage_that_the_api_hides_shows_in_the_error_rate(recording, clock, tmp_path):
    recording.outage = True
    with watched(recording, tmp_path, clock) as bot:
        series = bot.poll()
    assert value(series, "up") == 1
    assert value(series, "error_rate") > 0.05


def test_trades_are_paged_once_and_then_only_when_something_closed(recording, clock, tmp_path):
    few = recording.trades
    recording.trades = [
        few[n % len(few)] | {"trade_id": n, "close_timestamp": few[0]["close_timestamp"] + n}
        for n in range(1, 1201)
    ]
    with watched(recording, tmp_path, clock) as bot:
        bot.poll()
        pages = [call for call in recording.calls if "/trades" in call]
        assert [call.split("offset=")[1].split("&")[0] for call in pages] == ["0", "500", "1000"]
        clock.now += PACE
        bot.poll()
        assert len([call for call in recording.calls if "/trades" in call]) == 3
        recording.trades.append(few[0] | {"trade_id": 1201, "close_timestamp": int(clock.now * 1000)})
        recording.answers["profit"]["closed_trade_count"] += 1
        clock.now += PACE
        series = bot.poll()
    assert len([call for call in recording.calls if "/trades" in call]) == 4
    assert sum(count for (name, _), count in series.items() if name == "trading_bot_trades_total") == 1201


@pytest.mark.parametrize("sorts", [True, False], ids=["newest_first", "only_by_id"])
def test_a_trade_that_closes_late_with_a_low_id_is_not_missed(recording, clock, tmp_path, sorts):
    late = next(trade for trade in recording.trades if trade["trade_id"] == 32)
    recording.trades.remove(late)
    if not sorts:
        recording.sorts = False
    with watched(recording, tmp_path, clock) as bot:
        before = value(bot.poll(), "expectancy")
        recording.trades.append(late)
        recording.answers["profit"]["closed_trade_count"] += 1
        clock.now += PACE
        series = bot.poll()
    assert before != value(series, "expectancy") == pytest.approx(-3.69678748 / 26)
    assert value(series, "max_drawdown_ratio") == pytest.approx(0.0041449212006927985)


def test_an_id_used_again_is_another_trade(recording, clock, tmp_path):
    again = recording.trades[-1] | {"open_timestamp": 1795399295000, "close_timestamp": 1795399296000}
    with watched(recording, tmp_path, clock) as bot:
        bot.poll()
        recording.trades.append(again)
        recording.answers["profit"]["closed_trade_count"] += 1
        clock.now += PACE
        series = bot.poll()
    assert sum(count for (name, _), count in series.items() if name == "trading_bot_trades_total") == 27


def test_a_restarted_history_replaces_the_old_one(recording, clock, tmp_path):
    with watched(recording, tmp_path, clock) as bot:
        bot.poll()
        recording.trades = [recording.trades[0] | {"open_timestamp": 1795399290000}]
        recording.answers["profit"] |= {"closed_trade_count": 1, "profit_closed_coin": 0.30645569}
        clock.now += PACE
        series = bot.poll()
    assert sum(count for (name, _), count in series.items() if name == "trading_bot_trades_total") == 1
    assert value(series, "win_rate") == 1


def test_a_bot_stopped_by_its_owner_is_up(recording, clock, tmp_path):
    recording.state = "stopped"
    with watched(recording, tmp_path, clock) as bot:
        series = bot.poll()
    assert value(series, "up") == 1
    assert value(series, "state", state="stopped") == 1
    assert value(series, "state", state="running") == 0
    assert not names(series) & {"current_exposure", "error_rate", "data_freshness_seconds"}
    assert value(series, "active_positions", symbol="ADA/USDT") == 1


def test_costly_calls_keep_their_pace(recording, clock, tmp_path):
    with watched(recording, tmp_path, clock) as bot:
        for _ in range(4):
            bot.poll()
            clock.now += PACE / 4
    for endpoint, calls in (("/profit", 1), ("/count", 1), ("/daily", 1), ("/health", 4), ("/logs", 4)):
        assert sum(call.endswith(endpoint) for call in recording.calls) == calls


def test_an_older_freqtrade_without_weeks_still_has_its_days(recording, clock, tmp_path):
    recording.broken = dict.fromkeys(("weekly", "monthly"), (404, b'{"detail":"Not Found"}'))
    with watched(recording, tmp_path, clock) as bot:
        series = bot.poll()
    assert value(series, "up") == 1
    assert value(series, "pnl", window="day") == -3.69678748


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"health": (502, b'{"error":"Bot is not in the correct state"}')}, "http"),
        ({"profit": (500, b"Internal Server Error")}, "http"),
        ({"profit": (200, b"<html>")}, "parse"),
        ({"profit": (200, b"[" * 100_000)}, "parse"),
        ({"status": (200, b'{"no":"list"}')}, "parse"),
        ({"logs": (200, b"7")}, "parse"),
        ({"balance": (401, b'{"detail":"Unauthorized"}')}, "auth"),
    ],
)
def test_an_unusable_answer_is_an_error_with_its_reason(recording, clock, tmp_path, broken, reason):
    recording.broken = broken
    with watched(recording, tmp_path, clock) as bot:
        assert bot.error() == reason
        recording.broken = {}
        assert value(bot.poll(), "win_rate") == pytest.approx(8 / 26)


def test_rubbish_in_one_field_takes_only_that_field(recording, clock, tmp_path):
    recording.answers["profit"]["profit_all_coin"] = float("nan")
    recording.answers["count"]["total_stake"] = "lots"
    recording.trades[0] |= {"close_timestamp": None}
    recording.trades[1] |= {"close_profit_abs": float("inf")}
    with watched(recording, tmp_path, clock) as bot:
        series = bot.poll()
    assert value(series, "up") == 1
    assert not names(series) & {"profit_loss", "current_exposure"}
    assert sum(count for (name, _), count in series.items() if name == "trading_bot_trades_total") == 24
    assert own(series, "rejected_input_total", reason="not_finite") == 2
    assert own(series, "rejected_input_total", reason="wrong_type") == 2


def test_a_wrong_password_is_an_auth_error(recording, clock, tmp_path):
    with serve(recording) as url, watch(settings(url, tmp_path, "wrong"), clock=clock) as bot:
        assert bot.error() == "auth"


def test_a_missing_password_file_is_an_auth_error_that_names_it(recording, clock, tmp_path):
    with watched(recording, tmp_path, clock) as bot:
        (tmp_path / "password").unlink()
        assert bot.error() == "auth"
        assert str(tmp_path / "password") in bot.poller.status.error
        (tmp_path / "password").write_text(PASSWORD)
        assert value(bot.poll(), "up") == 1


def test_a_bot_that_hangs_times_out(recording, clock, tmp_path):
    recording.hangs = True
    with watched(recording, tmp_path, clock, timeout=0.2) as bot:
        assert bot.error() == "timeout"


def test_a_bot_that_is_not_there_is_refused(clock, tmp_path):
    with serve(Recording()) as url:
        pass
    with watch(settings(url, tmp_path), clock=clock) as bot:
        assert bot.error() == "refused"


def test_a_history_longer_than_freqtrade_gives_is_not_read_again_for_each_trade(
    recording, clock, tmp_path, monkeypatch
):
    monkeypatch.setattr("exporter.sources.freqtrade.history._FURTHEST", 500)
    first = recording.trades[0]
    recording.trades = [
        first | {"trade_id": n, "close_timestamp": first["close_timestamp"] + n} for n in range(1, 1801)
    ]
    with watched(recording, tmp_path, clock) as bot:
        bot.poll()
        recording.trades.append(first | {"trade_id": 1801, "close_timestamp": int(clock.now * 1000)})
        recording.answers["profit"]["closed_trade_count"] += 1
        clock.now += PACE
        series = bot.poll()
    assert len([call for call in recording.calls if "/trades" in call]) == 3
    assert value(series, "trades_total", symbol="SOL/USDT", side="long", outcome="won") == 1001
