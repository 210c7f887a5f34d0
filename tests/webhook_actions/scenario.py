"""A scene for the engine: real PostgreSQL and real HTTP bots; a test sets Prometheus's answers."""

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from clients.prometheus import Firing, FiringAlert, Unreachable
from stack.settings import Settings, load
from tests.webhook_actions.escalation.harness import database, until
from webhook_actions.actions import load_actions
from webhook_actions.engine.due_loop import listen
from webhook_actions.engine.threads import Threads
from webhook_actions.escalation.steps import Escalation
from webhook_actions.metrics import Metrics
from webhook_actions.payload import Alert
from webhook_actions.service import EngineParts, parts
from webhook_actions.store import incidents, migrate
from webhook_actions.store.audit import Caller
from webhook_actions.store.database import Clock, Pool, notify
from webhook_actions.web.commands import Commands

SPEED = 60  # a minute is a second
ANNA = Caller("anna", "10.0.0.1")


@dataclass
class PaperBot:
    """A bot with positions on paper. `fails` has the statuses of its next calls, 0 for a lost one.

    If `acts` is set, a failing call takes effect all the same.
    """

    state: str = "running"
    sizes: dict[str, float] = field(default_factory=lambda: {"BTC": 4.0, "ETH": 8.0})
    fails: list[int] = field(default_factory=list)
    acts: bool = False
    refuses: set[str] = field(default_factory=set)  # verbs that get a 503
    comes_back: str = "running"  # its state after a restart
    silent: bool = False  # it gives no answer, but carries out its restart
    enters: dict[str, float] = field(
        default_factory=dict
    )  # the positions that it opens when a restart makes it run
    slow: float = 0.0  # seconds before it carries out a call
    hangs: threading.Event | None = None  # seconds until it reports its state
    orders: list[tuple[str, str | None]] = field(
        default_factory=list
    )  # verb and idempotency key, carried out
    done: set[str] = field(default_factory=set)  # keys
    received: int = 0

    def answer(self) -> dict[str, Any]:
        held = [
            {"symbol": symbol, "side": "long", "size": size, "price": 100.0, "profit": -1.0}
            for symbol, size in self.sizes.items()
        ]
        return {"state": self.state, "open_positions": held, "pending_orders": 0}

    def carry_out(self, verb: str, body: dict[str, Any], key: str | None) -> None:
        once = f"{verb} {key}"
        if key is not None and once in self.done:
            return
        self.done.add(once)
        self.orders.append((verb, key))
        if verb == "pause":
            self.state = "paused"
        elif verb == "restart":
            self.state, self.sizes = self.comes_back, self.sizes | self.enters
        elif verb in ("start", "resume"):
            self.state = "running"
        elif verb == "stop":
            self.state = "stopped"
        elif verb == "close_positions":
            self.sizes = {
                s: z for s, z in self.sizes.items() if body.get("symbols") and s not in body["symbols"]
            }
        elif verb == "reduce_positions":
            wanted = {one["symbol"]: one["size"] for one in body.get("positions", [])}
            self.sizes = {s: min(z, wanted.get(s, z)) for s, z in self.sizes.items()}

    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.orders]


