"""Escalation on a real PostgreSQL, with a mailbox and the services of the channels."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import yaml
from aiosmtpd.controller import Controller

from stack.settings import Settings, load
from tests.conftest import free_port
from tests.webhook_actions.escalation.fakes import (
    ACCOUNT,
    GRAFANA_TOKEN,
    SLACK_PATH,
    TELEGRAM_TOKEN,
    TWILIO_TOKEN,
    Fakes,
)
from webhook_actions import payload
from webhook_actions.engine.due_loop import DueLoop, listen
from webhook_actions.escalation.steps import Escalation
from webhook_actions.metrics import Metrics
from webhook_actions.notify import receipts
from webhook_actions.notify.delivery import Sender
from webhook_actions.notify.links import Links
from webhook_actions.store import incidents, migrate
from webhook_actions.store.database import Pool
from webhook_actions.store.incidents import Incident

T = TypeVar("T")
SPEED = 600  # 10 minutes are a second
FACTS = "no sign of life\nP&L: -12.50\nWin rate: 40.0%\nOpen positions: 3\nUptime: 2h"


async def until(look: Callable[[], Awaitable[T]], *, within: float = 15.0, what: str = "it") -> T:
    """Return the first truthy answer of `look`; fail when none comes in time."""
    deadline = time.monotonic() + within
    while True:
        seen = await look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"{what} did not happen within {within:g}s; last seen: {seen!r}"
        await asyncio.sleep(0.05)


class Mailbox:
    """A real SMTP server that keeps its mails; with `refuse` it answers that instead."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse: list[str] = []
        self.end = "221 Bye"

    async def handle_QUIT(self, _server: Any, _session: Any, _envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        return self.end

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        if self.refuse:
            return self.refuse.pop(0)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    @contextmanager
    def serving(self, **options: Any) -> Iterator[int]:
        port = free_port()
        server = Controller(self, hostname="127.0.0.1", port=port, **options)
        server.start()
        try:
            yield port
        finally:
            server.stop()

    def to(self) -> list[str]:
        return [str(mail["To"]) for mail in self.mails]

    def text(self, index: int = -1) -> str:
        return str(self.mails[index].get_content())


class Setup:
    """Files, services and settings of a test."""

    def __init__(self, directory: Path, fakes: Fakes, smtp: int, mailbox: Mailbox) -> None:
        self.directory, self.fakes, self.smtp, self.mailbox = directory, fakes, smtp, mailbox
        secrets = {
            "twilio": TWILIO_TOKEN,
            "telegram": TELEGRAM_TOKEN,
            "slack": f"{fakes.url}{SLACK_PATH}",
            "grafana": GRAFANA_TOKEN,
            "webhook": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "receive": "receive-secret",
            "read": "read-secret",
            "act": "act-secret",
        }
        for name, secret in secrets.items():
            (directory / name).write_text(f"{secret}\n")

    def settings(self, *, speed: float = SPEED, **overrides: Any) -> Settings:
        """Return settings in which every channel works; `overrides` replace parts of them."""
        twilio = {
            "enabled": True,
            "account": ACCOUNT,
            "token_file": "twilio",
            "from": "+15005550006",
            "to": ["+15550000001"],
            "api_url": self.fakes.url,
            "timeout": "2s",
        }
        data: dict[str, Any] = {
            "profile": "experienced",
            "services": {"grafana": {"port": self.fakes.port}},
            "webhook_actions": {
                "tokens": {f"{name}_file": name for name in ("receive", "read", "act")},
                "heartbeat": "1s",
            },
            "contacts": {
                "administrator": {"email": ["admin@example.org"], "phone": ["+15550000010"]},
                "manager": {"phone": ["+15550000020"]},
                "technical_lead": {"phone": ["+15550000030"], "email": ["lead@example.org"]},
                "risk_manager": {"phone": ["+15550000040"]},
                "emergency_contact": {"phone": ["+15550000050"]},
            },
            "channels": {
                "email": {
                    "enabled": True,
                    "host": "127.0.0.1",
                    "port": self.smtp,
                    "starttls": False,
                    "from": "nightdesk@example.org",
                    "to": ["owner@example.org"],
                    "timeout": "2s",
                },
                "telegram": {
                    "enabled": True,
                    "token_file": "telegram",
                    "chats": [-100123, "@desk"],
                    "api_url": self.fakes.url,
                    "timeout": "2s",
                },
                "sms": twilio,
                "phone": twilio,
                "slack": {"enabled": True, "url_file": "slack", "timeout": "2s"},
            },
        }
        config = self.directory / "monitoring.yaml"
        config.write_text(yaml.safe_dump(_over(data, overrides)))
        return load([config], speed=speed)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        mapping = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _over(merged[key], value) if mapping else value
    return merged


class Harness:
    """A running escalation, and a test's access to it."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self.settings, self.pool = settings, pool
        self.metrics = Metrics()
        self.links = Links(settings)
        self.escalation = Escalation(settings, pool, self.metrics)
        self.sender = Sender(settings, pool, self.metrics, self.escalation, self.links)
        self.fingerprints = iter(range(1_000_000))

    async def fires(self, word: str, *bots: str, severity: str = "critical") -> list[Incident]:
        """Open an incident of each bot as the server does, with one webhook, and return them."""
        alerts = [
            {
                "status": "firing",
                "labels": {"alertname": f"TradingBot{word}", "bot": bot, "severity": severity},
                "annotations": {
                    "summary": f"{word} of {bot}",
                    "description": FACTS,
                    "recommended_actions": "look at it",
                },
                "startsAt": datetime.now(UTC).isoformat(),
                "fingerprint": f"{word}-{bot}-{next(self.fingerprints)}",
            }
            for bot in bots
        ]
        good, problems = payload.read(json.dumps({"version": "4", "alerts": alerts}).encode())
        assert problems == []
        async with self.pool.transaction() as connection:
            accepted = await incidents.accept(connection, good)
            await self.escalation.opened(connection, accepted.opened)
            found = [await incidents.incident(connection, id_) for id_ in accepted.opened]
        return [one for one in found if one]

    async def fire(self, word: str, bot: str = "alpha", severity: str = "critical") -> Incident:
        return (await self.fires(word, bot, severity=severity))[0]

    async def close(self, incident: Incident) -> None:
        async with self.pool.transaction() as connection:
            assert await incidents.close(connection, incident.id, "proven")
            await self.escalation.closed(connection, incident)

    async def give_up(self, incident: Incident, why: str) -> None:
        async with self.pool.transaction() as connection:
            await self.escalation.gave_up(connection, incident, why)

    async def acknowledge(self, incident: Incident, by: str = "anna", comment: str = "on it") -> bool:
        async with self.pool.transaction() as connection:
            return await self.escalation.acknowledged(connection, incident, by, comment)

    async def rows(self, query: str, *values: object) -> list[Any]:
        async with self.pool.transaction() as connection:
            return await (await connection.execute(query.encode(), list(values))).fetchall()

    async def timeline(self, incident: Incident, kind: str | None = None) -> list[str]:
        rows = await self.rows("SELECT kind, text FROM timeline WHERE incident = %s ORDER BY id", incident.id)
        return [text for one, text in rows if kind in (None, one)]

    async def said(self, incident: Incident, kind: str, part: str = "") -> str:
        """Return the first line of a kind that holds `part`, once it is there."""

        async def look() -> str | None:
            lines = await self.timeline(incident, kind)
            return next((line for line in lines if part in line), None)

        return (await until(look, what=f"{kind} {part}")) or ""

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of the samples with these labels; they may have more labels."""
        samples = (sample for metric in self.metrics.registry.collect() for sample in metric.samples)
        return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())


