"""Which receivers hear of which alert, as amtool reads the rendered routes."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.render import render
from stack.settings import load
from tests.conftest import binary
from tests.routes.desk import write_settings

STARTER = {
    "critical Down": "webhook_actions email telegram",
    "critical CrashLooping": "webhook_actions telegram",
    "critical HighDrawdown": "webhook_actions email telegram",
    "critical ApiErrorRate": "webhook_actions email telegram",
    "critical ARuleOfTheirOwn": "webhook_actions telegram",
    "warning ARuleOfTheirOwn": "webhook_actions telegram",
    "info ARuleOfTheirOwn": "webhook_actions telegram-info",
    "meta ExporterDown": "email telegram",
    "meta Watchdog": "watchdog",
    "none ARuleOfTheirOwn": "nobody",
}
EXPERIENCED = STARTER | {
    "critical Down": "webhook_actions email slack telegram",
    "critical CrashLooping": "webhook_actions email telegram",
    "critical ARuleOfTheirOwn": "webhook_actions email slack telegram",
    "warning ARuleOfTheirOwn": "webhook_actions email slack telegram",
}
PROFILES = {"starter": STARTER, "experienced": EXPERIENCED, "production": EXPERIENCED}
NONE_SET = {
    "critical Down": "webhook_actions",
    "warning ARuleOfTheirOwn": "webhook_actions",
    "info ARuleOfTheirOwn": "webhook_actions",
    "meta ExporterDown": "nobody",
    "meta Watchdog": "nobody",
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


def _rendered(directory: Path, text: str | None = None, **over: Any) -> Path:
    file = write_settings(directory, 9099, 2525, **over)
    if text is not None:
        file.write_text(text)
    render(load([file]), directory / "build")
    return directory / "build/alertmanager/alertmanager.yml"


def _receivers(config: Path, **labels: str) -> str:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    # It reads no templates for that, so that it needs no mounts of its own as `check-config` does.
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


def test_without_a_channel_only_webhook_actions_hears_and_never_of_meta_alerts(tmp_path: Path) -> None:
    assert _table(_rendered(tmp_path, "profile: starter"), NONE_SET) == NONE_SET


def test_an_alerts_own_channels_go_before_its_severitys(tmp_path: Path) -> None:
    assert _table(_rendered(tmp_path, **OWN_CHOICE), CHOSEN) == CHOSEN


def test_telegram_with_only_named_chats_is_left_to_webhook_actions(tmp_path: Path) -> None:
    assert _table(_rendered(tmp_path, **ONLY_NAMED_CHATS), NONE_SET) == NONE_SET | {
        "meta Watchdog": "watchdog"
    }


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
    assert route["group_by"] == ["alertname", "bot", "host", "endpoint"]