class Bots:
    """Bots on one loopback port, by the bot API."""

    def __init__(self, names: Iterable[str]) -> None:
        self.by_name = {name: PaperBot() for name in names}
        bots = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                bot = bots.by_name[self.path.split("/")[1]]
                if bot.hangs is not None:
                    bot.hangs.wait(60)
                if bot.silent:
                    self.close_connection = True
                else:
                    self.reply(200, bot.answer())

            def do_POST(self) -> None:
                bot, verb = bots.by_name[self.path.split("/")[1]], self.path.split("/")[-1]
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}") or {}
                bot.received += 1
                time.sleep(bot.slow)
                status = bot.fails.pop(0) if bot.fails else 503 if verb in bot.refuses else 200
                if bot.silent and verb != "restart":
                    status = 0
                if status == 200 or bot.acts:
                    bot.carry_out(verb, body, self.headers["Idempotency-Key"])
                if status == 0:
                    self.close_connection = True
                    return
                self.reply(status, {"detail": verb})

            def reply(self, status: int, answer: dict[str, Any]) -> None:
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class PrometheusDouble:
    """Prometheus's answers: which alerts fire, and which bots' causes are gone; or it is unreachable."""

    def __init__(self) -> None:
        self.alerts: dict[tuple[str, str], FiringAlert] = {}
        self.gone: set[str] = set()  # expressions that hold
        self.away: str | None = None
        self.exchange_out: set[str] = set()  # bots whose calls to it fail
        self.states: dict[str, str] = {}  # modes of bots; a bot without an entry keeps its mode

    async def firing(self) -> Firing:
        self._ask()
        return Firing(self.alerts.values())

    async def which_hold(self, expressions: Iterable[str]) -> dict[str, bool | None]:
        self._ask()
        return {expression: expression in self.gone or self._is_out(expression) for expression in expressions}

    def _is_out(self, expression: str) -> bool:
        fails = "trading_bot_error_rate" in expression
        return fails and any(f'bot="{bot}"' in expression for bot in self.exchange_out)

    async def holds(self, expression: str, since: datetime | None = None) -> bool:
        self._ask()
        if other := re.search(r'state!~"([^"]*)"', expression):
            bot = expression.partition('bot="')[2].partition('"')[0]
            state = self.states.get(bot)
            is_other = state is not None and state not in other[1].split("|")
            if expression.startswith("trading_bot_up"):
                return not is_other
            return is_other and state in ("running", "paused", "stopped")
        return expression in self.gone

    def _ask(self) -> None:
        if self.away is not None:
            raise Unreachable(self.away)


class Alertmanager:
    """Alertmanager's answer about muted alerts: none, unless a test sets it."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    async def suppressions(self) -> dict[str, Any]:
        return self.held


def verify(alert: str, bot: str) -> str:
    return f'over{{alert="{alert}",bot="{bot}"}}'


class NoSender:
    """Sends nothing: notifications are in the escalation steps."""

    at_once = 1

    @property
    def receipts(self) -> "NoSender":
        return self

    async def claim(self) -> None:
        return None

    async def next_due(self) -> None:
        return None


class Scenario:
    """An engine and its surroundings, and a test's access to them."""

    def __init__(self, settings: Settings, pool: Pool, bots: Bots, stack: AsyncExitStack) -> None:
        self.settings, self.pool, self.bots = settings, pool, bots.by_name
        self.prometheus, self.alertmanager, self.metrics = PrometheusDouble(), Alertmanager(), Metrics()
        self.engines: list[Engine] = []
        self.commands = Commands(settings, pool, Escalation(settings, pool, self.metrics), load_actions())
        self._stack = stack

    async def start(self, settings: Settings | None = None, ahead: timedelta = timedelta(0)) -> "Engine":
        """Start another engine, with other settings if given, and a clock that is ahead of the database's."""
        engine = Engine(self, settings or self.settings, ahead)
        self.engines.append(engine)
        self._stack.push_async_callback(engine.stop)
        return engine

    async def fires(self, word: str, *bots: str, severity: str = "critical", told: bool = True) -> None:
        """Let an alert fire for bots; Alertmanager reports it, unless told not to."""
        for bot in bots:
            labels = {"alertname": f"TradingBot{word}", "bot": bot, "severity": severity}
            notes = {"summary": f"{word} of {bot}", "verify": verify(word, bot)}
            self.prometheus.alerts[word, bot] = FiringAlert(labels, notes)
            self.prometheus.gone.discard(verify(word, bot))
        if told:
            await self.deliver(word, *bots, severity=severity)

    async def deliver(self, word: str, *bots: str, severity: str = "critical", **changes: Any) -> None:
        """Report an alert as a webhook does."""
        alerts = [
            Alert.firing(
                {"alertname": f"TradingBot{word}", "bot": bot, "severity": severity},
                changes.get("annotations", {}),
                datetime.now(UTC),
                f"{word}-{bot}",
            )
            for bot in bots
        ]
        async with self.pool.transaction() as connection:
            accepted = await incidents.accept(connection, alerts)
            await self.commands._escalation.opened(connection, accepted.opened)
            await notify(connection)

    def ends(self, word: str, *bots: str, gone: bool = True) -> None:
        """Let an alert end; its cause is gone if a sample shows it."""
        for bot in bots:
            self.prometheus.alerts.pop((word, bot), None)
            if gone:
                self.prometheus.gone.add(verify(word, bot))

    async def rows(self, query: str, *values: object) -> list[Any]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(query.encode(), list(values))).fetchall()

    async def incident(self, bot: str, word: str = "CriticalLoss") -> Any:
        """Return the newest incident of a bot as the page shows it."""
        found = await self.rows(
            "SELECT id FROM incidents WHERE bot = %s AND alert = %s ORDER BY id DESC LIMIT 1",
            bot,
            f"TradingBot{word}",
        )
        if not found:
            return None
        async with self.pool.connection() as connection:
            return await incidents.incident(connection, found[0][0])

    async def timeline(self, bot: str, word: str = "CriticalLoss") -> list[tuple[str, str]]:
        query = (
            "SELECT t.kind, t.text FROM timeline t JOIN incidents i ON i.id = t.incident "
            "WHERE i.bot = %s AND i.alert = %s ORDER BY t.id"
        )
        return await self.rows(query, bot, f"TradingBot{word}")

    async def told(self, bot: str) -> list[str]:
        """Return the reasons of all notifications about a bot's incidents, sent or due."""
        query = "SELECT s.rule || ' ' || s.why FROM escalation_steps s JOIN incidents i ON i.id = s.incident "
        return [why for (why,) in await self.rows(query + "WHERE i.bot = %s ORDER BY s.id", bot)]

    async def until(self, look: Callable[[], Any], what: str = "it", within: float = 20.0) -> Any:
        """Wait until something is true; `look` may be a coroutine function."""

        async def see() -> Any:
            seen = look()
            return await seen if isinstance(seen, Awaitable) else seen

        return await until(see, within=within, what=what)


