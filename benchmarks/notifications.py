"""How fast people are notified when thousands of incidents begin at once, and while engines are killed.

`python benchmarks/notifications.py [--incidents 6000] [--people 5]` opens incidents in one PostgreSQL, runs
three engines' senders on it, and counts the mails in a real SMTP server: once undisturbed, once with two of
the three killed (SIGKILL). The peer is Alertmanager, which sends the same notices by mail.
"""

import argparse
import asyncio
import itertools
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg
import requests
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from stack.binaries import alertmanager_command
from stack.settings import Settings, load
from webhook_actions import payload
from webhook_actions.engine.due_loop import DueLoop, listen
from webhook_actions.escalation.steps import Escalation
from webhook_actions.metrics import Metrics
from webhook_actions.notify.delivery import Sender
from webhook_actions.notify.links import Links
from webhook_actions.store import incidents, migrate
from webhook_actions.store.database import Pool
from webhook_actions.store.embedded import EmbeddedPostgres

ENGINES, KILLED = 3, 2
BATCH = 500  # alerts in one webhook
FIRST_WITHIN, ALL_WITHIN = 10.0, 30.0
PATIENCE = 180.0  # seconds to wait for the mails
_BOT = re.compile(r"bot-(\d+)-x")


@dataclass
class Mailbox:
    """A real SMTP server's mails: the time of each person's first one, and the number about each bot."""

    first: dict[str, float] = field(default_factory=dict)
    told: Counter[tuple[str, int]] = field(default_factory=Counter)
    mails: int = 0
    last: float = 0.0

    async def handle_DATA(  # noqa: N802 - aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.last = time.monotonic()
        self.mails += 1
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        body = mail.get_body(("plain",)) or mail
        bots = {int(number) for number in _BOT.findall(str(body.get_content()))}
        for person in envelope.rcpt_tos:
            self.first.setdefault(person, self.last)
            self.told.update((person, bot) for bot in bots)
        return "250 OK"


@dataclass(frozen=True)
class Row:
    """The result of one case."""

    name: str
    first: float
    whole: float
    mails: int
    missing: int
    twice: int
    interrupted: int


def settings_file(directory: Path, smtp: int, people: list[str]) -> Path:
    """Write settings that mail to all addresses of an administrator, and to nobody else for hours."""
    for name in ("receive", "read", "act"):
        (directory / name).write_text("secret")
    mail = {
        "enabled": True,
        "host": "127.0.0.1",
        "port": smtp,
        "starttls": False,
        "from": "nightdesk@example.org",
        "to": ["owner@example.org"],
    }
    data = {
        "profile": "experienced",
        "webhook_actions": {
            "tokens": {f"{name}_file": name for name in ("receive", "read", "act")},
            "heartbeat": "5s",
        },
        "contacts": {"administrator": {"email": people}},
        "alerts": {"HighDrawdown": {"escalate": "2h", "channels": ["email"]}},
        # The most possible messages: a storm would wait, and send only one.
        "escalation": {"storm": {"incidents": 1_000_000, "within": "10s"}},
        "channels": {"email": mail},
    }
    file = directory / "monitoring.yaml"
    file.write_text(yaml.safe_dump(data))
    return file


def alerts(count: int) -> Iterator[list[dict[str, Any]]]:
    """Yield webhooks with one alert of each bot."""
    now = datetime.now(UTC).isoformat()
    every = (
        {
            "status": "firing",
            "labels": {"alertname": "TradingBotHighDrawdown", "bot": f"bot-{n}-x", "severity": "critical"},
            "annotations": {"summary": f"bot-{n}-x loses", "description": "Drawdown at 12%."},
            "startsAt": now,
            "fingerprint": f"f{n}",
        }
        for n in range(count)
    )
    while batch := list(itertools.islice(every, BATCH)):
        yield batch


async def engine(file: str, address: str) -> None:
    """Take steps and send due messages until killed, as an engine does."""
    settings = load([file])
    async with Pool(address, max_size=12) as pool:
        metrics = Metrics()
        escalation = Escalation(settings, pool, metrics)
        sender = Sender(settings, pool, metrics, escalation, Links(settings))
        loops = (
            DueLoop(escalation.claim, escalation.next_due),
            DueLoop(sender.claim, sender.next_due, sender.at_once),
        )
        waking = listen(address, lambda: [loop.notice() for loop in loops])
        await asyncio.gather(waking, *(loop.run() for loop in loops))


@asynccontextmanager
async def database(address: str, name: str) -> AsyncIterator[Pool]:
    """Give a pool on a new database."""
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name}".encode())
    async with Pool(re.sub("dbname=.*", f"dbname={name}", address), max_size=4) as pool:
        await migrate.migrate(pool)
        yield pool


