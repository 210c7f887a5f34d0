"""The rendered files for InfluxDB, Mimir, Datadog and New Relic match their documentation."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.catalogue import METRICS
from stack.render import render
from stack.settings import Settings, load

SETTINGS = {
    "bots": {
        "alpha": {
            "source": {"type": "http", "url": "http://127.0.0.1:9", "token_file": "token"},
            "logs": ["/var/log/alpha.log"],
        }
    },
    "storage": {
        "remote_write": [{"url": "https://mimir.example.org/api/v1/push", "name": "mimir", "tenant": "desk"}],
        "influxdb": {"enabled": True, "username": "me", "password_file": "token"},
    },
    "integrations": {
        "datadog": {"enabled": True, "api_key_file": "token", "tags": ["desk:night"]},
        "newrelic": {"enabled": True, "license_key_file": "token", "account": 42},
    },
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    directory = tmp_path_factory.mktemp("systems")
    (directory / "token").write_text("canary-secret")
    (directory / "monitoring.yaml").write_text(yaml.safe_dump(SETTINGS))
    return load([directory / "monitoring.yaml"])


@pytest.fixture(scope="module")
def build(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("build") / "build"
    render(settings, out)
    return out


def test_each_store_has_its_queue_its_names_and_its_credentials(build: Path) -> None:
    stores = yaml.safe_load((build / "prometheus/prometheus.yml").read_text())["remote_write"]
    by_name = {store["name"]: store for store in stores}
    assert set(by_name) == {"mimir", "influxdb", "newrelic"}
    assert by_name["mimir"]["headers"] == {"X-Scope-OrgID": "desk"}
    assert by_name["influxdb"]["basic_auth"]["username"] == "me"
    newrelic = by_name["newrelic"]
    assert (
        newrelic["url"] == "https://metric-api.newrelic.com/prometheus/v1/write?prometheus_server=nightdesk"
    )
    assert newrelic["authorization"]["credentials_file"].endswith("/token")
    for store in stores:
        assert store["write_relabel_configs"][0]["action"] == "keep"
        assert store["queue_config"]["capacity"] >= store["queue_config"]["max_samples_per_send"]


def test_no_file_holds_a_secret(build: Path) -> None:
    texts = [file.read_text() for file in build.rglob("*") if file.is_file()]
    assert len(texts) > 10
    assert not any("canary-secret" in text for text in texts)


def test_the_database_is_made_with_the_retention_that_is_set(build: Path) -> None:
    text = (build / "influxdb/create.iql").read_text()
    assert text == 'CREATE DATABASE "trading_metrics" WITH DURATION 720h REPLICATION 1 NAME "nightdesk"\n'


def test_the_agents_check_takes_every_metric_of_the_catalogue(build: Path) -> None:
    check = yaml.safe_load((build / "datadog/conf.d/openmetrics.d/conf.yaml").read_text())
    (instance,) = check["instances"]
    assert instance["openmetrics_endpoint"] == "http://127.0.0.1:8000/metrics"
    assert len(instance["metrics"]) == len(METRICS)
    assert "^trading_bot_trades$" in instance["metrics"], "version 2 names a counter without _total"
    logs = yaml.safe_load((build / "datadog/conf.d/nightdesk.d/conf.yaml").read_text())["logs"]
    assert logs[0] == {
        "type": "file", "path": "/var/log/alpha.log", "service": "alpha", "source": "nightdesk",
        "tags": ["bot:alpha", "desk:night"],
    }  # fmt: skip


def test_monitors_have_the_limits_of_the_alerts(build: Path, settings: Settings) -> None:
    monitors = {
        one["name"].split(":")[0]: one for one in json.loads((build / "datadog/monitors.json").read_text())
    }
    drawdown = monitors["TradingBotHighDrawdown"]
    limit = settings.thresholds.critical.max_drawdown
    assert drawdown["query"] == (
        f"min(last_1m):min:nightdesk.trading_bot_drawdown_ratio{{*}} by {{bot}} > {limit:g}"
    )
    for monitor in monitors.values():
        # The API refuses a monitor whose critical threshold is not the one in its query.
        assert monitor["query"].endswith(f"{monitor['options']['thresholds']['critical']:g}")
        assert monitor["type"] == "query alert"
        assert monitor["options"]["notify_no_data"] is False


def widgets(found: Any) -> Iterator[dict[str, Any]]:
    for widget in found:
        inner = widget.get("definition", {}).get("widgets")
        yield from widgets(inner) if inner else [widget]


def test_dashboards_show_each_metric_once(build: Path) -> None:
    wanted = [
        m
        for m in METRICS
        if m.group in ("trading", "api", "model", "market", "system") and m.type != "histogram"
    ]
    board = json.loads((build / "datadog/dashboard.json").read_text())
    queries = [w["definition"]["requests"][0]["queries"][0]["query"] for w in widgets(board["widgets"])]
    assert len(queries) == len(set(queries)) == len(wanted)
    assert "sum:nightdesk.trading_bot_trades.count{$bot} by {bot}.as_rate()" in queries
    relic = json.loads((build / "newrelic/dashboard.json").read_text())
    shown = [widget for page in relic["pages"] for widget in page["widgets"]]
    assert len(shown) == len(wanted)
    for widget in shown:
        layout, (query,) = widget["layout"], widget["rawConfiguration"]["nrqlQueries"]
        assert layout["column"] + layout["width"] <= 13
        assert query["accountIds"] == [42]
        assert query["query"].startswith("SELECT ")
