"""A real Alertmanager, a real SMTP server, and doubles of the HTTP services that it sends to."""

import json
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from stack.binaries import alertmanager_command
from stack.render import render
from stack.settings import Settings, load
from tests.conftest import eventually, free_port
from tests.routes.doubles import CHAT, RECEIVE_TOKEN, TELEGRAM_TOKEN, Sent, handler

QUICK = (
    "Down",
    "HighDrawdown",
    "ApiErrorRate",
    "HighVolatility",
)  # alerts that may be repeated after a second
COOLDOWN = "15s"  # of ModelDrift
WEEK = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


@dataclass
class Inbox(Sent):
    """The messages that arrived over each channel, and the mails."""

    mails: list[EmailMessage] = field(default_factory=list)

    def acted_on(self) -> list[tuple[str, str]]:
        """Return (alert, status) of every alert that webhook_actions got."""
        alerts = [alert for webhook in self.webhooks for alert in webhook["alerts"]]
        return [(alert["labels"]["alertname"], alert["status"]) for alert in alerts]

    def told(self, alert: str, bot: str) -> list[dict[str, Any]]:
        """Return what webhook_actions got about an alert of a bot."""
        about = {"alertname": f"TradingBot{alert}", "bot": bot}
        return [one for one in self.webhooks if about.items() <= one["groupLabels"].items()]

    def subjects(self) -> list[str]:
        """Return the subjects of the mails to the first of the two readers."""
        return [str(mail["Subject"]) for mail in self.mails if mail["To"] == "a@example.org"]


@dataclass(frozen=True)
class Desk:
    """A running Alertmanager: a test gives alerts to it and reads the messages."""

    settings: Settings
    inbox: Inbox
    build: Path
    files: tuple[Path, ...]

    @property
    def words(self) -> list[str]:
        """The options by which a program is given the settings."""
        return [word for file in self.files for word in ("--config", str(file))]

    def post(self, labels: Mapping[str, str], *, ends_in: float = 300.0, **annotations: str) -> None:
        self.post_all([labels], ends_in=ends_in, **annotations)

    def post_all(
        self,
        alerts: Iterable[Mapping[str, str]],
        *,
        ends_in: float = 300.0,
        began: float = 60.0,
        **annotations: str,
    ) -> None:
        """Give alerts to Alertmanager; an alert that `began` before its group_wait is sent at once."""
        now = datetime.now(UTC)
        times = {
            "startsAt": (now - timedelta(seconds=began)).isoformat(),
            "endsAt": (now + timedelta(seconds=ends_in)).isoformat(),
        }
        body = [times | {"labels": dict(labels), "annotations": annotations} for labels in alerts]
        requests.post(f"{self._api}/alerts", json=body, timeout=5).raise_for_status()

    def inhibited(self, bot: str) -> set[str]:
        """Return the inhibited alerts of a bot."""
        filters = {"filter": f"bot={json.dumps(bot)}", "active": "true", "inhibited": "true"}
        alerts = requests.get(f"{self._api}/alerts", params=filters, timeout=5).json()
        return {alert["labels"]["alertname"] for alert in alerts if alert["status"]["inhibitedBy"]}

    def muted(self, bot: str) -> list[str]:
        """Return the time intervals that mute groups with alerts of a bot."""
        groups = requests.get(f"{self._api}/alerts/groups", timeout=5).json()
        alerts = [one for group in groups for one in group["alerts"] if one["labels"].get("bot") == bot]
        return sorted({name for alert in alerts for name in alert["status"].get("mutedBy", [])})

    @property
    def _api(self) -> str:
        return f"{self.settings.services.alertmanager.url}/api/v2"


class Mailbox:
    """Keeps all mails."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self._inbox.mails.append(mail)
        return "250 OK"


def write_settings(directory: Path, http: int, smtp: int, **over: Any) -> Path:
    """Write settings with every channel set, quick paces, and the secrets that they name."""
    secrets = {
        "receive": RECEIVE_TOKEN,
        "telegram": TELEGRAM_TOKEN,
        "slack": f"http://127.0.0.1:{http}/slack",
    }
    for name, secret in secrets.items():
        (directory / name).write_text(secret)
    source = {"type": "http", "url": "http://127.0.0.1:9000", "token_file": "receive"}
    mail = {"enabled": True, "host": "127.0.0.1", "port": smtp, "starttls": False, "timeout": "5s"}
    chats = {"chats": [CHAT, "@channel"], "api_url": f"http://127.0.0.1:{http}", "timeout": "5s"}
    settings = {
        "profile": "production",
        "alerts": {name: {"cooldown": "1s"} for name in QUICK} | {"ModelDrift": {"cooldown": COOLDOWN}},
        "bots": {
            "owned[1]": {"source": source, "team": "anna"},
            "kept": {"source": source},
        },
        "contacts": {"anna": {"email": ["anna@example.org"]}},
        "timezone": "Europe/Berlin",
        "routing": {
            "group_wait": {"critical": "500ms", "warning": "0s", "info": "0s"},
            "group_interval": "1s",
            "repeat_interval": "1h",
            "watchdog_interval": "5s",
            "info_hours": None,
            "maintenance": [{"bots": ["kept"], "weekdays": WEEK, "from": "00:00", "to": "00:00"}],
        },
        "channels": {
            "email": mail | {"from": "nightdesk@example.org", "to": ["a@example.org", "b@example.org"]},
            "telegram": {"enabled": True, "token_file": "telegram"} | chats,
            "slack": {"enabled": True, "url_file": "slack", "timeout": "5s"},
            "sms": {"enabled": False},
            "phone": {"enabled": False},
        },
        "webhook_actions": {"tokens": {"receive_file": "receive"}},
        "services": {"webhook_actions": {"port": http}, "alertmanager": {"port": free_port()}},
    }
    file = directory / "monitoring.yaml"
    file.write_text(yaml.safe_dump(settings | over))
    return file


@contextmanager
def running(directory: Path, overlay: Path | None = None) -> Iterator[Desk]:
    """Run Alertmanager on the rendered files, with a receiver at the end of each channel."""
    inbox = Inbox()
    mail = Controller(Mailbox(inbox), hostname="127.0.0.1", port=free_port())
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler(inbox))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    mail.start()
    file = write_settings(directory, http.server_address[1], mail.port)
    files = (file, overlay) if overlay else (file,)
    settings = load(files)
    render(settings, directory / "build")
    command = alertmanager_command(
        f"--config.file={directory}/build/alertmanager/alertmanager.yml",
        f"--storage.path={directory}/data",
        f"--web.listen-address={settings.services.alertmanager.address}",
        "--cluster.listen-address=",
    )
    with (directory / "alertmanager.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: _answers(settings), what="Alertmanager's start")
        yield Desk(settings, inbox, directory / "build", files)
    finally:
        process.terminate()
        process.wait(timeout=20)
        mail.stop()
        http.shutdown()
        http.server_close()


def _answers(settings: Settings) -> bool:
    try:
        return requests.get(f"{settings.services.alertmanager.url}/-/ready", timeout=1).ok
    except requests.ConnectionError:
        return False
