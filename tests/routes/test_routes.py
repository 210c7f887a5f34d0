"""Which receivers get which alert, as amtool reads the rendered routes."""

import json
import subprocess
from pathlib import Path
from typing import Any

import _jsonnet
import pytest
import yaml

from stack.render import ROOT, as_data
from stack.settings import Settings, load
from tests.conftest import binary
from tests.routes.desk import write_settings
from tests.rules.design import NAMES, SEVERITY

EVERY = "webhook_actions email slack telegram"
STARTER = {
    "critical Down": EVERY,
    "critical CrashLooping": EVERY,
    "critical HighDrawdown": EVERY,
    "critical ApiErrorRate": EVERY,
    "critical ARuleOfTheirOwn": EVERY,
    "warning ARuleOfTheirOwn": EVERY,
    "info ARuleOfTheirOwn": "webhook_actions telegram-info",
    "meta ExporterDown": "email telegram",
    "meta Watchdog": "watchdog",
    "none ARuleOfTheirOwn": "nobody",
}
EXPERIENCED = STARTER | {
    "critical CrashLooping": "webhook_actions email telegram",
    "critical HighDrawdown": "webhook_actions email telegram",
    "critical ApiErrorRate": "webhook_actions email telegram",
}
PROFILES = {"starter": STARTER, "experienced": EXPERIENCED, "production": EXPERIENCED}
NONE_SET = {
    "critical Down": "webhook_actions",
    "warning ARuleOfTheirOwn": "webhook_actions",
    "info ARuleOfTheirOwn": "webhook_actions",
    "meta ExporterDown": "nobody",
    "meta Watchdog": "watchdog",
}
OWN_CHOICE: dict[str, Any] = {
    "alerts": {
        "Down": {"channels": ["slack"]},
        "ApiErrorRate": {"channels": None},
        "ExporterDown": {"channels": []},
    },
    "severities": {"critical": {"channels": ["slack", "telegram"]}},
}
CHOSEN = {
    "critical Down": "webhook_actions slack",
    "critical ApiErrorRate": "webhook_actions slack telegram",
    "critical CrashLooping": "webhook_actions email telegram",
    "meta ExporterDown": "nobody",
}
ONLY_NAMED_CHATS: dict[str, Any] = {
    "channels": {"telegram": {"enabled": True, "token_file": "telegram", "chats": ["@channel"]}}
}


SENT = {"email", "telegram", "slack"}  # channels of Alertmanager; the others belong to webhook_actions


def _rendered(directory: Path, text: str | None = None, **over: Any) -> Path:
    file = write_settings(directory, 9099, 2525, **over)
    if text is not None:
        file.write_text(text)
    return _routes_of(load([file]), directory)


def _routes_of(settings: Settings, directory: Path) -> Path:
    """Return only the file of routes: `render` also makes other files, which take longer."""
    source, data = str(ROOT / "alertmanager/alertmanager.jsonnet"), json.dumps(as_data(settings))
    made = json.loads(_jsonnet.evaluate_file(source, ext_codes={"settings": data}))
    config = directory / "alertmanager.yml"
    config.write_text(json.dumps(made["alertmanager.yml"]))  # JSON is YAML, too
    return config


def _receivers(config: Path, **labels: str) -> str:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    # It reads no templates for this, so it needs no mount namespace, unlike `check-config`.
    command = [str(binary("amtool")), "config", "routes", "test", f"--config.file={config}", *pairs]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return " ".join(done.stdout.strip().split(","))


