"""How health is judged: by the thresholds of the settings, and never by what is unknown."""

from typing import Any

import pytest
import yaml

from exporter.catalogue import Histogram, Sample, sample
from exporter.health import Endpoint, Judge, Latency, Vitals, as_json, vitals
from stack.settings import Settings, load

NOW = 1_800_000_000.0
FINE = Vitals(
    NOW,
    up=True,
    state="running",
    idle=3.0,
    latency=0.2,
    error_rate=0.01,
    models_loaded=1.0,
    model_accuracy=0.9,
    data_age=20.0,
    memory=0.5,
    cpu=0.5,
    here=True,
)
PROBES = [Endpoint("binance", succeeded=True, latency=0.1)]


@pytest.fixture
def settings(tmp_path) -> Settings:
    config = tmp_path / "monitoring.yaml"
    config.write_text(yaml.safe_dump({}))
    return load([config])


def judged(settings: Settings, bot: Vitals, **given: Any) -> dict[str, str]:
    """Return the status of each check and the overall one."""
    given = {"disk": 0.5, "endpoints": PROBES, "now": NOW} | given
    found = as_json(Judge(settings).checks(bot, **given))
    return {name: each["status"] for name, each in found["checks"].items()} | {"overall": found["overall"]}


def changed(**figures: Any) -> Vitals:
    return Vitals(**(vars(FINE) | figures))


def test_a_bot_within_every_limit_is_healthy_in_every_check(settings):
    found = judged(settings, FINE)
    assert set(found) == {
        "bot_running", "api_connectivity", "model_loaded", "data_freshness", "memory_usage", "cpu_usage",
        "disk_space", "network_connectivity", "overall",
    }  # fmt: skip
    assert set(found.values()) == {"healthy"}


def test_a_bot_of_which_nothing_is_known_is_neither_healthy_nor_unhealthy(settings):
    assert set(judged(settings, Vitals(NOW), disk=None, endpoints=[]).values()) == {"unknown"}


@pytest.mark.parametrize(
    ("check", "figures"),
    [
        ("bot_running", {"up": False}),
        ("bot_running", {"idle": 300.0}),
        ("api_connectivity", {"latency": 1.0}),
        ("api_connectivity", {"error_rate": 0.05}),
        ("model_loaded", {"models_loaded": 0.0}),
        ("model_loaded", {"model_accuracy": 0.7}),
        ("data_freshness", {"data_age": 300.0}),
        ("memory_usage", {"memory": 0.90}),
        ("cpu_usage", {"cpu": 0.95}),
    ],
)
def test_one_figure_at_its_limit_fails_its_check_and_the_overall(settings, check, figures):
    found = judged(settings, changed(**figures))
    assert {name for name, status in found.items() if status == "unhealthy"} == {check, "overall"}


@pytest.mark.parametrize(
    ("check", "given"),
    [
        ("disk_space", {"disk": 0.80}),
        ("network_connectivity", {"endpoints": [Endpoint("kraken", succeeded=True, latency=2.0)]}),
        ("network_connectivity", {"endpoints": [*PROBES, Endpoint("kraken", succeeded=False, latency=0.1)]}),
    ],
)
def test_its_host_and_the_network_count_too(settings, check, given):
    found = judged(settings, FINE, **given)
    assert {name for name, status in found.items() if status == "unhealthy"} == {check, "overall"}


@pytest.mark.parametrize(
    ("check", "figures"),
    [
        ("api_connectivity", {"latency": None, "error_rate": None}),
        ("model_loaded", {"models_loaded": None, "model_accuracy": None}),
        ("data_freshness", {"data_age": None}),
        ("memory_usage", {"memory": None}),
        ("cpu_usage", {"cpu": None}),
        ("disk_space", {"here": False}),
    ],
)
def test_what_is_unknown_does_not_lower_the_overall(settings, check, figures):
    found = judged(settings, changed(**figures))
    assert {name for name, status in found.items() if status != "healthy"} == {check}
    assert found[check] == "unknown"


def test_of_two_figures_the_one_that_is_known_decides(settings):
    assert judged(settings, changed(latency=None))["api_connectivity"] == "healthy"
    assert judged(settings, changed(idle=None))["bot_running"] == "healthy"


@pytest.mark.parametrize("state", ["stopped", "paused"])
def test_a_bot_that_its_owner_stopped_is_not_unhealthy_for_standing_still(settings, state):
    found = judged(settings, changed(state=state, idle=9000.0, data_age=9000.0))
    assert (found["bot_running"], found["data_freshness"], found["overall"]) == (
        "unknown",
        "unknown",
        "healthy",
    )


def test_ages_grow_while_nothing_new_is_heard(settings):
    assert judged(settings, FINE, now=NOW + 250)["bot_running"] == "healthy"
    assert judged(settings, FINE, now=NOW + 298)["bot_running"] == "unhealthy"


def test_the_worst_of_several_models_and_feeds_counts():
    samples = [
        sample("up", 1),
        sample("model_accuracy", 0.9, model="a"),
        sample("model_accuracy", 0.6, model="b"),
        sample("model_loaded", 1, model="a"),
        sample("data_freshness_seconds", 5, feed="x"),
        sample("data_freshness_seconds", 50, feed="y"),
        sample("state", 0, state="running"),
        sample("state", 1, state="paused"),
        sample("last_activity_timestamp_seconds", NOW - 7),
    ]
    found = vitals(samples, NOW + 1000, NOW, Latency(60), here=False)
    assert (found.model_accuracy, found.models_loaded, found.data_age) == (0.6, 1, 50)
    assert (found.state, found.idle, found.polled_at) == ("paused", 7, NOW + 1000)


def times(*counts: int) -> Histogram:
    return Histogram(tuple(zip((0.1, 1.0, float("inf")), counts, strict=True)), 0.0)


def test_the_median_response_time_is_of_the_window_not_of_the_bots_life():
    clock = iter(float(at) for at in (0, 30, 60, 90, 120))
    latency = Latency(60, lambda: next(clock))
    assert latency.add(times(1000, 1000, 1000)) is None  # one look tells no window
    assert latency.add(times(1000, 1000, 1000)) is None  # no calls
    assert latency.add(times(1000, 1010, 1010)) == pytest.approx(0.55)
    assert latency.add(times(1010, 1020, 1020)) == pytest.approx(0.1)
    assert latency.add(times(5, 5, 5)) is None  # the bot began anew


def test_calls_beyond_the_last_bound_are_as_slow_as_it():
    latency = Latency(60)
    latency.add(times(0, 0, 0))
    assert latency.add(times(0, 0, 7)) == 1.0


def test_a_sample_of_another_histogram_is_no_response_time():
    other: list[Sample] = [sample("log_slow_operation_seconds", times(1, 2, 3))]
    assert vitals([sample("up", 1), *other], NOW, NOW, Latency(60), here=True).latency is None
