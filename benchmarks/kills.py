"""Counts lost and doubled alerts and restarts while parts of the stack are killed, alone and in pairs.

`python benchmarks/kills.py [--seconds 15] [--rate 50] [--only postgres,exporter]` runs `nightdesk up --ha`.
In each case it sends alerts to the Alertmanagers as Prometheus would, lets bots crash, kills the parts after
a third of the time (SIGKILL; they restart after a second), and then counts. The first case kills nothing; the
others are compared with it.
"""

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests
import yaml

from stack.settings import Settings, load
from stack.up import HA

SPEED = 30
SETTLE = 90.0  # the most seconds after a case for messages on their way
PARTS = ("exporter", "prometheus", "alertmanager", "webhook_actions", "postgres")
TWICE = ("alertmanager", "webhook_actions")  # of these two of three are killed, too
CRASHES = 3  # bots that go down in a case: before, at and after the kill
BOTS = [f"bot{number}" for number in range(4 * CRASHES)]
TOKEN = "a-token"
Kill = tuple[str, ...]


@dataclass
class Bots:
    """Bots with the bot API that go down on command, and come back by a restart, which they record."""

    down: set[str] = field(default_factory=set)
    restarts: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in BOTS})

    def get(self, name: str, path: str) -> tuple[int, dict[str, Any]]:
        """Return the answer of a bot."""
        if name in self.down:
            return 503, {"detail": "down"}
        if path.startswith("trades"):
            return 200, {"trades": [], "more": False}
        return 200, {"state": "running", "time": time.time(), "last_activity_at": time.time()}

    def restart(self, name: str, key: str) -> None:
        """Bring a bot back; a repeated key is the same restart."""
        if key not in self.restarts[name]:
            self.restarts[name].append(key)
        self.down.discard(name)


@contextmanager
def serving(bots: Bots) -> Iterator[str]:
    """Serve the bots while in the block; gives their URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name, path = self.path.removeprefix("/").split("/api/v1/")
            self._answer(*bots.get(name, path))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            name, _ = self.path.removeprefix("/").split("/api/v1/")
            bots.restart(name, self.headers["Idempotency-Key"])
            self._answer(200, {})

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Log nothing about a caller that was killed before its answer."""
            if not isinstance(sys.exc_info()[1], ConnectionError):
                super().handle_error(request, client_address)  # type: ignore[arg-type]

    server = Quiet(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@contextmanager
def stack(directory: Path, bots: str, offset: int) -> Iterator[tuple[Settings, psutil.Process]]:
    """Run `nightdesk up --ha` while in the block; gives its settings and process."""
    (directory / "token").write_text(TOKEN)
    source = {"type": "http", "token_file": "token"}
    settings = {
        "bots": {name: {"source": source | {"url": f"{bots}/{name}"}} for name in BOTS},
        "collection": {"timeout": "500ms", "trading": {"interval": "30s"}, "system": {"interval": "60s"}},
        "thresholds": {"critical": {"down_after": "60s"}},
        "webhook_actions": {"reconcile_interval": "5m"},
        # The fleet limit is off: it is not measured here.
        "actions": {"fleet": {"bots": 1000, "ratio": 1.0}, "limits": {"restart_bot": {"attempts": 100}}},
    }
    config = directory / "monitoring.yaml"
    config.write_text(yaml.safe_dump(settings))
    options = ["--config", str(config), "--port-offset", str(offset), "--speed", str(SPEED)]
    up = subprocess.Popen(
        [sys.executable, "-m", "stack.cli", "up", "--ha", *options, "--data", str(directory / "data")],
        stdout=(directory / "up.log").open("w"),
    )
    try:
        chosen = load([config, HA], port_offset=offset, speed=SPEED)
        wait(lambda: "Ctrl-C" in (directory / "up.log").read_text(), 90, "the stack")
        yield chosen, psutil.Process(up.pid)
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)