def _table(config: Path, alerts: dict[str, str]) -> dict[str, str]:
    return {
        alert: _receivers(
            config, severity=alert.split()[0], alertname=f"TradingBot{alert.split()[1]}", bot="b"
        )
        for alert in alerts
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_with_every_channel_set_each_alert_reaches_those_of_its_profile(tmp_path: Path, profile: str) -> None:
    assert _table(_rendered(tmp_path, profile=profile), PROFILES[profile]) == PROFILES[profile]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_alert_of_the_design_reaches_its_channels_and_meta_alerts_never_webhook_actions(
    tmp_path: Path, profile: str
) -> None:
    settings = load([write_settings(tmp_path, 9099, 2525, profile=profile)])
    config = _routes_of(settings, tmp_path)
    found, expected = {}, {}
    for name, severity in SEVERITY.items():
        if not settings.alerts[name].enabled:
            continue
        for level in ("critical", "warning") if severity == "slo" else (severity,):
            labels = {"severity": level, "alertname": f"TradingBot{name}", "bot": "b"}
            found[name, level] = set(_receivers(config, **labels).split())
            expected[name, level] = _wanted(settings, name, level)
    assert found == expected
    assert {name for name, _ in found} == {name for name in NAMES if settings.alerts[name].enabled}


def _wanted(settings: Settings, name: str, severity: str) -> set[str]:
    """Return the receivers from the settings: an alert's own channels, else its severity's."""
    if name == "Watchdog":
        return {"watchdog"}
    channels = settings.alerts[name].channels
    if channels is None:
        channels = getattr(settings.severities, severity).channels
    told = {f"{channel}-info" if severity == "info" else str(channel) for channel in SENT & {*channels}}
    return told if severity == "meta" else told | {"webhook_actions"}


def test_a_bot_of_a_team_reaches_the_teams_own_addresses_and_the_channels_it_has_none_for(
    tmp_path: Path,
) -> None:
    labels = {"severity": "critical", "alertname": "TradingBotDown", "bot": "owned[1]"}
    config = _rendered(tmp_path)
    assert _receivers(config, **labels) == "webhook_actions email-of-anna slack telegram"
    assert _receivers(config, **labels | {"bot": "owned1"}) == "webhook_actions email slack telegram"


def test_maintenance_and_planned_hours_are_time_intervals_in_the_time_zone_of_the_settings(
    tmp_path: Path,
) -> None:
    over = (
        "timezone: Europe/Berlin\nrouting: {info_hours: {from: '09:00', to: '21:00'}, maintenance: ["
        "{weekdays: [saturday], from: '22:00', to: '02:00'}, {date: 2026-12-24, from: '01:00', to: '03:00'}]}"
    )
    made = yaml.safe_load(_rendered(tmp_path, over).read_text())
    berlin = {"location": "Europe/Berlin"}
    assert {one["name"]: one["time_intervals"] for one in made["time_intervals"]} == {
        "info": [{"times": [{"start_time": "09:00", "end_time": "21:00"}]} | berlin],
        "maintenance-1": [
            {"times": [{"start_time": "22:00", "end_time": "24:00"}], "weekdays": ["saturday"]} | berlin,
            {"times": [{"start_time": "00:00", "end_time": "02:00"}], "weekdays": ["sunday"]} | berlin,
        ],
        "maintenance-2": [
            {
                "times": [{"start_time": "01:00", "end_time": "03:00"}],
                "years": ["2026"],
                "months": ["12"],
                "days_of_month": ["24"],
            }
            | berlin
        ],
    }
    told = [way for route in made["route"]["routes"] for way in route.get("routes", []) if "continue" in way]
    assert all(way["mute_time_intervals"] == ["maintenance-1", "maintenance-2"] for way in told)


def test_without_a_channel_only_webhook_actions_hears_and_never_of_meta_alerts(tmp_path: Path) -> None:
    assert _table(_rendered(tmp_path, "profile: starter"), NONE_SET) == NONE_SET


def test_an_alerts_own_channels_go_before_its_severitys(tmp_path: Path) -> None:
    assert _table(_rendered(tmp_path, **OWN_CHOICE), CHOSEN) == CHOSEN


def test_telegram_with_only_named_chats_is_left_to_webhook_actions(tmp_path: Path) -> None:
    assert _table(_rendered(tmp_path, **ONLY_NAMED_CHATS), NONE_SET) == NONE_SET


@pytest.mark.parametrize("channel", ["email", "slack", "telegram"])
def test_a_test_reaches_the_receiver_of_its_channel_and_no_other(tmp_path: Path, channel: str) -> None:
    config = _rendered(tmp_path)
    labels = {"alertname": "TradingBotTestNotification", "severity": "test", "channel": channel}
    assert _receivers(config, **labels) == f"test-{channel}"


def test_paces_follow_the_settings(tmp_path: Path) -> None:
    waits = "group_wait: {critical: 2s, warning: 40s, info: 3m}"
    over = f"routing: {{{waits}, group_interval: 90s, repeat_interval: 2h}}"
    route = yaml.safe_load(_rendered(tmp_path, over).read_text())["route"]
    found = {one["matchers"][0]: one["group_wait"] for one in route["routes"]}
    assert found['severity="critical"'] == "2s"
    assert found['severity="warning"'] == "40s"
    assert found['severity="info"'] == "3m"
    assert (route["group_interval"], route["repeat_interval"]) == ("1m30s", "2h")
    assert route["group_by"] == ["alertname", "drill"]
    acting = [way for one in route["routes"] for way in one.get("routes", []) if "group_by" in way]
    assert [way["receiver"] for way in acting] == ["webhook_actions"] * 3
    assert acting[0]["group_wait"] == "0s", "what is critical is acted on at once"


def test_money_waits_for_no_other_and_what_is_lost_since_is_in_the_next_message(tmp_path: Path) -> None:
    route = yaml.safe_load(_rendered(tmp_path).read_text())["route"]
    (critical,) = [one for one in route["routes"] if one["matchers"] == ['severity="critical"']]
    ways = {str(way.get("matchers")): way for way in critical["routes"] if "matchers" in way}
    money = [way for which, way in ways.items() if "LossLimit" in which or "CriticalLoss" in which]
    money = [way for way in money if "!~" not in str(way["matchers"])]
    assert len(money) >= 2
    assert {(way["group_wait"], way["group_interval"]) for way in money} == {("0s", "1s")}
    (down,) = [way for which, way in ways.items() if "TradingBotDown" in which and "!~" not in which][:1]
    assert "group_wait" not in down


def test_a_team_may_be_a_rota_whose_bots_stay_with_the_desk(tmp_path: Path) -> None:
    file = write_settings(tmp_path, 9099, 2525)
    given = yaml.safe_load(file.read_text())
    given["bots"]["owned[1]"]["team"] = "turns"
    week = {"start": "2026-01-05", "handover": "09:00", "contacts": ["anna"]}
    given["escalation"] = {"rotas": {"turns": week}}
    file.write_text(yaml.safe_dump(given))
    labels = {"severity": "critical", "alertname": "TradingBotDown", "bot": "owned[1]"}
    found = _receivers(_routes_of(load([file]), tmp_path), **labels)
    assert found == "webhook_actions email slack telegram"


def test_each_address_is_a_configuration_of_its_own(tmp_path: Path) -> None:
    receivers = {one["name"]: one for one in yaml.safe_load(_rendered(tmp_path).read_text())["receivers"]}
    assert [one["to"] for one in receivers["email"]["email_configs"]] == ["a@example.org", "b@example.org"]