@asynccontextmanager
async def database(address: str, name: str) -> AsyncIterator[Pool]:
    """Create a database with the engine's tables and return a pool of connections to it."""
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name}".encode())
    own = re.sub("dbname=.*", f"dbname={name}", address)
    async with Pool(own, max_size=8) as pool:
        yield pool


@asynccontextmanager
async def running(
    settings: Settings, address: str, name: str, *, work: bool = True
) -> AsyncIterator[Harness]:
    """Run an escalation on a database of its own."""
    async with database(address, name) as pool:
        await migrate.migrate(pool)
        harness = Harness(settings, pool)
        if not work:
            yield harness
            return
        async with at_work(harness):
            yield harness


@asynccontextmanager
async def at_work(harness: Harness) -> AsyncIterator[None]:
    """Take steps and send due messages, as an engine does."""
    loops = (
        DueLoop(harness.escalation.claim, harness.escalation.next_due),
        DueLoop(harness.sender.claim, harness.sender.next_due, harness.sender.at_once),
        DueLoop(harness.sender.receipts.claim, harness.sender.receipts.next_due, receipts.AT_ONCE),
    )

    def notice() -> None:
        for loop in loops:
            loop.notice()

    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    tasks.append(asyncio.create_task(listen(harness.pool.address, notice)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended, _ = await asyncio.wait(tasks)
        harness.sender.close()
        for task in ended:
            if not task.cancelled():
                task.result()  # the error that ended it
