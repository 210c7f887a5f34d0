"""A bot that answers the bot API, and one that answers nonsense, in the exporter."""

import asyncio
import json
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from exporter.poller import BotPoller
from tests.exporter.harness import HELD, ScriptedBot, http_settings, names, own, serve, value, watch

NOW = 1_800_000_000.0
STATE: dict[str, Any] = {
    "time": NOW,
    "state": "running",
    "started_at": NOW - 7200,
    "last_activity_at": NOW - 1,
    "currency": "USDT",
    "starting_capital": 10_000.0,
    "equity": 10_080.0,
    "profit_realised": 100.0,
    "profit_open": -20.0,
    "exposure": 500.0,
    "max_exposure": 2000.0,
    "open_positions": [HELD, {"id": 5, "symbol": "BTC/USDT"}],
    "open_orders": [{"symbol": "BTC/USDT", "placed_at": NOW - 300}],
    "pending_orders": 2,
    "trades_closed": 3,
    "last_trade_id": 3,
    "api": {
        "requests_ok_total": 90,
        "requests_error_total": 10,
        "response_seconds": {"count": 100, "sum": 12.5, "buckets": {"0.05": 60, "1": 99, "+Inf": 100}},
    },
    "feeds": {"BTC/USDT": NOW - 4},
    "models": {
        "entry": {
            "loaded": True,
            "accuracy": 0.81,
            "precision": 0.8,
            "recall": 0.7,
            "f1_score": 0.75,
            "auc": 0.88,
            "prediction_confidence": 0.66,
            "prediction_uncertainty": 0.1,
            "prediction_seconds": 0.02,
            "predictions_per_hour": 120,
            "last_prediction_at": NOW - 30,
            "drift_detected": False,
            "drift_score": 0.03,
            "last_retraining_at": NOW - 86_400,
            "retrainings_total": 3,
            "data_quality_score": 0.97,
            "missing_data_ratio": 0.01,
            "outlier_ratio": 0.02,
            "prediction_times": {"count": 3, "sum": 0.06, "buckets": {"0.01": 1, "+Inf": 3}},
        }
    },
    "market": {
        "BTC/USDT": {
            "volatility_ratio": 0.01,
            "trend": "up",
            "regime": "calm",
            "liquidity_score": 0.9,
            "price_change_1h_ratio": 0.002,
            "price_change_24h_ratio": -0.01,
            "volume_24h": 1e9,
            "volume_change_24h_ratio": 0.2,
            "rsi": 55.0,
            "macd": -1.5,
            "bollinger_position": 0.6,
            "support_resistance_strength": 0.5,
        }
    },
    "process": {"pid": 1},
}


def trade(number: int, profit: float, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "symbol": "BTC/USDT",
        "side": "long",
        "size": 0.01,
        "entry_price": 100.0,
        "exit_price": 101.0,
        "stake": 200.0,
        "opened_at": NOW - 3600 + number,
        "closed_at": NOW - 3000 + number,
        "profit": profit,
        "fees": 0.1,
    } | more


@pytest.fixture
def bot() -> ScriptedBot:
    return ScriptedBot(json.loads(json.dumps(STATE)), [trade(1, 150.0), trade(2, -70.0), trade(3, 20.0)])


def test_what_the_bot_says_reaches_prometheus_unchanged(bot, tmp_path):
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        series = watched.poll()
    exact = {
        "up": 1,
        "start_time_seconds": NOW - 7200,
        "uptime_seconds": 7200,
        "last_activity_timestamp_seconds": NOW - 1,
        "profit_loss": 80,
        "equity": 10_080,
        "current_exposure": 500,
        "max_exposure": 2000,
        "risk_utilization_ratio": 0.25,
        "pending_orders": 2,
        "position_size_avg": 200,
        "position_duration_avg_seconds": 600,
        "max_consecutive_wins": 1,
        "max_consecutive_losses": 1,
        "trades_per_day": 3,
        "trades_per_hour": 3,
    }
    assert {name: value(series, name) for name in exact} == exact
    assert value(series, "active_positions", symbol="BTC/USDT") == 2
    assert value(series, "data_freshness_seconds", feed="BTC/USDT") == 4
    assert value(series, "pnl", window="total") == 100
    assert value(series, "win_rate") == pytest.approx(2 / 3)
    assert value(series, "profit_factor") == pytest.approx(170 / 70)
    assert value(series, "recovery_factor") == pytest.approx(100 / 70)
    assert value(series, "max_drawdown_ratio") == pytest.approx(70 / 10_150)
    assert value(series, "drawdown_ratio") == pytest.approx(70 / 10_150)


