"""Real bots on loopback, and the exporter's watch over one of them."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from prometheus_client.parser import text_string_to_metric_families

from clients.http import Http
from exporter.analytics.ledger import Conventions
from exporter.bot import WatchedBot
from exporter.capital import CapitalFile
from exporter.catalogue import COLLECT
from exporter.edge import edge_of
from exporter.exposition import Board
from exporter.poller import BotPoller
from exporter.sources import Input, SourceContext
from exporter.witness.watch import WitnessWatch
from stack.settings import Bot

TOKEN = "a-token"
WINDOW = 300.0
# A position in the bot API's form, opened ten minutes before the time of the tests.
HELD: dict[str, Any] = {
    "id": 4, "symbol": "BTC/USDT", "side": "long", "size": 0.5, "price": 100.0, "profit": -5.0,
    "stop_price": 96.0, "liquidation_price": 90.0, "leverage": 10, "margin_ratio": 0.25,
    "funding_paid": -0.5, "opened_at": 1_799_999_400.0,
}  # fmt: skip
GROUPS = [group for groups in COLLECT.values() for group in groups]
Series = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass
class ScriptedBot:
    """A bot that answers the bot API with a test's values; it sends bytes unchanged."""

    state: dict[str, Any] | bytes = field(default_factory=dict)
    trades: list[dict[str, Any]] = field(default_factory=list)
    page_size: int = 1000
    hangs: bool = False
    status: int = 200
    calls: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str) -> bytes:
        """Return the body for a path with its query."""
        url = urlsplit(path)
        if url.path == "/api/v1/state":
            return self.state if isinstance(self.state, bytes) else json.dumps(self.state).encode()
        since = int(parse_qs(url.query)["since_id"][0])
        later = [each for each in self.trades if not isinstance(each["id"], int) or each["id"] > since]
        found = {"trades": later[: self.page_size], "more": len(later) > self.page_size}
        return json.dumps(found).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    bot: ScriptedBot

    def do_GET(self) -> None:
        self.bot.calls.append(self.path)
        if self.bot.hangs:
            self.bot.released.wait()
            self.close_connection = True
            return
        allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        body = self.bot.answer(self.path) if allowed else b'{"detail":"no"}'
        self.send_response(self.bot.status if allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # the default of 5 drops connections when all calls to a bot arrive together

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing about a client that closed its connection after another call failed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serve(bot: ScriptedBot) -> Iterator[str]:
    """Serve the bot while in the block; gives its URL."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"bot": bot}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        bot.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Watch:
    """A watch over one bot: each `poll` is one poll, then the series that Prometheus would read."""

    poller: BotPoller
    board: Board
    runner: asyncio.Runner
    text: str = ""

    def poll(self) -> Series:
        """Poll once and return the bot's series by name and labels, without the label `bot`."""
        self.runner.run(self.poller.poll())
        host = [self.poller.host[1]] if self.poller.host else []
        self.text = self.board.page(GROUPS, also=host).decode()
        return parsed(self.text)

    def look(self) -> Series:
        """Run the guard once, as between two polls, and return the series."""
        self.runner.run(self.poller.guard.look())
        return parsed(self.board.page(GROUPS).decode())

    def error(self) -> str:
        """Poll once and return why it failed."""
        series = self.poll()
        reasons = [dict(labels)["reason"] for name, labels in series if name == "trading_bot_source_error"]
        assert value(series, "up") == 0
        assert len([name for name, _ in series if name.startswith("trading_bot_")]) == 2
        return reasons[0]


class Unlimited:
    """Replaces the watch over loss limits in tests that need none."""

    def clocks(self, bot: str) -> tuple[()]:
        return ()

    async def told(self, bot: str, figures: object) -> None:
        pass

    def glance(self, bot: str, figures: object) -> tuple[()]:
        return ()


@contextmanager
def watch(
    settings: dict[str, Any],
    *,
    clock: Callable[[], float] = time.time,
    timeout: float = 5.0,
    cap: int = 500,
    name: str = "b",
    data: Path = Path("nowhere"),
    silent_after: float = 60.0,
    guard: float | None = None,
) -> Iterator[Watch]:
    """Watch the bot of these settings, with the guard if `guard`; `clock` is the exporter's."""
    bot = Bot.model_validate(settings)
    board = Board()
    with asyncio.Runner() as runner:

        async def start() -> tuple[Http, BotPoller]:
            session = Http()
            around = SourceContext(session, timeout, WINDOW, clock, Input(cap), data, silent_after)
            conventions = Conventions(
                UTC, 365, tail=365 * 86_400.0, symbols=cap, recent=86_400.0, before=30 * 86_400.0
            )
            kept = CapitalFile(data, bot.source.place) if data.is_absolute() else None
            watched = WatchedBot(bot, conventions, WINDOW, kept=kept, edge=edge_of(name, bot))
            alone = SimpleNamespace(max_symbols=cap)
            settings = SimpleNamespace(bots={name: bot}, accounts={}, collection=alone)
            witness = WitnessWatch(settings, board, clock)
            return session, BotPoller(name, bot, watched, board, around, Unlimited(), witness, guard)

        session, poller = runner.run(start())
        try:
            yield Watch(poller, board, runner)
        finally:
            runner.run(session.aclose())


def http_settings(url: str, directory: Path, **more: Any) -> dict[str, Any]:
    """Return the settings of a bot that answers the bot API."""
    (directory / "token").write_text(f"{TOKEN}\n")
    return {"source": {"type": "http", "url": url, "token_file": directory / "token"}, **more}


def parsed(text: str) -> Series:
    """Return every sample that prometheus_client's parser reads; each sample must be unique."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            labels = frozenset((name, value) for name, value in each.labels.items() if name != "bot")
            assert (each.name, labels) not in found
            found[each.name, labels] = each.value
    return found


def value(series: Series, name: str, **labels: str) -> float | None:
    """Return a bot's series by its name without prefix, None if it is absent."""
    return series.get((f"trading_bot_{name}", frozenset(labels.items())))


def own(series: Series, name: str, **labels: str) -> float | None:
    """Return a series of the exporter itself."""
    return series.get((f"nightdesk_exporter_{name}", frozenset(labels.items())))


def names(series: Series) -> set[str]:
    """Return the names of all series without prefix."""
    return {name.removeprefix("trading_bot_") for name, _ in series if name.startswith("trading_bot_")}
