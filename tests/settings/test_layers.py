"""Merging of defaults, profile, monitoring.yaml and overlays; options shift ports and shorten waits."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from stack.settings import Duration, Settings, SettingsError, add_arguments, from_arguments, load
from tests.settings.conftest import Load, Refuse

BOT = '{source: {type: http, url: "http://127.0.0.1:9000", token_file: secrets/token}}'


def test_an_empty_file_is_the_defaults_and_the_starter_profile(settings: Load) -> None:
    empty = settings("")
    assert (empty.profile, empty.dashboards.set) == ("starter", "simple")
    assert empty.thresholds.critical.max_drawdown == 0.10


def test_the_file_lies_over_its_profile_which_lies_over_the_defaults(settings: Load) -> None:
    chosen = settings("{profile: production, dashboards: {set: simple}}")
    assert chosen.dashboards.set == "simple"
    assert chosen.storage.retention == Duration.parse("365d")
    assert chosen.thresholds.critical.max_drawdown == 0.10


def test_overlays_lie_over_each_other_in_their_order_and_may_choose_the_profile(settings: Load) -> None:
    chosen = settings(
        "{profile: starter, collection: {trading: {interval: 10s}, system: {interval: 10s}}}",
        "{profile: experienced, collection: {trading: {interval: 20s}}}",
        "{collection: {trading: {interval: 30s}}}",
    )
    assert chosen.storage.retention == Duration.parse("90d")
    assert (chosen.collection.trading.interval, chosen.collection.system.interval) == (30, 10)
    assert chosen.collection.trading.enabled


def test_a_list_replaces_the_list_below_it_and_null_unsets(settings: Load) -> None:
    chosen = settings("{dashboards: {ranges: [1h]}, alerts: {Down: {channels: null}}}")
    assert chosen.dashboards.ranges == [3600]
    assert chosen.alerts["Down"].channels is None
    assert chosen.alerts["Down"].actions == ["restart_bot", "close_positions"]


def test_paths_are_relative_to_the_first_file_not_to_where_the_command_was_started(
    settings: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    chosen = settings(f"bots: {{one: {BOT}}}")
    assert chosen.bots["one"].source.token_file == tmp_path / "secrets/token"
    assert chosen.webhook_actions.tokens.read_file == tmp_path / "secrets/read_token"
    absolute = settings("demo: {token_file: /run/secrets/token}")
    assert absolute.demo.token_file == Path("/run/secrets/token")


def test_a_bot_is_controlled_and_restarted_through_its_source_unless_it_says_otherwise(
    settings: Load,
) -> None:
    one = settings(f"bots: {{one: {BOT}}}").bots["one"]
    assert one.control == one.source == one.restart
    docker = BOT.removesuffix("}") + ", restart: {type: docker, container: mine}}"
    other = settings(f"bots: {{two: {docker}}}").bots["two"]
    assert (other.control, other.restart.type) == (other.source, "docker")


def test_the_demo_bot_is_watched_when_enabled_beside_other_bots(settings: Load) -> None:
    assert list(settings("").bots) == []
    chosen = settings(f"{{demo: {{enabled: true}}, bots: {{one: {BOT}}}}}")
    assert set(chosen.bots) == {"demo", "one"}
    assert chosen.bots["demo"].source.token_file == chosen.demo.token_file


def test_the_demo_bots_address_follows_its_service(settings: Load) -> None:
    text = "{demo: {enabled: true}, services: {demo_bot: {host: demo, port: 8181}}}"
    assert str(settings(text).bots["demo"].source.url) == "http://demo:8181/"
    assert str(settings(text, port_offset=1000).bots["demo"].source.url) == "http://demo:9181/"


def test_the_port_offset_shifts_every_service(settings: Load) -> None:
    plain, shifted = settings("").services, settings("", port_offset=10_000).services
    assert {name: service.port + 10_000 for name, service in plain} == {
        name: one.port for name, one in shifted
    }
    assert shifted.prometheus.url == "http://127.0.0.1:19090"


def test_a_port_that_the_offset_drives_out_of_range_is_refused(refused: Refuse) -> None:
    assert "services.exporter.port: 68000 is not in 1–65535" in refused("", port_offset=60_000)


def test_a_port_that_is_true_stays_wrong_when_shifted(refused: Refuse) -> None:
    assert refused("services: {exporter: {port: true}}") == ["services.exporter.port: True is not a number"]


def test_speed_divides_every_wait_and_leaves_the_world_as_it_is(settings: Load) -> None:
    bot = BOT.replace("source:", "boot: 40s, source:")
    text = f"{{profile: production, bots: {{one: {bot}}}}}"
    plain, fast = dict(_durations(settings(text))), dict(_durations(settings(text, speed=60)))
    assert plain.keys() == fast.keys()
    for path, duration in plain.items():
        assert fast[path] == pytest.approx(duration / 60 if duration.scaled else duration), path
        assert type(fast[path]) is type(duration)
    assert fast["collection.trading.interval"] == 1
    assert fast["alerts.HighDrawdown.for_"] == 1
    assert fast["sla.burn_rates.0.long"] == 60
    assert fast["collection.timeout"] == plain["collection.timeout"]
    assert fast["thresholds.critical.response_time"] == 5
    assert fast["storage.retention"] == plain["storage.retention"]


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_a_speed_that_is_not_above_zero_is_refused(refused: Refuse, speed: float) -> None:
    assert refused("", speed=speed) == [f"--speed: {speed:g} is not a number above 0"]


def test_the_options_that_services_share_choose_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("profile: experienced", encoding="utf-8")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    chosen = from_arguments(parser.parse_args(["--config", str(file), "--port-offset", "5", "--speed", "2"]))
    assert (chosen.profile, chosen.services.exporter.port) == ("experienced", 8005)
    assert chosen.collection.trading.interval == 30


def test_without_options_monitoring_yaml_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"^monitoring.yaml: no such file; name another with --config$"):
        from_arguments(parser.parse_args([]))
    Path("monitoring.yaml").write_text("currency: EUR", encoding="utf-8")
    assert from_arguments(parser.parse_args([])).currency == "EUR"


def test_links_are_the_services_own_addresses_unless_set(settings: Load) -> None:
    assert settings("").link("grafana") == "http://127.0.0.1:3000"
    assert settings('links: {grafana: "https://desk.example/g/"}').link("grafana") == "https://desk.example/g"


def test_the_shipped_monitoring_yaml_works_untouched() -> None:
    shipped = load([Path(__file__).parents[2] / "monitoring.yaml"])
    assert list(shipped.bots) == ["demo"]


def _durations(value: object, path: str = "") -> Iterator[tuple[str, Duration]]:
    """Yield every duration that the settings hold."""
    if isinstance(value, Duration):
        yield path.lstrip("."), value
    elif isinstance(value, (Settings, BaseModel)):
        for name, part in value:
            yield from _durations(part, f"{path}.{name}")
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _durations(part, f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _durations(part, f"{path}.{index}")