def test_models_and_markets_reach_prometheus_unchanged(bot, tmp_path):
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        series = watched.poll()
    assert value(series, "model_accuracy", model="entry") == 0.81
    assert value(series, "model_loaded", model="entry") == 1
    assert value(series, "model_drift_detected", model="entry") == 0
    assert value(series, "prediction_time_seconds", model="entry") == 0.02
    assert value(series, "prediction_duration_seconds_bucket", model="entry", le="0.01") == 1
    assert value(series, "prediction_duration_seconds_count", model="entry") == 3
    assert value(series, "market_rsi", symbol="BTC/USDT") == 55
    assert value(series, "market_macd", symbol="BTC/USDT") == -1.5
    assert value(series, "market_price_change_ratio", symbol="BTC/USDT", window="24h") == -0.01
    assert value(series, "market_trend", symbol="BTC/USDT", trend="up") == 1
    assert value(series, "market_regime", symbol="BTC/USDT", regime="trending") == 0


def test_response_times_are_a_histogram_with_bounds_as_prometheus_3_writes_them(bot, tmp_path):
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        series = watched.poll()
    assert value(series, "response_time_seconds_bucket", le="1.0") == 99
    assert 'response_time_seconds_bucket{bot="b",le="+Inf"} 100\n' in watched.text
    assert value(series, "response_time_seconds_sum") == 12.5
    assert value(series, "response_time_seconds_count") == 100


def test_win_rate_is_absent_until_a_trade_closes(bot, tmp_path):
    bot.trades = []
    bot.state |= {"last_trade_id": 0, "trades_closed": 0}
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        found = names(watched.poll())
    assert "equity" in found
    assert not found & {"win_rate", "expectancy", "profit_factor", "max_drawdown_ratio", "trades_per_hour"}


def test_a_bot_that_says_little_is_up_and_nothing_is_made_up(bot, tmp_path):
    bot.state, bot.trades = {}, []
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        assert names(watched.poll()) == {"up"}


def test_trades_are_read_once_by_id(bot, tmp_path):
    bot.page_size = 2
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        watched.poll()
        watched.poll()
        bot.trades.append(trade(9, 5.0))
        bot.state["last_trade_id"] = 9
        series = watched.poll()
    asked = [call.split("since_id=")[1].split("&")[0] for call in bot.calls if "/trades" in call]
    assert asked == ["0", "2", "3"]
    assert value(series, "trades_total", symbol="BTC/USDT", side="long", outcome="won") == 3


def test_a_bot_that_restarts_its_ids_begins_a_new_history(bot, tmp_path):
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        watched.poll()
        bot.trades = [trade(1, -1.0, opened_at=NOW - 100, closed_at=NOW - 50)]
        bot.state["last_trade_id"] = 1
        series = watched.poll()
    assert value(series, "trades_total", symbol="BTC/USDT", side="long", outcome="lost") == 1
    assert value(series, "win_rate") == 0


def test_error_rate_is_of_the_calls_since_the_last_polls(bot, tmp_path):
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        assert value(watched.poll(), "error_rate") is None
        bot.state["time"] = NOW + 30
        bot.state["api"] |= {"requests_ok_total": 105, "requests_error_total": 15}
        series = watched.poll()
        bot.state["time"] = NOW + 60
        bot.state["api"] |= {"requests_ok_total": 20, "requests_error_total": 0}  # it restarted
        restarted = watched.poll()
    assert value(series, "error_rate") == 0.25
    assert value(series, "api_calls_per_minute") == 40
    assert value(series, "api_requests_total", outcome="error") == 15
    assert value(restarted, "error_rate") == 5 / 40


