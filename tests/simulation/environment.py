"""The engines' surroundings: bots, Prometheus, Alertmanager and channels, each of which may fail."""

import asyncio
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from clients.http import Answer, Lost, Request, Unsent
from clients.prometheus import Firing, FiringAlert, Unreachable
from tests.simulation.loop import VirtualLoop
from tests.webhook_actions.bot_doubles import BotApi, Clock, Fault, Freqtrade, Held
from webhook_actions.outcome import Outcome

SCRAPE = 15.0  # seconds between two samples, and between two evaluations
SEVERITIES = {
    "Down": "critical",
    "CriticalLoss": "critical",
    "HighDrawdown": "critical",
    "ApiErrorRate": "critical",
    "LowWinRate": "warning",
    "CrashLooping": "critical",
}


@dataclass
class Bot:
    """A bot's true state."""

    name: str
    double: Any
    clock: Clock
    conditions: set[str] = field(default_factory=set)
    up: bool = True
    comes_back: bool = True
    faulty_until: float = -1.0  # its calls fail
    owner_stopped: bool = False
    restarted: bool = False  # by Nightdesk, and silent since
    stopped_by_order: bool = False  # if it is stopped, an order that it answered to did it
    sold: Counter[str] = field(default_factory=Counter)

    def sample(self) -> dict[str, Any]:
        down = {"Down"} if not self.up else set()
        state = self.double.state if self.up else "none"
        return {"up": self.up, "state": state, "conditions": frozenset(self.conditions | down)}


def made(name: str, clock: Clock) -> Bot:
    """Return a bot of three positions; one whose name begins with `ft` is a Freqtrade."""
    held = [Held(n + 1, f"S{n}/USDT", "long", 8.0) for n in range(3)]
    double = Freqtrade(clock, held) if name.startswith("ft") else BotApi(clock, held)
    return Bot(name, double, clock)


@dataclass(frozen=True)
class Sent:
    """An order at the moment when it left an engine."""

    at: float
    bot: str
    path: str
    key: str
    engine: Any