async def ours(postgres: str, file: Path, box: Mailbox, count: int, people: list[str], kill: int) -> Row:
    """Open incidents, send their notices, and kill engines meanwhile."""
    settings: Settings = load([file])
    async with database(postgres, f"telling{kill}") as pool:
        command = [sys.executable, __file__, "--engine", str(file), pool.address]
        engines = [subprocess.Popen(command) for _ in range(ENGINES)]  # noqa: ASYNC220 - nothing runs yet
        try:
            await asyncio.sleep(5)  # for their start
            began = time.monotonic()
            escalation = Escalation(settings, pool, Metrics())
            for batch in alerts(count):
                good, _ = payload.read(json.dumps({"version": "4", "alerts": batch}).encode())
                async with pool.transaction() as connection:
                    accepted = await incidents.accept(connection, good)
                    await escalation.opened(connection, accepted.opened)
            while kill and not box.mails:  # noqa: ASYNC110 - it fills in another thread
                await asyncio.sleep(0.05)
            for one in engines[:kill]:
                one.send_signal(signal.SIGKILL)
            await asyncio.to_thread(_wait, box, count * len(people))
            async with pool.connection() as connection:
                found = await connection.execute("SELECT coalesce(sum(interrupted), 0)::int FROM deliveries")
                [interrupted] = await found.fetchone() or [0]
        finally:
            for one in engines:
                one.kill()
                one.wait()
    name = f"Nightdesk, {kill} of {ENGINES} engines killed" if kill else f"Nightdesk, {ENGINES} engines"
    return _row(name, box, began, count, people, interrupted)


def peer(directory: Path, smtp: int, box: Mailbox, count: int, people: list[str]) -> Row:
    """Let Alertmanager send the same notices."""
    text = "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.description }}\n{{ end }}"
    mails = [
        {"smarthost": f"127.0.0.1:{smtp}", "from": "a@example.org", "to": one, "require_tls": False,
         "text": text, "html": ""}
        for one in people
    ]  # fmt: skip
    route = {"receiver": "people", "group_by": ["alertname", "bot"], "group_wait": "0s"}
    config = directory / "alertmanager.yml"
    config.write_text(
        yaml.safe_dump({"route": route, "receivers": [{"name": "people", "email_configs": mails}]})
    )
    port = 29093
    command = alertmanager_command(
        f"--config.file={config}", f"--storage.path={directory / 'am'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    )  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        time.sleep(3)
        began = time.monotonic()
        for batch in alerts(count):
            body = [{name: one[name] for name in ("labels", "annotations", "startsAt")} for one in batch]
            requests.post(f"http://127.0.0.1:{port}/api/v2/alerts", json=body, timeout=60).raise_for_status()
        _wait(box, count * len(people))
    finally:
        process.kill()
        process.wait()
    return _row("Alertmanager, the peer", box, began, count, people, 0)


def _wait(box: Mailbox, wanted: int) -> None:
    """Return some time after everything has arrived, because a mail might arrive twice."""
    deadline = time.monotonic() + PATIENCE
    while len(box.told) < wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(5)


def _row(name: str, box: Mailbox, began: float, count: int, people: list[str], interrupted: int) -> Row:
    first = max((at - began for at in box.first.values()), default=PATIENCE)
    missing = count * len(people) - len(box.told)
    twice = sum(times - 1 for times in box.told.values())
    return Row(name, first, box.last - began, box.mails, missing, twice, interrupted)


@contextmanager
def mailbox(port: int) -> Iterator[Mailbox]:
    """Serve a mailbox."""
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield box
    finally:
        server.stop()


def main() -> int:
    """Run the cases, print a table, and return 1 if a limit was exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=6000)
    parser.add_argument("--people", type=int, default=5)
    parser.add_argument("--engine", nargs=2, metavar=("FILE", "DATABASE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine:
        asyncio.run(engine(*given.engine))
        return 0
    people = [f"person{number}@example.org" for number in range(given.people)]
    rows = []
    with tempfile.TemporaryDirectory(prefix="telling-") as made:
        directory = Path(made)
        smtp = 29025
        file = settings_file(directory, smtp, people)
        postgres = EmbeddedPostgres(directory / "postgres")
        address = postgres.start()
        try:
            for kill in (0, KILLED):
                with mailbox(smtp) as box:
                    rows.append(asyncio.run(ours(address, file, box, given.incidents, people, kill)))
        finally:
            postgres.stop()
        with mailbox(smtp) as box:
            rows.append(peer(directory, smtp, box, given.incidents, people))
    return _report(given.incidents, people, rows)


def _report(count: int, people: list[str], rows: list[Row]) -> int:
    print(f"{count} incidents at once, {len(people)} people, by mail")
    print(f"{'':38}{'first s':>9}{'all s':>9}{'mails':>8}{'missing':>9}{'twice':>7}{'interrupted':>13}")
    for row in rows:
        print(
            f"{row.name:38}{row.first:9.1f}{row.whole:9.1f}{row.mails:8}{row.missing:9}{row.twice:7}"
            f"{row.interrupted:13}"
        )
    calm, killed, other = rows
    print(f"Alertmanager takes {other.whole / calm.whole:.1f} times as long for all")
    good = (
        calm.first <= FIRST_WITHIN
        and killed.whole <= ALL_WITHIN
        and not (calm.missing or killed.missing or calm.twice)
        and killed.twice <= killed.interrupted
    )
    print(f"within {FIRST_WITHIN:g} s for the first, {ALL_WITHIN:g} s with kills: {'yes' if good else 'NO'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
