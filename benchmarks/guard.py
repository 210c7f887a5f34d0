"""The time from a breach at the bot to the firing alert, the order and the message, and its cost.

`PYTHONPATH=. python benchmarks/guard.py [--bots 1000] [--breaches 200]` starts `nightdesk up` with the
defaults, close_all_positions armed and an email address, over simulated bots in one process: once without the
guard path (the peer) and once with it. It measures CPU and memory at rest, then one bot after the other loses
a fifth of its equity. The bot notes the times of breach and order, firing is the evaluation that Prometheus
stored, and a message counts when the mail server has it. Times are real.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from fleet import PROGRAMS, spent, stack, value, wait

from stack.settings import Settings
from tests.conftest import free_port

ALERT = "TradingBotCriticalLoss"
WANTED = {"firing": 5.0, "order": 10.0, "message": 15.0}  # seconds after the breach, p99
CAPITAL, MADE, LOST = 10_000.0, 100.0, 2_100.0
TRADES = 50
SLOWEST = 200.0  # seconds to wait for the last breach


class Bots:
    """Any number of bots with the bot API; each may lose a fifth of its equity, until an order to close."""

    def __init__(self) -> None:
        self.breached: dict[str, float] = {}
        self.ordered: dict[str, float] = {}
        self.paused, self.flat = set[str](), set[str]()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path = head.split(b" ", 2)[:2]
                if found := re.search(rb"(?i)content-length: (\d+)", head):
                    await reader.readexactly(int(found[1]))
                name, _, rest = path.decode().lstrip("/").partition("/")
                body = json.dumps(self.said(f"bot{name}", method == b"POST", rest)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def said(self, bot: str, ordered: bool, path: str) -> dict[str, Any]:
        """Return the answer of one bot."""
        now = time.time()
        if ordered:
            if path.endswith(("pause", "close_positions")):
                self.ordered.setdefault(bot, now)
                (self.paused if path.endswith("pause") else self.flat).add(bot)
            return {"done": True, "verb": path.rpartition("/")[2], "detail": "done"}
        if "/trades" in path:
            new = "since_id=0&" in path
            return {"trades": [trade(n, now) for n in range(1, TRADES + 1)] if new else [], "more": False}
        lost = LOST if bot in self.breached else 0.0
        held = {
            "symbol": "BTC/USDT",
            "side": "long",
            "size": 1.0,
            "price": 100.0,
            "profit": -lost,
            "stop_price": 50.0,
            "stop_at_exchange": True,
        }  # no alert fires before a loss
        return {
            "state": "paused" if bot in self.paused else "running", "time": now,
            "last_activity_at": now, "starting_capital": CAPITAL,
            "equity": CAPITAL + MADE - lost, "profit_realised": MADE, "profit_open": -lost,
            "exposure": 100.0, "open_positions": [] if bot in self.flat else [held], "pending_orders": 0,
        }  # fmt: skip


def trade(number: int, now: float) -> dict[str, object]:
    """Return a closed trade; the sum of all profits is MADE."""
    at = now - 3600 + number
    return {"id": number, "symbol": "BTC/USDT", "side": "long", "stake": 100.0, "opened_at": at - 60,
            "closed_at": at, "profit": MADE / TRADES}  # fmt: skip


def serve(port: int, pipe: Connection) -> None:
    """Serve the bots in this process; the pipe brings a bot to breach, or None to ask for the times."""
    bots = Bots()

    def told() -> None:
        try:
            bot = pipe.recv()
        except EOFError:
            asyncio.get_running_loop().stop()
            return
        if bot is None:
            pipe.send((bots.breached, bots.ordered))
        else:
            bots.breached[bot] = time.time()

    async def run() -> None:
        asyncio.get_running_loop().add_reader(pipe.fileno(), told)
        server = await asyncio.start_server(bots.answer, "127.0.0.1", port, backlog=2048)
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def fleet() -> Iterator[tuple[str, Connection, int]]:
    """Run the bots; gives their address, the pipe to them and their process."""
    here, there = multiprocessing.Pipe()
    port = free_port()
    process = multiprocessing.Process(target=serve, args=(port, there), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port}", here, process.pid or 0
    finally:
        process.terminate()
        process.join()


class Post:
    """A mail server that notes the first mail about each bot."""

    def __init__(self) -> None:
        self.heard: dict[str, float] = {}

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Accept a mail."""
        content = envelope.content
        assert isinstance(content, bytes)
        now, text = time.time(), content.decode("utf-8", "replace").replace("=\r\n", "")
        for bot in set(re.findall(r"\bbot\d+\b", text)):
            self.heard.setdefault(bot, now)
        return "250 OK"


def firing(settings: Settings) -> dict[str, float]:
    """Return the time at which Prometheus first stored each bot's firing alert."""
    url = f"{settings.services.prometheus.url}/api/v1/query"
    query = f'ALERTS{{alertname="{ALERT}",alertstate="firing"}}[30m]'
    found = requests.get(url, params={"query": query}, timeout=60).json()["data"]["result"]
    return {each["metric"]["bot"]: float(each["values"][0][0]) for each in found}