def test_settings_fill_in_what_a_bot_does_not_say(bot, tmp_path):
    del bot.state["starting_capital"]
    settings = {"starting_capital": 20_000, "max_exposure": 1000}
    with serve(bot) as url, watch(http_settings(url, tmp_path, **settings)) as watched:
        series = watched.poll()
    assert value(series, "risk_utilization_ratio") == 0.5
    assert value(series, "max_drawdown_ratio") == pytest.approx(70 / 20_150)


def test_what_is_open_is_unknown_where_one_position_cannot_be_read(bot, tmp_path):
    bot.state["open_positions"].append({"symbol": ["BTC"]})
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        found = names(watched.poll())
    assert "up" in found
    assert "active_positions" not in found


def test_a_paused_bot_is_up_and_says_so(bot, tmp_path):
    bot.state["state"] = "paused"
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        series = watched.poll()
    assert value(series, "up") == 1
    assert value(series, "state", state="paused") == 1
    assert value(series, "state", state="running") == 0


@pytest.mark.parametrize(
    ("field", "wrong", "reason"),
    [
        ("equity", float("nan"), "not_finite"),
        ("equity", float("inf"), "not_finite"),
        ("equity", "10080", "wrong_type"),
        ("equity", True, "wrong_type"),
        ("equity", 10**400, "wrong_type"),
        ("exposure", -1, "out_of_range"),
        ("pending_orders", -2, "out_of_range"),
        ("pending_orders", 1.5, "wrong_type"),
        ("started_at", NOW * 1000, "out_of_range"),
        ("state", "sleeping", "unknown_value"),
        ("models", [1], "wrong_type"),
        ("market", {"BTC/USDT": 5}, "wrong_type"),
        ("market", {"BTC/USDT": {"rsi": 101}}, "out_of_range"),
        ("models", {"entry": {"accuracy": 81}}, "out_of_range"),
        ("open_positions", [{"id": 1}], "missing"),
        ("feeds", {"": NOW}, "out_of_range"),
        ("api", {"response_seconds": {"count": 3, "sum": 1, "buckets": {"1": 5, "+Inf": 3}}}, "malformed"),
        ("api", {"response_seconds": {"count": 3, "sum": 1, "buckets": {"one": 3}}}, "malformed"),
        ("api", {"response_seconds": {"count": 3, "sum": 1, "buckets": {"NaN": 3, "+Inf": 3}}}, "malformed"),
        ("api", {"response_seconds": {"count": 0, "sum": 0, "buckets": {}}}, "malformed"),
    ],
)
def test_a_bad_value_is_refused_and_counted_and_the_rest_stays(bot, tmp_path, field, wrong, reason):
    bot.state[field] = wrong
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        series = watched.poll()
    assert value(series, "up") == 1
    assert value(series, "profit_loss") == 80
    assert own(series, "rejected_input_total", reason=reason) == 1
    assert not any(number in watched.text for number in ("NaN", "Inf ", "-Inf", "inf\n"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"closed_at": None},
        {"profit": float("nan")},
        {"profit": "12"},
        {"side": "sideways"},
        {"id": "three"},
        {"symbol": ""},
        {"opened_at": -5},
    ],
)
def test_a_trade_that_cannot_be_is_refused_alone(bot, tmp_path, wrong):
    bot.trades.insert(1, trade(2, 1.0) | wrong)
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        series = watched.poll()
    assert value(series, "win_rate") == pytest.approx(2 / 3)
    assert sum(count for (name, _), count in series.items() if name.endswith("rejected_input_total")) == 1