class Storm(threading.Thread):
    """Sends alerts to all Alertmanagers, and repeats firing ones, as Prometheus does."""

    def __init__(self, settings: Settings, name: str, rate: float) -> None:
        super().__init__(daemon=True)
        self._urls = [f"{url}/api/v2/alerts" for url in settings.services.alertmanager.urls]
        self._name, self._rate = name, rate
        self._session = requests.Session()
        self.sent: dict[str, float] = {}
        self.over = threading.Event()

    def run(self) -> None:
        """Send until the case ends."""
        began, repeat_at = time.monotonic(), 5.0
        while not self.over.wait(0.1):
            spent = time.monotonic() - began
            new = [f"{self._name}-{number}" for number in range(len(self.sent), int(spent * self._rate))]
            self.sent |= dict.fromkeys(new, time.time())
            due = new
            if spent > repeat_at:
                due, repeat_at = list(self.sent), repeat_at + 5
            self.post([_alert(host, self.sent[host]) for host in due])

    def post(self, alerts: list[dict[str, Any]]) -> None:
        """Send to every Alertmanager that answers."""
        for url in self._urls:
            try:
                self._session.post(url, json=alerts, timeout=5)
            except (
                requests.RequestException
            ):  # killed: the others have the alert, and this one gets the next repeat
                continue

    def end(self) -> None:
        """End all alerts."""
        self.post([_alert(host, at) | {"endsAt": _iso(time.time())} for host, at in self.sent.items()])


def _alert(host: str, since: float) -> dict[str, Any]:
    # Prometheus does not know the alert, so no sample may ever show its end.
    labels = {"alertname": "TradingBotDiskUsageCritical", "severity": "critical", "host": host}
    return {"labels": labels, "annotations": {"verify": "vector(0) == 1"}, "startsAt": _iso(since)}


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"


@dataclass(frozen=True)
class Result:
    """The result of a case: alerts sent, lost and doubled; bots crashed, not healed and restarted twice."""

    sent: int
    lost: int
    doubled: int
    median: float
    slowest: float
    unhealed: int
    restarted_twice: int


def case(
    settings: Settings, up: psutil.Process, bots: Bots, name: str, kill: Kill, arguments: argparse.Namespace
) -> Result:
    """Run one case."""
    storm = Storm(settings, name, arguments.rate)
    victims = list(itertools.islice(_NEXT, CRASHES))
    before = {bot: len(bots.restarts[bot]) for bot in victims}
    third = arguments.seconds / 3
    storm.start()
    bots.down.add(victims[0])
    time.sleep(third)
    kill_all(up, kill)
    bots.down.add(victims[1])
    time.sleep(third)
    bots.down.add(victims[2])
    time.sleep(third)
    storm.over.set()
    storm.join()
    with psycopg.connect(database(up), autocommit=True) as connection:

        def seen() -> list[tuple[str, float]]:
            rows = connection.execute(
                "SELECT labels->>'host', extract(epoch FROM opened_at)::float FROM incidents "
                "WHERE labels->>'host' LIKE %s",
                [f"{name}-%"],
            )
            return rows.fetchall()

        def settled() -> bool:
            missing = storm.sent.keys() - {host for host, _ in seen()}
            storm.post([_alert(host, storm.sent[host]) for host in missing])
            healed = all(len(bots.restarts[bot]) > before[bot] and bot not in bots.down for bot in victims)
            return healed and not missing

        wait(settled, SETTLE, None)
        # A second restart would come after the cooldown of the first.
        time.sleep(2 * float(settings.alerts["Down"].cooldown))
        opened = seen()
        storm.end()
        result = count(storm, opened, bots, victims, before)
        connection.execute("DELETE FROM incidents WHERE labels->>'host' LIKE %s", [f"{name}-%"])
    return result


_NEXT = itertools.cycle(BOTS)


