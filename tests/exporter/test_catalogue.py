"""The docs, the names and labels, and each source's metrics agree with the catalogue."""

import subprocess
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from exporter.catalogue import METRICS, Histogram, sample, table
from exporter.exposition import Board, Lines, Part
from tests.conftest import binary
from tests.exporter.harness import ScriptedBot, http_settings, parsed, serve, watch
from tests.exporter.test_http import NOW, STATE, trade
from tests.freqtrade_replay import PASSWORD, USER, Recording
from tests.freqtrade_replay import serve as serve_freqtrade

_OTHERWISE = (
    "a row of exporter/catalogue.py names a field of this source, and exporter/bot.py yields nothing of that "
    "name from the recorded bot; or it yields what no row says it knows: docs/extending.md"
)
DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
# DESIGN §4, in its order.
DESIGN = """
up source_error start_time_seconds data_freshness_seconds state uptime_seconds
last_activity_timestamp_seconds trades_total win_rate profit_loss pnl equity drawdown_ratio
max_drawdown_ratio sharpe_ratio sortino_ratio calmar_ratio profit_factor recovery_factor expectancy
trades_per_hour trades_per_day last_trade_timestamp_seconds active_positions pending_orders
position_size_avg position_duration_avg_seconds current_exposure max_exposure risk_utilization_ratio
value_at_risk expected_shortfall max_consecutive_wins max_consecutive_losses api_requests_total
api_calls_per_minute error_rate response_time_seconds model_loaded model_accuracy model_precision
model_recall model_f1_score model_auc prediction_confidence prediction_uncertainty prediction_time_seconds
predictions_per_hour last_prediction_timestamp_seconds model_drift_detected model_drift_score
model_last_retraining_timestamp_seconds model_retrainings_total data_quality_score missing_data_ratio
outlier_ratio market_volatility_ratio market_trend market_regime market_liquidity_score
market_price_change_ratio market_volume_24h market_volume_change_24h_ratio market_rsi market_macd
market_bollinger_position market_support_resistance_strength host_cpu_usage_ratio host_memory_usage_ratio
host_disk_usage_ratio cpu_usage_ratio memory_usage_ratio network_latency_seconds log_lines_total
log_events_total log_slow_operation_seconds
"""


def page(*parts: Part) -> bytes:
    return Board().page({metric.group for metric in METRICS}, also=parts)


def every_sample() -> list[Any]:
    """Return a sample of each declared metric."""
    histogram = Histogram(((0.5, 1), (float("inf"), 2)), 1.5)
    return [
        sample(
            metric.name,
            histogram if metric.type == "histogram" else 1.5,
            **dict.fromkeys(metric.labels, 'hard "value"\n\\ 🚀'),
        )
        for metric in METRICS
    ]


def bare(names: set[str]) -> set[str]:
    """Return metric names without prefix and without a histogram's endings."""
    for ending in ("_bucket", "_sum", "_count"):
        histograms = ("response_time", "prediction_duration")
        names = {
            name.removesuffix(ending) if any(each in name for each in histograms) else name for name in names
        }
    return {name.removeprefix("trading_bot_") for name in names if name.startswith("trading_bot_")}


def test_docs_are_those_of_the_catalogue():
    assert DOCS.read_text() == table(), "run `make docs`"


def test_every_metric_of_the_design_is_declared_once():
    names = [metric.name for metric in METRICS]
    assert set(DESIGN.split()) <= set(names)
    assert len(names) == len(set(names))


def test_every_metric_says_where_it_comes_from_or_is_of_the_logs():
    assert not [m.name for m in METRICS if m.group != "logs" and not (m.http or m.freqtrade or m.elsewhere)]


@pytest.mark.parametrize(
    ("name", "number", "labels", "error"),
    [
        ("sharp_ratio", 1.0, {}, KeyError),
        ("win_rate", 1.0, {"symbol": "BTC"}, ValueError),
        ("pnl", 1.0, {}, ValueError),
        ("win_rate", float("nan"), {}, ValueError),
        ("equity", float("inf"), {}, ValueError),
    ],
)
def test_what_is_not_declared_or_not_a_number_is_an_error_at_once(name, number, labels, error):
    with pytest.raises(error, match=name):
        sample(name, number, **labels)


def test_promtool_has_nothing_to_say_about_any_metric():
    lines, _ = Lines(10, "b").render(every_sample())
    text = page(lines)
    checked = subprocess.run(
        [binary("promtool"), "check", "metrics"], input=text, capture_output=True, check=False, timeout=60
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_families_are_contiguous_and_explained_once_however_many_bots_there_are():
    parts = [Lines(10, f"bot {number}").render(every_sample())[0] for number in range(3)]
    of_bots = [
        {name: part[name] for name in part if "host_" not in name and "network" not in name} for part in parts
    ]
    text = page(*of_bots).decode()
    helps = [line.split()[2] for line in text.splitlines() if line.startswith("# HELP")]
    assert len(helps) == len(set(helps)) == len(of_bots[0])
    families = [
        line.split("{")[0].removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        for line in text.splitlines()
        if not line.startswith("#")
    ]
    assert len([name for name, _ in groupby(families)]) == len(set(families))


def test_the_column_of_the_bot_api_is_what_that_source_yields(tmp_path):
    asked = {"entry_price_requested": 99.0, "exit_price_requested": 111.0}
    days = [
        trade(n, 10.0 * (-1) ** n, opened_at=NOW - n * 86_400, closed_at=NOW - n * 86_400) | asked
        for n in range(1, 121)
    ]
    bot = ScriptedBot(STATE | {"last_trade_id": 120}, days)
    with serve(bot) as url, watch(http_settings(url, tmp_path)) as watched:
        watched.poll()
        bot.state = bot.state | {"time": NOW + 1, "api": STATE["api"] | {"requests_ok_total": 95}}
        found = bare({name for name, _ in watched.poll()})
        bot.status = 500
        found |= bare({name for name, _ in watched.poll()})
    by_process = {m.name for m in METRICS if "pid" in m.http}  # proven in test_system.py
    declared = {m.name for m in METRICS if m.http} - by_process
    assert found == declared, _OTHERWISE


def test_the_column_of_freqtrade_is_what_that_source_yields(tmp_path):
    recording = Recording()
    recording.answers["status"][0] |= {"liquidation_price": 0.1}  # the recorded bot trades spot
    first = recording.trades[0]
    day = 86_400_000
    recording.trades = [
        first
        | {
            "trade_id": n,
            "open_timestamp": first["open_timestamp"] - n * day,
            "close_timestamp": first["close_timestamp"] - n * day,
            "close_profit_abs": 10.0 * (-1) ** n,
        }
        for n in range(121)
    ]
    (tmp_path / "password").write_text(PASSWORD)
    with serve_freqtrade(recording) as url:
        source = {"type": "freqtrade", "url": url, "username": USER, "password_file": tmp_path / "password"}
        with watch({"source": source}, clock=lambda: 1795399297.0) as watched:
            found = bare({name for name, _ in watched.poll()})
            recording.broken = {"health": (500, b"")}
            found |= bare({name for name, _ in watched.poll()})
    assert found == {metric.name for metric in METRICS if metric.freqtrade}, _OTHERWISE


def test_hostile_help_and_labels_survive_prometheus_own_parser():
    lines, _ = Lines(10, 'a\\"b"\n').render(every_sample())
    series = parsed(page(lines).decode())
    labels = {value for _, pairs in series for name, value in pairs if name not in ("le", "bot")}
    assert labels == {'hard "value"\n\\ 🚀'}
