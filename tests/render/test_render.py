"""Rendering is deterministic, all or nothing, and holds no secret."""

import json
import subprocess
from pathlib import Path
from typing import Any

import _jsonnet
import pytest
import yaml

from stack import render as renderer
from stack.binaries import MissingBinary
from stack.flags import write_flags
from stack.render import ROOT, RenderError, as_data, render, rendered
from stack.settings import Duration, Settings, load
from tests.conftest import binary

EVERYTHING = """
profile: production
demo: {enabled: true}
collection:
  market: {enabled: false}
  trading: {interval: 5s}
  timeout: 2s
  probes: [{name: binance, url: "https://api.binance.com/api/v3/ping"}]
storage:
  remote_write:
    - {url: "http://127.0.0.1:9009/push", username: me, password_file: secrets/one}
    - {url: "http://127.0.0.1:9010/push", password_file: secrets/one}
  influxdb: {enabled: true}
routing: {watchdog_url_file: secrets/one}
channels:
  email: {enabled: true, host: mail, from: a@b.c, to: [d@e.f], username: u, password_file: secrets/one}
  telegram: {enabled: true, token_file: secrets/one, chats: [-1001234567890]}
  slack: {enabled: true, url_file: secrets/one}
"""
SECRET = "hunter2-in-a-file"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "monitoring.yaml").write_text(EVERYTHING)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/one").write_text(SECRET)
    return load([tmp_path / "monitoring.yaml"])


def _files(build: Path) -> dict[str, bytes]:
    return {str(file.relative_to(build)): file.read_bytes() for file in build.rglob("*") if file.is_file()}


def test_two_renders_of_the_same_settings_are_equal_to_the_byte(settings: Settings, tmp_path: Path) -> None:
    render(settings, tmp_path / "one")
    render(settings, tmp_path / "two")
    assert _files(tmp_path / "one") == _files(tmp_path / "two")


def test_a_render_holds_no_secret_and_says_where_each_file_comes_from(
    settings: Settings, tmp_path: Path
) -> None:
    render(settings, tmp_path / "build")
    for name, content in _files(tmp_path / "build").items():
        assert SECRET.encode() not in content
        if name.endswith((".yml", ".tmpl")):
            assert b"enerated by" in content.splitlines()[0]


def test_a_render_replaces_what_was_there_and_leaves_nothing_beside_it(
    settings: Settings, tmp_path: Path
) -> None:
    before = set(tmp_path.iterdir())
    stale = tmp_path / "build/prometheus/rules/old.yml"
    stale.parent.mkdir(parents=True)
    stale.write_text("groups: []")
    render(settings, tmp_path / "build")
    assert not stale.exists()
    assert set(tmp_path.iterdir()) - before == {tmp_path / "build"}


def test_a_failed_render_leaves_the_last_good_one(settings: Settings, tmp_path: Path) -> None:
    binary("promtool")
    render(settings, tmp_path / "build")
    good = _files(tmp_path / "build")
    twice = settings.collection.model_copy(update={"probes": settings.collection.probes * 2})
    with pytest.raises(RenderError, match=r"prometheus/prometheus\.yml[^$]*probe-binance"):
        render(settings.model_copy(update={"collection": twice}), tmp_path / "build")
    telegram = settings.channels.telegram.model_copy(update={"token_file": None})
    channels = settings.channels.model_copy(update={"telegram": telegram})
    with pytest.raises(RenderError, match=r"alertmanager/alertmanager\.yml[^$]*bot_token_file"):
        render(settings.model_copy(update={"channels": channels}), tmp_path / "build")
    assert _files(tmp_path / "build") == good
    assert not list(tmp_path.glob(".build-*"))


def test_what_jsonnet_refuses_is_an_error_that_names_the_file(settings: Settings, tmp_path: Path) -> None:
    alerts = {name: alert for name, alert in settings.alerts.items() if name != "Down"}
    with pytest.raises(RenderError, match=r"prometheus/prometheus\.jsonnet: .*Down"):
        render(settings.model_copy(update={"alerts": alerts}), tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RenderError, match=r"file/build: cannot be written"):
        render(settings, tmp_path / "file/build")


