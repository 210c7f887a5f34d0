"""A stack of real parts, with a mail server and strict doubles of Telegram, Slack, Twilio and ntfy."""

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import psutil
import requests
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from stack.drill.command import run, usual
from stack.drill.progress import HopTimeouts
from stack.drill.run import DrillRequest, Result
from stack.keys import generate
from stack.render import render
from stack.services import LocalService, local_services
from stack.settings import load
from tests.conftest import eventually, free_port
from tests.drill.services import CHAT, TOPIC, Services
from tests.webhook_actions.escalation.fakes import ACCOUNT, TELEGRAM_TOKEN, TWILIO_TOKEN

SPEED = 60
PARTS = ("exporter", "prometheus", "alertmanager", "webhook_actions")
PASSWORD, SENDER = "mail-password", "desk@example.org"


class Post:
    """A mail server that requires a password and knows one sender."""

    def __init__(self) -> None:
        self.subjects: list[str] = []
        self.recipients: set[str] = set()

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address != SENDER:
            return "553 5.7.1 Sender address rejected: not owned by user"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.subjects.append(str(mail["Subject"]))
        self.recipients.update(envelope.rcpt_tos)
        return "250 OK"


def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and data.password.decode() == PASSWORD
    return AuthResult(success=right, handled=not right and False)


