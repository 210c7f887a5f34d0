"""Health in the exporter: the verdicts are Prometheus's, the figures beside them its own."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from exporter.catalogue import Histogram, Sample, sample
from exporter.health import Judge, Judged, Latency, Vitals, vitals
from stack.settings import Settings, load
from tests.conftest import free_port

NOW = 1_800_000_000.0
HOST = "desk"
CHECKS = {
    "bot_running", "api_connectivity", "model_loaded", "data_freshness", "memory_usage", "cpu_usage",
    "disk_space", "network_connectivity",
}  # fmt: skip
FIGURES = Vitals(
    NOW,
    up=True,
    idle=9000.0,
    latency=0.2,
    error_rate=0.01,
    models_loaded=1.0,
    model_accuracy=0.9,
    data_age=20.0,
    memory=0.5,
    cpu=0.5,
    here=True,
)


class Prometheus(ThreadingHTTPServer):
    """Answers every instant query with `series`, and stores the queries."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.series: list[tuple[dict[str, str], float]] = []
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Prometheus

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert self.path == "/api/v1/query"
        self.server.asked += parse_qs(body, strict_parsing=True)["query"]
        result = [{"metric": labels, "value": [NOW, str(value)]} for labels, value in self.server.series]
        said = {"status": "success", "data": {"resultType": "vector", "result": result}}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def prometheus() -> Iterator[Prometheus]:
    with Prometheus() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


def settings(directory: Path, port: int) -> Settings:
    config = directory / "monitoring.yaml"
    probes = [{"name": "binance", "url": "https://api.binance.com"}]
    said = {"services": {"prometheus": {"port": port}}, "collection": {"probes": probes}}
    config.write_text(yaml.safe_dump(said))
    return load([config])


def check(value: float, **labels: str) -> tuple[dict[str, str], float]:
    [kind] = labels.keys() - {"check"}
    return {"__name__": f"{kind}_check:trading_bot_health:bool", **labels}, value


def shown(judge: Judge, bot: str = "b", figures: Vitals = FIGURES, now: float = NOW) -> dict[str, Any]:
    return judge.as_json(bot, figures, 0.5, asyncio.run(judge.judged()), now)


def test_every_verdict_is_what_prometheus_says_whatever_the_figures_are(tmp_path):
    with prometheus() as server:
        server.series = [
            ({"__name__": "bot:trading_bot_health:min", "bot": "b"}, 0),
            ({"__name__": "bot:trading_bot_health:min", "bot": "other"}, 1),
            check(0, bot="b", check="bot_running"),
            check(1, bot="b", check="memory_usage"),
            check(0, bot="other", check="cpu_usage"),
            check(0, host=HOST, check="disk_space"),
            check(1, host="elsewhere", check="disk_space"),
            check(1, endpoint="binance", check="network_connectivity"),
            check(0, endpoint="gone", check="network_connectivity"),
        ]
        found = shown(Judge(settings(tmp_path, server.server_address[1]), HOST))
    assert found["overall"] == "unhealthy"
    assert found["checks"].keys() == CHECKS
    told = {name: each["status"] for name, each in found["checks"].items() if each["status"] != "unknown"}
    assert told == {
        "bot_running": "unhealthy",
        "memory_usage": "healthy",
        "disk_space": "unhealthy",
        "network_connectivity": "healthy",
    }


def test_without_prometheus_everything_is_unknown_and_the_figures_stay(tmp_path, caplog):
    found = shown(Judge(settings(tmp_path, free_port()), HOST))
    assert {found["overall"], *(each["status"] for each in found["checks"].values())} == {"unknown"}
    assert found["checks"]["cpu_usage"]["inputs"] == {"ratio": {"value": 0.5, "below": 0.95}}
    assert "health is unknown" in caplog.text


def test_the_figures_stand_beside_with_their_limits(tmp_path):
    with prometheus() as server:
        server.series = [
            ({"__name__": "probe_success", "endpoint": "binance"}, 1),
            ({"__name__": "probe_duration_seconds", "endpoint": "binance"}, 0.25),
        ]
        found = shown(Judge(settings(tmp_path, server.server_address[1]), HOST), now=NOW + 50)["checks"]
    assert found["bot_running"]["inputs"] == {
        "up": {"value": 1.0},
        "idle_seconds": {"value": 9050.0, "below": 300.0},  # it grows while no new answer arrives
    }
    assert found["model_loaded"]["inputs"]["accuracy"] == {"value": 0.9, "above": 0.7}
    assert found["network_connectivity"]["inputs"] == {
        "binance_succeeded": {"value": 1.0},
        "binance_latency_seconds": {"value": 0.25, "below": 2.0},
    }


def test_the_disk_of_another_host_is_not_the_bots(tmp_path):
    judge = Judge(settings(tmp_path, free_port()), HOST)
    judged = Judged(checks={("host", HOST, "disk_space"): "unhealthy"})
    away = judge.as_json("b", Vitals(NOW, here=False), 0.5, judged, NOW)["checks"]["disk_space"]
    assert away == {"status": "unknown", "inputs": {"ratio": {"value": None, "below": 0.8}}}


@pytest.mark.parametrize(("names", "of"), [((), ".*"), (("a.b", 'c"'), 'a\\\\.b|c\\"|')])
def test_only_what_is_asked_for_is_asked_of_prometheus(tmp_path, names, of):
    with prometheus() as server:
        asyncio.run(Judge(settings(tmp_path, server.server_address[1]), HOST).judged(names))
        [asked] = server.asked
    assert asked.endswith(f'bot=~"{of}"}}')


def test_the_worst_of_several_models_and_feeds_is_shown():
    samples = [
        sample("up", 1),
        sample("model_accuracy", 0.9, model="a"),
        sample("model_accuracy", 0.6, model="b"),
        sample("model_loaded", 1, model="a"),
        sample("data_freshness_seconds", 5, feed="x"),
        sample("data_freshness_seconds", 50, feed="y"),
        sample("last_activity_timestamp_seconds", NOW - 7),
    ]
    found = vitals(samples, NOW + 1000, NOW, Latency(60), here=False)
    assert (found.model_accuracy, found.models_loaded, found.data_age) == (0.6, 1, 50)
    assert (found.idle, found.polled_at) == (7, NOW + 1000)


def times(*counts: int) -> Histogram:
    return Histogram(tuple(zip((0.1, 1.0, float("inf")), counts, strict=True)), 0.0)


def test_the_median_response_time_is_of_the_window_not_of_the_bots_life():
    clock = iter(float(at) for at in (0, 30, 60, 90, 120))
    latency = Latency(60, lambda: next(clock))
    assert latency.add(times(1000, 1000, 1000)) is None  # one poll gives no window
    assert latency.add(times(1000, 1000, 1000)) is None  # no calls
    assert latency.add(times(1000, 1010, 1010)) == pytest.approx(0.55)
    assert latency.add(times(1010, 1020, 1020)) == pytest.approx(0.1)
    assert latency.add(times(5, 5, 5)) is None  # the bot restarted


def test_calls_beyond_the_last_bound_are_as_slow_as_it():
    latency = Latency(60)
    latency.add(times(0, 0, 0))
    assert latency.add(times(0, 0, 7)) == 1.0


def test_a_sample_of_another_histogram_is_no_response_time():
    other: list[Sample] = [sample("log_slow_operation_seconds", times(1, 2, 3))]
    assert vitals([sample("up", 1), *other], NOW, NOW, Latency(60), here=True).latency is None