def test_without_the_programs_that_check_it_a_render_still_works(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Path:
        raise MissingBinary(name)

    monkeypatch.setattr(renderer, "find", missing)
    render(settings, tmp_path / "build")
    assert (tmp_path / "build/prometheus/prometheus.yml").is_file()


def test_prometheus_scrapes_each_enabled_group_at_its_own_interval(
    settings: Settings, tmp_path: Path
) -> None:
    render(settings, tmp_path / "build")
    config = yaml.safe_load((tmp_path / "build/prometheus/prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert set(jobs) == {
        *("exporter-trading", "exporter-model", "exporter-system", "exporter-logs", "exporter"),
        "exporter-guard",
        *("webhook_actions", "alertmanager", "prometheus", "probe-binance", "drill"),
    }
    assert jobs["exporter-trading"]["params"] == {"collect[]": ["trading"]}
    assert jobs["exporter-trading"]["scrape_interval"] == "5s"
    assert jobs["exporter-trading"]["scrape_timeout"] == "5s"
    assert jobs["exporter-model"]["scrape_interval"] == "2m"
    assert jobs["exporter-model"]["scrape_timeout"] == "10s"
    assert jobs["webhook_actions"]["authorization"]["credentials_file"].endswith("secrets/read_token")
    assert jobs["probe-binance"]["static_configs"] == [
        {"targets": ["https://api.binance.com/api/v3/ping"], "labels": {"endpoint": "binance"}}
    ]
    me, bearer, influxdb = config["remote_write"]
    assert me["basic_auth"]["username"] == "me"
    assert bearer["authorization"] == {"credentials_file": str(tmp_path / "secrets/one")}
    assert influxdb["url"] == "http://127.0.0.1:8086/api/v1/prom/write?db=trading_metrics"


def test_what_money_alerts_read_is_scraped_and_evaluated_more_often_than_it_is_looked_at(
    tmp_path: Path,
) -> None:
    def made(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
        (tmp_path / "monitoring.yaml").write_text(text)
        files = rendered(load([tmp_path / "monitoring.yaml"]))
        (group,) = files["rules/trading-bot-guard.yml"]["groups"]
        jobs = {job["job_name"]: job for job in files["prometheus.yml"]["scrape_configs"]}
        return group, jobs

    group, jobs = made("collection: {guard: {interval: 3s}}")
    job = jobs["exporter-guard"]
    paces = job["scrape_interval"], job["scrape_timeout"], group["interval"]
    assert paces == ("2s250ms", "2s250ms", "1s500ms")
    assert job["params"] == {"collect[]": ["guard"]}
    names = ("CriticalLoss", "LossLimit", "LiquidationNear")
    money = {f"TradingBot{name}" for name in names}
    assert {rule["alert"] for rule in group["rules"]} == money
    # A firing alert costs queries for its texts at each evaluation: many warnings would delay loss alerts.
    assert {rule["labels"]["severity"] for rule in group["rules"]} == {"critical"}
    group, _ = made("collection: {guard: {interval: 30s}, evaluation_interval: 5s}")
    assert group["interval"] == "5s", "never more rarely than all others"
    group, jobs = made("collection: {guard: {enabled: false}}")
    assert "exporter-guard" not in jobs
    assert "interval" not in group


def test_prometheus_tells_of_what_fires_at_each_evaluation_and_is_not_forgotten_while_it_starts(
    tmp_path: Path,
) -> None:
    for pace, delay in (("15s", "14s999ms"), ("1m", "59s999ms"), ("1s", "14s999ms")):
        (tmp_path / "monitoring.yaml").write_text(f"collection: {{evaluation_interval: {pace}}}")
        write_flags(load([tmp_path / "monitoring.yaml"]), tmp_path / "build", tmp_path / "build")
        flags = (tmp_path / "build/prometheus/flags").read_text().splitlines()
        assert f"--rules.alert.resend-delay={delay}" in flags


def test_a_drills_speed_shortens_every_wait_to_parts_of_a_second(tmp_path: Path) -> None:
    (tmp_path / "monitoring.yaml").write_text("profile: starter")
    render(load([tmp_path / "monitoring.yaml"], speed=120), tmp_path / "build")
    config = yaml.safe_load((tmp_path / "build/prometheus/prometheus.yml").read_text())
    assert config["global"]["evaluation_interval"] == "125ms"
    groups = yaml.safe_load((tmp_path / "build/prometheus/rules/trading-bot-critical.yml").read_text())[
        "groups"
    ]
    down, crash_looping, *_ = groups[0]["rules"]
    assert (down["for"], down["keep_firing_for"]) == ("2s500ms", "2s500ms")
    assert "[7s500ms]" in crash_looping["expr"]


def test_jsonnet_sees_keys_as_in_yaml_seconds_and_addresses(settings: Settings) -> None:
    data = as_data(settings)
    assert data["alerts"]["ApiErrorRate"]["for"] == 120.0
    assert data["channels"]["email"]["from"] == "a@b.c"
    assert data["links"]["grafana"] == "http://127.0.0.1:3000"
    assert json.loads(json.dumps(data)) == data


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.25, 1.0, 59.9995, 60.0, 75.5, 5400.0, 90061.5, 1209600.0])
def test_durations_are_written_and_read_as_the_settings_do(seconds: float) -> None:
    text = str(Duration(seconds))
    library = ROOT / "prometheus/duration.libsonnet"
    code = f"local d = import '{library}'; [d.format({seconds!r}), d.seconds('{text}'), d.format('{text}')]"
    written, read, again = json.loads(_jsonnet.evaluate_snippet("test", code))
    assert written == again == text
    assert read == pytest.approx(float(Duration.parse(text)))


def test_the_mixin_can_be_vendored_without_settings_and_changed_by_its_config() -> None:
    mixin = ROOT / "prometheus/mixin.libsonnet"
    change = "{ _config+:: { thresholds+: { critical+: { down_after: '10m', error_rate: 0.2 } } } }"
    code = f"((import '{mixin}') + {change}).prometheusAlerts"
    groups = json.loads(_jsonnet.evaluate_snippet("test", code))["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    assert rules["TradingBotDown"]["for"] == "10m"
    assert "(trading_bot_error_rate) > 0.2" in rules["TradingBotApiErrorRate"]["expr"]
    assert "dashboard_url" not in rules["TradingBotDown"]["annotations"]


def test_every_jsonnet_file_is_formatted_and_opens_with_what_it_is_for() -> None:
    formatter = binary("jsonnetfmt")
    files = [
        file
        for folder in ("prometheus", "alertmanager", "blackbox")
        for file in (ROOT / folder).rglob("*sonnet")
    ]
    assert len(files) > 8
    for file in files:
        assert file.read_text().startswith("// ")
        assert subprocess.run([formatter, "--test", file]).returncode == 0, file