def test_a_repeated_trade_counts_once(bot, tmp_path):
    bot.trades.append(trade(3, 20.0))
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        assert value(watched.poll(), "trades_per_day") == 3


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b"7", b'{"state":', b"\xff\xfe", b"[" * 100_000]
)
def test_rubbish_is_a_parse_error(bot, tmp_path, body):
    bot.state = body
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        assert watched.error() == "parse"


def test_more_that_never_comes_is_a_parse_error_and_no_endless_loop(bot, tmp_path):
    bot.page_size = 0
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        assert watched.error() == "parse"


def test_a_server_error_says_its_status(bot, tmp_path):
    bot.status = 503
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        assert watched.error() == "http"
        assert "503" in watched.poller.status.error


def test_a_wrong_token_is_an_auth_error_and_is_never_shown(bot, tmp_path, caplog):
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        (tmp_path / "token").write_text("sesame-opens")
        assert watched.error() == "auth"
        assert "sesame-opens" not in watched.poller.status.error + watched.text + caplog.text


def test_a_failure_drops_every_other_series_and_a_recovery_brings_them_back(bot, tmp_path):
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        before = names(watched.poll())
        bot.status = 500
        assert watched.error() == "http"
        bot.status = 200
        series = watched.poll()
    assert before <= names(series)
    assert own(series, "polls_total", source="http", outcome="ok") == 2
    assert own(series, "polls_total", source="http", outcome="http") == 1


def test_hostile_label_values_come_out_as_they_went_in(bot, tmp_path):
    symbol = 'a"b\\c\nd{e="f"} 1 é🚀'
    bot.state["market"] = {symbol: {"rsi": 50}}
    with serve(bot) as url, watch(http_settings(url, tmp_path), name='my "bot"\n🤖') as watched:
        series = watched.poll()
    assert value(series, "market_rsi", symbol=symbol) == 50
    assert 'bot="my \\"bot\\"\\n🤖"' in watched.text


def test_a_hundred_thousand_symbols_are_capped_counted_and_logged(bot, tmp_path, caplog):
    many = [f"S{number:06}" for number in range(100_000)]
    bot.state["market"] = {symbol: {"rsi": 50, "trend": "up"} for symbol in many}
    bot.state["feeds"] = dict.fromkeys(many, NOW)
    bot.state["open_positions"] = [{"symbol": symbol} for symbol in many]
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        watched.poll()
        series = watched.poll()
    assert value(series, "up") == 1
    for name, each in (("market_rsi", 1), ("market_trend", 3), ("active_positions", 1)):
        assert len([found for found, _ in series if found == f"trading_bot_{name}"]) == 500 * each
    assert value(series, "data_freshness_seconds", feed="S000499") is not None
    parts = ("market", "feeds", "active_positions", "positions")
    assert {own(series, "over_cap", what=what) for what in parts} == {99_500}
    cut = [record.bot for record in caplog.records if "max_symbols" in record.getMessage()]
    assert cut == 4 * ["b"]


def test_an_answer_without_end_is_cut_off(bot, tmp_path, monkeypatch):
    monkeypatch.setattr("exporter.sources.client.BODY_LIMIT", 100_000)
    bot.state = b" " * 200_000
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        assert watched.error() == "parse"
        assert "100000 bytes" in watched.poller.status.error


class ManualExecutor(Executor):
    """Runs nothing: a test says when a submitted task is done."""

    def __init__(self) -> None:
        self.submitted = asyncio.Event()
        self.look: Future[Any] = Future()

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        self.submitted.set()
        return self.look


def test_a_poll_that_ends_as_it_is_cancelled_ends_the_polling_all_the_same(bot, tmp_path):
    async def stop(poller: BotPoller) -> bool:
        once = poller._executor = ManualExecutor()
        polling = asyncio.create_task(poller.run(0, 3600))
        await once.submitted.wait()
        once.look.set_result([])
        await asyncio.sleep(0)  # the result has come; its waiters get it in the next round
        polling.cancel()
        await asyncio.wait({polling}, timeout=1)
        ended = polling.done()
        polling.cancel()
        return ended

    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        assert watched.runner.run(stop(watched.poller))