def count(
    storm: Storm, opened: list[tuple[str, float]], bots: Bots, victims: list[str], before: dict[str, int]
) -> Result:
    """Compare the sent alerts with the opened incidents, and the crashes with the restarts."""
    hosts = [host for host, _ in opened]
    waits = sorted(at - storm.sent[host] for host, at in opened)
    restarts = [len(bots.restarts[bot]) - before[bot] for bot in victims]
    return Result(
        sent=len(storm.sent),
        lost=len(storm.sent.keys() - set(hosts)),
        doubled=len(hosts) - len(set(hosts)),
        median=waits[len(waits) // 2],
        slowest=waits[-1],
        unhealed=sum(number == 0 for number in restarts),
        restarted_twice=sum(number > 1 for number in restarts),
    )


def kill_all(up: psutil.Process, parts: Kill) -> None:
    """Kill one process of each part, two of a part that is named twice."""
    wanted = {part: parts.count(part) for part in parts}
    for part, number in wanted.items():
        for process in running(up, part)[:number]:
            os.kill(process.pid, signal.SIGKILL)


def running(up: psutil.Process, part: str) -> list[psutil.Process]:
    """Return the processes of a part."""
    marks = {
        "exporter": "-m exporter",
        "webhook_actions": "-m webhook_actions ",
        "postgres": "bin/postgres -D",
        "prometheus": "--storage.tsdb.path",
        "alertmanager": "--storage.path",
    }
    return [each for each in up.children(recursive=True) if marks[part] in " ".join(_command(each)) + " "]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def database(up: psutil.Process) -> str:
    """Return the address of the database that the replicas share."""
    words = up.cmdline()
    return Path(words[words.index("--data") + 1], "database_url").read_text()


def wait(done: Callable[[], bool], within: float, what: str | None) -> None:
    """Wait until a condition holds; after the time continue, or exit if `what` names it."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            if done():
                return
        except (requests.RequestException, psycopg.Error):
            pass
        time.sleep(0.5)
    if what:
        sys.exit(f"{what} did not happen within {within:g} s")


def cases(only: str) -> list[Kill]:
    """Return the killed parts of each case: none, each, two of three, and pairs."""
    every = [
        (),
        *((part,) for part in PARTS),
        *((part, part) for part in TWICE),
        *itertools.combinations(PARTS, 2),
    ]
    if not only:
        return every
    return [kill for kill in every if not kill or "+".join(kill) in only.split(",")]


def main() -> None:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=15, help="seconds of alerts in each case")
    parser.add_argument("--rate", type=float, default=50, help="alerts a second")
    parser.add_argument("--only", default="", help="cases: exporter,postgres+exporter,…")
    parser.add_argument("--port-offset", type=int, default=0)
    arguments = parser.parse_args()
    bots = Bots()
    asked = f"{arguments.rate:g} alerts/s for {arguments.seconds:g} s a case"
    print(f"{asked}; waits of the settings divided by {SPEED}\n")
    print(f"{'killed':<32}{'alerts':>7}{'lost':>6}{'doubled':>9}{'median s':>10}{'slowest s':>11}{'ratio':>7}"
          f"{'crashes':>9}{'unhealed':>10}{'healed twice':>14}")  # fmt: skip
    peer = None
    with (
        tempfile.TemporaryDirectory(prefix="kills") as directory,
        serving(bots) as url,
        stack(Path(directory), url, arguments.port_offset) as (settings, up),
    ):
        for number, kill in enumerate(cases(arguments.only)):
            found = case(settings, up, bots, f"case{number}", kill, arguments)
            peer = peer or found
            print(f"{' + '.join(kill) or 'nothing':<32}{found.sent:>7}{found.lost:>6}{found.doubled:>9}"
                      f"{found.median:>10.2f}{found.slowest:>11.2f}{found.slowest / peer.slowest:>7.1f}"
                      f"{CRASHES:>9}{found.unhealed:>10}{found.restarted_twice:>14}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
