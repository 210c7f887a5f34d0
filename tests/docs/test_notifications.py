"""The blocks of the notifications page are valid settings, and each channel gets its message."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apprise
import pytest
import yaml

from stack.binaries import alertmanager_command
from stack.keys import generate
from stack.reachability import findings
from stack.render import render
from stack.settings import load
from tests.conftest import binary, eventually, free_port
from tests.docs.trial import ROOT, blocks
from tests.drill.services import CHAT, TOPIC, Services
from tests.routes.desk import _answers
from tests.webhook_actions.escalation.fakes import (
    ACCOUNT,
    SLACK_PATH,
    TELEGRAM_TOKEN,
    TWILIO_TOKEN,
    ReceivedRequest,
)
from tests.webhook_actions.escalation.harness import Mailbox

PAGE = "docs/notifications.md"
OPEN = {"username": "", "password_file": None}  # a mail server without a login
HOME_TOKEN = "home-assistant-canary-token"
BASE = {"demo": {"enabled": False}, "channels": {"email": {"enabled": True, "host": "smtp.example.org"}}}
BASE["channels"]["email"] |= {"from": "desk@example.org", "to": ["me@example.org"]}


class AllServices(Services):
    """The drill's services, and Home Assistant."""

    def take(self, path: str, headers: dict[str, str], body: str) -> tuple[ReceivedRequest, int, object]:
        if not path.startswith("/api/services/"):
            return super().take(path, headers, body)
        # https://developers.home-assistant.io/docs/api/rest: POST /api/services/<domain>/<service>
        assert path == "/api/services/persistent_notification/create"
        assert headers["Authorization"] == f"Bearer {HOME_TOKEN}"
        return ReceivedRequest("home_assistant", path, json.loads(body)["message"]), 200, []


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in above.items():
        here = both.get(key)
        both[key] = merged(here, value) if isinstance(here, dict) and isinstance(value, dict) else value
    return both


def secrets_of(part: Any) -> Iterator[str]:
    """Yield the files of secrets that settings name."""
    for key, value in part.items() if isinstance(part, dict) else ():
        if key.endswith("_file") and value:
            yield value
        elif key.endswith("_files"):
            yield from value
        else:
            yield from secrets_of(value)


def written(directory: Path, data: dict[str, Any], contents: dict[str, str]) -> Path:
    """Write settings and their secrets; `contents` by file name."""
    (directory / "secrets").mkdir(exist_ok=True)
    for name in secrets_of(data):
        (directory / name).write_text(contents.get(Path(name).name, "secret"))
    file = directory / "monitoring.yaml"
    file.write_text(yaml.safe_dump(data))
    return file


@pytest.mark.parametrize("number", range(len(blocks(PAGE, "yaml"))))
def test_each_block_passes_the_check(tmp_path: Path, number: int) -> None:
    settings = load([written(tmp_path, merged(BASE, yaml.safe_load(blocks(PAGE, "yaml")[number])), {})])
    generate(settings)
    assert findings(settings, datetime.now(UTC)).errors == []


def test_the_urls_of_the_page_are_those_that_apprise_knows() -> None:
    text = (ROOT / PAGE).read_text()
    for url, service in {
        "ntfy://nightdesk-8d1f0c2e7a": "NotifyNtfy",
        "ntfys://ntfy.example.org/TOPIC?token=TOKEN": "NotifyNtfy",
        "pover://USERKEY@APPTOKEN": "NotifyPushover",
        "hassio://homeassistant.local/TOKEN": "NotifyHomeAssistant",
    }.items():
        assert f"`{url}`" in text
        keys = {"USERKEY": "u" * 30, "APPTOKEN": "a" * 30}
        filled = url
        for name, key in keys.items():
            filled = filled.replace(name, key)
        assert type(apprise.Apprise.instantiate(filled)).__name__ == service


def test_all_blocks_together_reach_every_channel(tmp_path: Path) -> None:
    binary("alertmanager")
    services, mailbox = AllServices(), Mailbox()
    local = f"127.0.0.1:{services.port}"
    contents = {
        "telegram_token": TELEGRAM_TOKEN,
        "slack_url": f"{services.url}{SLACK_PATH}",
        "twilio_token": TWILIO_TOKEN,
        "ntfy_url": f"ntfy://{local}/{TOPIC}",
        "homeassistant_url": f"hassio://{local}/{HOME_TOKEN}",
        "pushover_url": f"json://{local}/pushover",  # Apprise has their addresses built in
    }
    with mailbox.serving() as port:
        data: dict[str, Any] = {"demo": {"enabled": False}}
        for block in blocks(PAGE, "yaml"):
            data = merged(data, yaml.safe_load(block))
        outside = {
            "email": {"host": "127.0.0.1", "port": port, "starttls": False} | OPEN,
            "telegram": {"api_url": services.url, "chats": [CHAT]},
            "sms": {"api_url": services.url, "account": ACCOUNT},
            "phone": {"api_url": services.url, "account": ACCOUNT},
        }
        names = ("alertmanager", "prometheus", "webhook_actions", "exporter", "grafana", "blackbox_exporter")
        places = {name: {"port": free_port()} for name in names}
        file = written(tmp_path, merged(data, {"channels": outside, "services": places}), contents)
        settings = load([file])
        generate(settings)
        render(settings, tmp_path / "build")
        command = alertmanager_command(
            f"--config.file={tmp_path}/build/alertmanager/alertmanager.yml",
            f"--storage.path={tmp_path}/data",
            f"--web.listen-address={settings.services.alertmanager.address}",
            "--cluster.listen-address=",
        )
        with (tmp_path / "alertmanager.log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            eventually(lambda: _answers(settings), what="Alertmanager's start")
            words = [sys.executable, "-m", "stack.cli", "test-notify", "--config", str(file)]
            told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=200)
        finally:
            process.terminate()
            process.wait(20)
            services.close()
    assert told.returncode == 0, told.stdout + told.stderr
    assert mailbox.to() == ["me@example.org"]
    heard = {one.service for one in services.got}
    assert heard == {"telegram", "slack", "sms", "phone", "ntfy", "home_assistant", "webhook"}, told.stdout