def measure(guard: bool, options: argparse.Namespace, directory: Path) -> dict[str, float]:
    """Return the figures of one run, with or without the guard path."""
    post = Post()
    mail = Controller(post, hostname="127.0.0.1", port=free_port())
    mail.start()
    email = {"enabled": True, "host": "127.0.0.1", "port": mail.port, "starttls": False}
    addresses = {"from": "desk@example.org", "to": ["owner@example.org"]}
    more = {
        "collection": {"guard": {"enabled": guard}},
        "actions": {"armed": ["close_all_positions"]},
        "channels": {"email": email | addresses},
    }
    with fleet() as (url, pipe, pid), stack(directory, options.bots, url, options.port_offset, **more) as run:
        settings, up = run
        wait(lambda: value(settings, "count(trading_bot_drawdown_ratio)") == options.bots, options.within)
        time.sleep(options.settle)
        figures = at_rest(up, pid, options.seconds)
        breaches(pipe, options)
        pipe.send(None)
        breached, _ = pipe.recv()
        ordered: dict[str, float] = {}
        until = time.monotonic() + SLOWEST
        while time.monotonic() < until and not breached.keys() <= post.heard.keys() & ordered.keys():
            time.sleep(1)
            pipe.send(None)
            breached, ordered = pipe.recv()
        seen = {"firing": firing(settings), "order": ordered, "message": post.heard}
        for step, times in seen.items():
            figures |= spread(
                step, [times[bot] - at for bot, at in breached.items() if bot in times], len(breached)
            )
        rules = 'prometheus_rule_group_last_duration_seconds{rule_group=~".*trading-bot-guard"}'
        figures["guard rules while all fire, ms"] = 1000 * value(settings, rules)
        missed = "sum(prometheus_rule_group_iterations_missed_total)"
        figures["evaluations missed, all groups"] = value(settings, missed)
        scrape = 'max_over_time(scrape_duration_seconds{job="exporter-guard"}[2m])'
        figures["slowest guard scrape, ms"] = 1000 * value(settings, scrape)
        figures["series"] = value(settings, "prometheus_tsdb_head_series")
    mail.stop()
    return figures


def at_rest(up: psutil.Process, bots: int, seconds: float) -> dict[str, float]:
    """Return CPU and memory of each part while nothing happens."""
    before, began = spent(up), os.times().elapsed
    theirs = cpu_of(bots)
    time.sleep(seconds)
    after, took = spent(up), os.times().elapsed - began
    figures = {
        f"{part}: CPU, % of a core": (after[part][0] - before[part][0]) / took * 100 for part in PROGRAMS
    }
    figures |= {f"{part}: memory, MB": after[part][1] for part in PROGRAMS}
    figures["the simulated bots: CPU, % of a core"] = (cpu_of(bots) - theirs) / took * 100
    figures["load of the machine (1 minute)"] = os.getloadavg()[0]
    return figures


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def breaches(pipe: Connection, options: argparse.Namespace) -> None:
    """Let bots lose, one after the other, at a pace unlike that of any part."""
    for number in range(options.breaches):
        pipe.send(f"bot{number * options.bots // options.breaches}")
        time.sleep(options.every * (0.5 + (number * 0.6180339887) % 1))


def spread(step: str, took: list[float], breached: int) -> dict[str, float]:
    """Return the percentiles of one step, and the number of missing ones."""
    took.sort()
    name = f"breach → {step}, s"
    known = took or [float("nan")]
    return {
        f"{name}: median": statistics.median(known),
        f"{name}: p99 (wanted {WANTED[step]:g})": known[min(len(known) - 1, int(len(known) * 0.99))],
        f"{name}: slowest": known[-1],
        f"{name}: never": float(breached - len(took)),
    }


def show(columns: dict[str, dict[str, float]]) -> None:
    """Print the figures of all runs side by side."""
    print(f"{'':<46}" + "".join(f"{name:>14}" for name in columns))
    for name in next(iter(columns.values())):
        print(f"{name:<46}" + "".join(f"{column[name]:>14,.2f}" for column in columns.values()))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bots", type=int, default=1000)
    parser.add_argument("--breaches", type=int, default=200)
    parser.add_argument("--every", type=float, default=0.5, help="mean seconds between two breaches")
    parser.add_argument("--seconds", type=float, default=60, help="seconds of rest in which CPU is measured")
    parser.add_argument("--settle", type=float, default=20, help="seconds between the start and the rest")
    parser.add_argument(
        "--within", type=float, default=300, help="seconds within which all bots must be seen"
    )
    parser.add_argument("--port-offset", type=int, default=0)
    parser.add_argument("--only", choices=("with", "without"), help="one of the two runs")
    options = parser.parse_args()
    runs = {"without guard": False, "with guard": True}
    chosen = {name: on for name, on in runs.items() if options.only in (None, name.split()[0])}
    with tempfile.TemporaryDirectory(prefix="guard") as directory:
        columns = {
            name: measure(on, options, Path(directory, name.split()[0])) for name, on in chosen.items()
        }
    print(f"{options.bots:,} bots, {options.breaches} of which lose; {os.cpu_count()} cores\n")
    show(columns)


if __name__ == "__main__":
    main()
