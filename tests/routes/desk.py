"""A real Alertmanager, a real SMTP server, and doubles of the HTTP services that it sends to."""

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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

TOKEN = "the-receive-token"


@dataclass
class Inbox:
    """What arrived over each way."""

    mails: list[EmailMessage] = field(default_factory=list)
    webhooks: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    telegram: list[dict[str, Any]] = field(default_factory=list)
    slack: list[dict[str, Any]] = field(default_factory=list)
    watchdog: list[dict[str, Any]] = field(default_factory=list)

    def acted_on(self) -> list[tuple[str, str]]:
        """Return (alert, status) of all that webhook_actions was told."""
        alerts = [alert for webhook in self.webhooks for alert in webhook["alerts"]]
        return [(alert["labels"]["alertname"], alert["status"]) for alert in alerts]

    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]


@dataclass(frozen=True)
class Desk:
    """Where alerts are given in, and where they come out."""

    settings: Settings
    inbox: Inbox

    def post(self, labels: Mapping[str, str], *, ends_in: float = 300.0, **annotations: str) -> None:
        now = datetime.now(UTC)
        alert = {
            "labels": dict(labels),
            "annotations": annotations,
            "startsAt": (now - timedelta(minutes=1)).isoformat(),
            "endsAt": (now + timedelta(seconds=ends_in)).isoformat(),
        }
        url = f"{self.settings.services.alertmanager.url}/api/v2/alerts"
        requests.post(url, json=[alert], timeout=5).raise_for_status()


class _Mailbox:
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


def _handler(inbox: Inbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = self._take(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def _take(self, body: dict[str, Any]) -> tuple[int, bytes]:
            if self.path == "/api/v1/alerts":
                if self.headers["Authorization"] != f"Bearer {TOKEN}":
                    inbox.refused.append(str(self.headers["Authorization"]))
                    return 401, b"{}"
                inbox.webhooks.append(body)
                return 200, b"{}"
            if self.path == "/bot1:secret/sendMessage":
                inbox.telegram.append(body)
                chat = {"id": int(body["chat_id"]), "type": "private"}
                return 200, json.dumps(
                    {"ok": True, "result": {"message_id": 1, "date": 1, "chat": chat}}
                ).encode()
            {"/slack": inbox.slack, "/watchdog": inbox.watchdog}[self.path].append(body)
            return 200, b"ok"

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def write_settings(directory: Path, http: int, smtp: int, **over: Any) -> Path:
    """Write settings with every channel set, quick paces, and the secrets that they name."""
    secrets = {
        "receive": TOKEN,
        "telegram": "1:secret",
        "slack": f"http://127.0.0.1:{http}/slack",
        "watchdog": f"http://127.0.0.1:{http}/watchdog",
    }
    for name, secret in secrets.items():
        (directory / name).write_text(secret)
    mail = {"enabled": True, "host": "127.0.0.1", "port": smtp, "starttls": False, "timeout": "5s"}
    chats = {"chats": [42, "@channel"], "api_url": f"http://127.0.0.1:{http}", "timeout": "5s"}
    settings = {
        "profile": "experienced",
        "alerts": {name: {"cooldown": "1s"} for name in ("Down", "HighDrawdown", "ApiErrorRate")},
        "timezone": "Europe/Berlin",
        "routing": {
            "group_wait": {"critical": "0s", "warning": "0s", "info": "0s"},
            "group_interval": "1s",
            "repeat_interval": "1h",
            "watchdog_url_file": "watchdog",
            "watchdog_interval": "5s",
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
    """Run Alertmanager on what `render` makes, with something at the end of each of its ways out."""
    inbox = Inbox()
    mail = Controller(_Mailbox(inbox), hostname="127.0.0.1", port=free_port())
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(inbox))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    mail.start()
    file = write_settings(directory, http.server_address[1], mail.port)
    settings = load([file, overlay] if overlay else [file])
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
        yield Desk(settings, inbox)
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