class Desk:
    """The running parts, and what a test does to them. `settings` are the user's."""

    def __init__(
        self, directory: Path, services: Services, post: Post, smtp: int, speed: float = SPEED, **more: Any
    ) -> None:
        self.directory, self.outside, self.post = directory, services, post
        self.smtp, self.speed = smtp, speed
        self.config = directory / "monitoring.yaml"
        self._ports = {name: free_port() for name in (*PARTS, "blackbox_exporter", "grafana", "demo_bot")}
        for name, secret in {
            "telegram": TELEGRAM_TOKEN,
            "slack": f"{services.url}/services/T000/B000/slack-canary-secret",
            "twilio": TWILIO_TOKEN,
            "smtp": PASSWORD,
            "ntfy": f"ntfy://127.0.0.1:{services.port}/{TOPIC}",
            "bot": "bot-secret",
        }.items():
            (directory / name).write_text(secret)
        self.config.write_text(yaml.safe_dump(self.written() | more))
        self.settings = load([self.config], speed=speed)
        generate(self.settings)
        self.build = directory / "data/build"
        self.parts: dict[str, LocalService] = {}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def written(self) -> dict[str, Any]:
        twilio = {
            "enabled": True,
            "account": ACCOUNT,
            "token_file": "twilio",
            "from": "+15005550006",
            "to": ["+15550000001"],
            "api_url": self.outside.url,
            "timeout": "2s",
        }
        return {
            "profile": "production",
            "services": {name: {"port": port} for name, port in self._ports.items()},
            "routing": {"info_hours": None, "watchdog_url_file": "none", "watchdog_interval": "5m"},
            "contacts": {
                "administrator": {
                    "apprise_files": ["ntfy"],
                    "phone": ["+15550000001"],
                    "email": ["owner@example.org"],
                    "telegram": [CHAT],
                }
            },
            "escalation": {"delivery": {"retries": 0, "pause": "5s"}},
            "channels": {
                "email": {
                    "enabled": True,
                    "host": "127.0.0.1",
                    "port": self.smtp,
                    "starttls": False,
                    "username": "desk",
                    "password_file": "smtp",
                    "from": SENDER,
                    "to": ["owner@example.org"],
                    "timeout": "2s",
                },
                "telegram": {
                    "enabled": True,
                    "token_file": "telegram",
                    "chats": [CHAT],
                    "api_url": self.outside.url,
                    "timeout": "2s",
                },
                "slack": {"enabled": True, "url_file": "slack", "timeout": "2s"},
                "sms": twilio,
                "phone": twilio,
            },
        }

    def start(self) -> None:
        """Render, and start every part."""
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        render(self.settings, self.build)
        options = ["--config", str(self.config), "--speed", str(self.speed)]
        for one in local_services(self.settings, self.build, data, options):
            self.parts[one.name] = one
        for name in PARTS:
            self.run(name)
        for name in PARTS:
            self.wait(name)

    def run(self, name: str) -> None:
        """Start a part."""
        log = (self.directory / f"{name}.log").open("ab")
        self.running[name] = subprocess.Popen(self.parts[name].command, stdout=log, stderr=log)

    def wait(self, name: str) -> None:
        """Wait until a part is healthy."""
        eventually(lambda: self._is_well(name), within=90, what=name)

    def stop(self, name: str) -> None:
        """End a part and its child processes."""
        process = self.running.pop(name)
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        process.wait(40)
        for child in family:
            with suppress(psutil.NoSuchProcess):
                child.kill()

    def reload(self, name: str) -> None:
        """Make Prometheus or Alertmanager reload their files."""
        processes = [psutil.Process(self.running[name].pid)]
        processes += processes[0].children(recursive=True)
        processes[-1].send_signal(signal.SIGHUP)

    def _is_well(self, name: str) -> bool:
        assert self.running[name].poll() is None, (self.directory / f"{name}.log").read_text()[-3000:]
        with suppress(requests.RequestException):
            return requests.get(self.parts[name].health, timeout=2).ok
        return False

    def close(self) -> None:
        for name in list(self.running):
            self.stop(name)

    def drill(
        self,
        alert: str | None = "Down",
        *,
        answers: bool = True,
        bot: str | None = None,
        patience: HopTimeouts | None = None,
    ) -> Result:
        """Run a drill with a person who acknowledges, or not."""
        over = threading.Event()
        person = threading.Thread(target=self._person, args=(over,), daemon=True)
        if answers:
            person.start()
        lines: list[str] = []
        try:
            wish = DrillRequest(alert, bot, gap=0.5)
            return run(self.settings, wish, lines.append, patience or self.patience())
        finally:
            over.set()
            (self.directory / "drill.log").write_text("\n".join(lines))

    def round_trip(self) -> float:
        """Return when the Watchdog's loop last completed, as Prometheus knows it; 0 if never."""
        query = {"query": "max(nightdesk_round_trip_timestamp_seconds)"}
        url = f"{self.settings.services.prometheus.url}/api/v1/query"
        found = requests.get(url, params=query, timeout=5).json()["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0

    def is_well_again(self) -> bool:
        """Return whether a drill finds nothing, once the effects of a repaired fault are over."""
        faults: list[tuple[int, str]] = []
        for _ in range(4):
            faults = list(self.drill().faults)
            if not faults:
                return True
        raise AssertionError("\n".join(text for _, text in faults))

    def patience(self) -> HopTimeouts:
        group = usual(self.settings).group
        return HopTimeouts(metric=8, rule=12, alertmanager=8, engine=8, channel=10, answer=12, group=group)

    def _person(self, over: threading.Event) -> None:
        """Acknowledge the open incidents, as a person with a phone does."""
        token = self.settings.webhook_actions.tokens.act_file.read_text().strip()
        header = {"Authorization": f"Bearer {token}"}
        url = f"{self.settings.services.webhook_actions.url}/api/v1/incidents"
        while not over.wait(1.0):
            with suppress(requests.RequestException, ValueError, KeyError):
                for one in requests.get(url, headers=header, timeout=2).json()["incidents"]:
                    done = {line["kind"] for line in one["timeline"]}
                    if one["severity"] in ("critical", "warning") and "acknowledged" not in done:
                        body = {"by": "anna", "comment": "here"}
                        requests.post(f"{url}/{one['id']}/acknowledge", json=body, headers=header, timeout=2)
                        break


@contextmanager
def running(directory: Path, speed: float = SPEED, **more: Any) -> Iterator[Desk]:
    services, post = Services(), Post()
    port = free_port()
    mail = Controller(
        post,
        hostname="127.0.0.1",
        port=port,
        authenticator=authenticate,
        auth_require_tls=False,
        auth_required=True,
        auth_exclude_mechanism=["LOGIN"],  # whose prompts Alertmanager words otherwise
    )
    mail.start()
    desk = Desk(directory, services, post, port, speed, **more)
    try:
        desk.start()
        yield desk
    finally:
        desk.close()
        mail.stop()
        services.close()