class Engine:
    """One running engine of a scenario."""

    def __init__(self, scenario: Scenario, settings: Settings, ahead: timedelta) -> None:
        threads = Threads(32)
        self.parts: EngineParts = parts(
            settings,
            scenario.pool,
            scenario.prometheus,
            scenario.alertmanager,
            scenario.metrics,
            threads,
            lambda _: NoSender(),
            Clock(lambda: datetime.now(UTC) + ahead),
        )
        self._threads = threads
        tasks = [*self.parts.tasks.values(), lambda: listen(scenario.pool.address, self.parts.notice)]
        self._tasks = [asyncio.create_task(task()) for task in tasks]

    async def stop(self) -> None:
        """Stop the engine as a reload does."""
        await self.parts.executor.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.close()


def settings_of(directory: Path, bots: Bots, speed: float = SPEED, **overrides: Any) -> Settings:
    """Return settings of a scene's bots."""
    for token in ("receive", "read", "act", "bot"):
        (directory / f"{token}_token").write_text(f"{token}-secret\n")
    url = f"http://127.0.0.1:{bots.port}"
    data = {
        "profile": "experienced",
        "bots": {
            name: {"source": {"type": "http", "url": f"{url}/{name}", "token_file": "bot_token"}}
            for name in bots.by_name
        }
        | overrides.pop("sources", {}),
        "webhook_actions": {
            "tokens": {f"{name}_file": f"{name}_token" for name in ("receive", "read", "act")},
            "heartbeat": "1s",
        },
        "contacts": {"administrator": {"email": ["admin@example.org"]}},
        "channels": {
            "email": {"enabled": True, "host": "127.0.0.1", "from": "a@b.example", "to": ["c@d.example"]}
        },
    }
    actions = {"restart": {"wait": "0s", "boot": "2s"}, "verify_within": "60s"} | overrides.pop("actions", {})
    config = directory / "monitoring.yaml"
    config.write_text(yaml.safe_dump(data | {"actions": actions} | overrides))
    return load([config], speed=speed)


@asynccontextmanager
async def scenario(
    address: str, name: str, directory: Path, *bots: str, start: bool = True, **overrides: Any
) -> AsyncIterator[Scenario]:
    """Set a scene on a database of its own, with an engine running unless `start` is False."""
    paper = Bots(bots or ("alpha",))
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(database(address, name))
        await migrate.migrate(pool)
        made = Scenario(settings_of(directory, paper, **overrides), pool, paper, stack)
        if start:
            await made.start()
        yield made
    paper.server.shutdown()