class SimulatedEnvironment:
    """The true state of everything, and the answers about it."""

    def __init__(self, loop: VirtualLoop, seed: int, names: tuple[str, ...]) -> None:
        self.loop = loop
        self.random = random.Random(f"{seed} world")
        self.clock = Clock()
        self.bots = {name: made(name, self.clock) for name in names}
        self.samples: tuple[float, dict[str, dict[str, Any]]] = (-1.0, {})
        self.strangers: set[str] = set()
        self.firing_since: dict[tuple[str, str], float] = {}
        self.ended_at: dict[tuple[str, str], float] = {}  # the last time at which the alert did not fire
        self.prometheus_away_until = -1.0
        self.channels_away_until = -1.0
        self.orders: list[Sent] = []
        self.sent: Counter[int] = Counter()  # deliveries that arrived
        self.inhibited: set[str] = set()

    # Prometheus

    def scrape(self) -> None:
        """Take a sample, and evaluate the rules on it."""
        now = self.loop.time()
        self.clock.sleep(now - self.clock.now)  # every late request has acted
        self.samples = (now, {name: bot.sample() for name, bot in self.bots.items()})
        firing = {
            (kind, name) for name, sample in self.samples[1].items() for kind in sample["conditions"]
        } | {("Down", name) for name in self.strangers}
        firing = {one for one in firing if one[0] == "Down" or one[1] not in self._unseen()}
        self.ended_at |= dict.fromkeys(sorted(self.firing_since.keys() - firing), now)
        self.firing_since = {one: self.firing_since.get(one, now) for one in sorted(firing)}

    def _unseen(self) -> set[str]:
        """Return the bots that are down: their series are absent."""
        return {name for name, sample in self.samples[1].items() if not sample["up"]}

    def alert(self, kind: str, bot: str) -> FiringAlert:
        labels = {"alertname": f"TradingBot{kind}", "bot": bot, "severity": SEVERITIES[kind]}
        notes = {"summary": f"{kind} of {bot}", "verify": f"fine {kind} {bot}"}
        return FiringAlert(labels, notes)

    def holds(self, expression: str, since: float | None = None) -> bool:
        at, seen = self.samples
        if since is not None and at <= since:
            return False
        words = expression.split()
        if words[0] == "fine":
            sample = seen.get(words[2])
            return sample is not None and sample["up"] and words[1] not in sample["conditions"]
        if any(word in expression for word in ("source_error", "error_rate", "probe_success")):
            return False
        bot = expression.partition('bot="')[2].partition('"')[0]
        sample = seen.get(bot)
        if sample is None:
            return False
        if other := re.search(r'state!~"([^"]*)"', expression):
            modes = other[1].split("|")
            known = sample["state"] in ("running", "paused", "stopped")
            is_other = known and sample["state"] not in modes
            return sample["up"] and (not is_other if expression.startswith("trading_bot_up") else is_other)
        return sample["up"] and ("trading_bot_state" not in expression or sample["state"] == "running")

    # bots

    def fault(self, bot: Bot) -> Fault:
        if self.loop.time() >= bot.faulty_until or self.random.random() < 0.3:
            return Fault.NONE
        return self.random.choice(list(Fault))

    def boots(self, bot: Bot) -> None:
        """Let a bot answer again; a restarted bot may come up stopped, as its configuration says."""
        if bot.restarted:
            bot.double.state = self.random.choice(("running", "running", "stopped"))
        bot.up, bot.restarted, bot.stopped_by_order = True, False, False

    async def ask(self, bot: Bot, request: Request) -> Answer:
        """Send a request to a bot; it may get lost, act late, or act although the answer is an error."""
        path = urlsplit(request.url).path.rpartition("/api/v1/")[2]
        key = request.headers.get("Idempotency-Key")
        reads = request.method == "GET"

        def act() -> Answer:
            status, body = self.serve(bot, request.method, path, request.json, key)
            return Answer(status, json.dumps(body).encode())

        await asyncio.sleep(self.random.uniform(0.01, 0.3))
        self.clock.sleep(self.loop.time() - self.clock.now)
        if not bot.up and not path.endswith("restart"):
            raise Unsent("connection refused")
        match self.fault(bot):
            case Fault.UNSENT:
                raise Unsent("connection refused")
            case Fault.LOST_BEFORE:
                await asyncio.sleep(request.total)
                raise Lost("no answer")
            case Fault.LOST_AFTER:
                act()
                await asyncio.sleep(request.total)
                raise Lost("no answer")
            case Fault.LATE:
                if not reads:
                    self.clock.due.append((self.clock.now + self.random.uniform(1, 20), act))
                await asyncio.sleep(request.total)
                raise Lost("no answer")
            case Fault.PROXY | Fault.ERROR:
                return Answer(503, b'{"error": "not now"}')
            case Fault.ERROR_AFTER:
                if not reads:
                    act()
                return Answer(502, b'{"error": "lost count"}')
        return act()

    def serve(self, bot: Bot, method: str, path: str, body: Any, key: str | None) -> tuple[int, Any]:
        if path.endswith("control/restart"):
            bot.restarted, bot.up = True, False
            if bot.comes_back:
                self.boots(bot)
                bot.stopped_by_order = True
                bot.conditions.discard("Down")
            return 200, {"done": True, "detail": "restarted"}
        if path.endswith(("retry_connection", "switch_endpoint", "reload_config")):
            if self.random.random() < 0.5:
                bot.conditions.discard("ApiErrorRate")
            if not path.endswith("reload_config"):
                return 200, {"done": True, "detail": "done"}
            bot.double.initial_state = self.random.choice(("running", "stopped"))
        bot.stopped_by_order = bot.stopped_by_order or path in ("stop", "reload_config")
        return bot.double.serve(method, path, body, key)

    # channels

    async def deliver(self, ids: list[int]) -> Outcome:
        """Send a message over a channel, which counts what arrives."""
        await asyncio.sleep(self.random.uniform(0.05, 1.0))
        if self.loop.time() < self.channels_away_until:
            return Outcome.retry("the channel is away")
        for id_ in ids:
            self.sent[id_] += 1
        return Outcome.ok("sent")


class AskPrometheus:
    """Prometheus, as one engine calls it."""

    def __init__(self, world: SimulatedEnvironment, process: Any) -> None:
        self._world = world
        self._process = process

    async def firing(self) -> Firing:
        await self._reach()
        return Firing([self._world.alert(*one) for one in self._world.firing_since])

    async def which_hold(self, expressions: Any) -> dict[str, bool | None]:
        await self._reach()
        return {one: self._world.holds(one) for one in sorted(set(expressions))}

    async def holds(self, expression: str, since: datetime | None = None) -> bool:
        await self._reach()
        seconds = None if since is None else (since - self._world.loop.now()).total_seconds()
        return self._world.holds(expression, None if seconds is None else self._world.loop.time() + seconds)

    async def _reach(self) -> None:
        await self._process.gate()
        await asyncio.sleep(self._world.random.uniform(0.002, 0.05))
        if self._world.loop.time() < self._world.prometheus_away_until:
            raise Unreachable("it is away")


class AskAlertmanager:
    """Alertmanager, as the reconciler calls it: nothing is muted."""

    async def suppressions(self) -> dict[str, Any]:
        return {}
