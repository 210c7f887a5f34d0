"""One simulated evening: a scenario from a seed, the engines in it, and what must hold all the time."""

import asyncio
import inspect
import itertools
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import yaml

from stack.settings import Settings, load
from tests.simulation.engines import Died, Process
from tests.simulation.loop import VirtualLoop
from tests.simulation.memory import Memory
from tests.simulation.scenario import Event, drawn
from tests.simulation.world import SCRAPE, SEVERITIES, Sent, World
from webhook_actions.engine import due
from webhook_actions.engine.reconcile import fingerprint
from webhook_actions.escalation.links import Links
from webhook_actions.payload import Alert
from webhook_actions.store import (
    acknowledgements,
    audit,
    database,
    deliveries,
    escalation_steps,
    holds,
    incidents,
    runs,
)
from webhook_actions.store.audit import Caller
from webhook_actions.web.commands import Refused

LENGTH, SETTLE = 2400.0, 1500.0  # seconds of trouble, and of calm after it
BOTS = ("alpha", "beta", "delta", "ft_gamma", "ft_epsilon")
ANNA = Caller("anna", "10.0.0.1")
MONEY = ["close_all_positions", "close_positions", "reduce_position_sizes"]
_MODULES = {
    "acknowledgements": acknowledgements, "audit": audit, "database": database, "deliveries": deliveries,
    "escalation_steps": escalation_steps, "holds": holds, "incidents": incidents, "runs": runs,
}  # fmt: skip


class Violation(Exception):
    """A rule of DESIGN §1 that was broken; the text says which, when and by what."""


@cache
def settings(variant: str) -> Settings:
    """Return the settings of a variant: usual, disarmed, maintained, or without the first bot."""
    directory = Path(tempfile.mkdtemp(prefix="simulation-"))
    for token in ("receive", "read", "act", "bot"):
        (directory / token).write_text("secret\n")
    source = {"type": "http", "token_file": "bot"}
    freqtrade = {"type": "freqtrade", "username": "u", "password_file": "bot"}
    bots = {
        name: {"source": (freqtrade if name.startswith("ft") else source) | {"url": f"http://{name}"}}
        for name in BOTS
        if variant != "without" or name != BOTS[0]
    }
    data = {
        "profile": "experienced",
        "bots": bots,
        "collection": {"trading": {"interval": "15s"}},
        "webhook_actions": {"tokens": {f"{t}_file": t for t in ("receive", "read", "act")}},
        "actions": {"armed": [] if variant == "disarmed" else MONEY, "fleet": {"bots": 1, "ratio": 0.0}},
        "contacts": {"administrator": {"email": ["admin@example.org"]}},
        "channels": {
            "email": {"enabled": True, "host": "127.0.0.1", "from": "a@b.example", "to": ["c@d.example"]}
        },
    }
    if variant == "maintained":
        data["routing"] = {"maintenance": [{"from": "00:00", "to": "00:00"}]}
    config = directory / "monitoring.yaml"
    config.write_text(yaml.safe_dump(data))
    return load([config])


@dataclass
class Result:
    """What one seed came to."""

    seed: int
    violation: str | None
    trace: list[str]
    incident_seconds: float
    orders: int
    incidents: int
    runs: int


class Simulation:
    """The loop, the memory, the world and the engines of one seed."""

    def __init__(self, seed: int, events: list[Event], engines: int) -> None:
        self.seed, self.events = seed, events
        self.loop = VirtualLoop()
        self.random = random.Random(f"{seed} engines")
        self.memory = Memory(self.loop.now)
        self.world = World(self.loop, seed, BOTS)
        self.memory.closing = self.closing
        self.links = Links(settings("usual"))
        self.processes = [Process(self, number) for number in range(engines)]
        self.variant = "usual"
        self.variant_since = 0.0
        self.tasks: list[asyncio.Task[Any]] = []
        self.database_away_until = -1.0
        self.commits_fail_until = -1.0
        self.trace: list[str] = []
        self.violation: str | None = None
        self.known_firing: set[tuple[str, str]] = set()
        self.open_seconds = 0.0
        self._first_of_attempt: dict[tuple[int, int], bool] = {}
        self._keys = itertools.count()

    # the course of events

    async def play(self) -> None:
        for process in self.processes:
            process.start(settings("usual"))
        self.spawn(self.prometheus())
        began = self.loop.time()
        for event in self.events:
            await asyncio.sleep(max(0.0, began + event.at - self.loop.time()))
            self.note(f"{event}")
            self.spawn(self.happens(event))
        await asyncio.sleep(max(0.0, began + LENGTH - self.loop.time()))
        await self.calm()
        await asyncio.sleep(SETTLE)
        for check in (self.all_judged, self.all_told, self.all_open, self.all_flat, self.paced, self.once):
            check()

    async def calm(self) -> None:
        """End every trouble but the alerts themselves."""
        self.note("calm")
        world = self.world
        self.database_away_until = self.commits_fail_until = -1.0
        world.prometheus_away_until = world.channels_away_until = -1.0
        for bot in world.bots.values():
            bot.faulty_until = -1.0
        for process in self.processes:
            process.frozen_until, process.offset = -1.0, 0.0
            if not process.alive:
                process.start(settings("usual"))
            else:
                await process.reload(settings("usual"))
        self.variant, self.variant_since = "usual", self.loop.time()
        if await holds.paused(None):
            await self.command(lambda commands: commands.resume(ANNA))

    async def prometheus(self) -> None:
        """Scrape and evaluate; Alertmanager tells of what changed, mostly."""
        while True:
            self.world.scrape()
            firing = set(self.world.firing_since)
            for one in sorted(firing - self.known_firing):
                self.tell(one, "firing")
            for one in sorted(self.known_firing - firing):
                self.tell(one, "resolved")
            self.known_firing = firing
            self.open_seconds += SCRAPE * len(self.memory.open())
            await asyncio.sleep(SCRAPE)

    def tell(self, one: tuple[str, str], status: str) -> None:
        chance = self.world.random.random()
        if chance < 0.06:
            self.note(f"Alertmanager tells nobody that {one} is {status}")
            return
        late = self.world.random.uniform(60, 400) if chance < 0.12 else self.world.random.uniform(0.1, 3)
        for _ in range(2 if chance > 0.9 else 1):
            self.spawn(self.webhook(one, status, late))

    async def webhook(self, one: tuple[str, str], status: str, late: float) -> None:
        """Deliver as Alertmanager does: again until some engine has taken it."""
        alert = self.world.alert(*one)
        times = {"startsAt": self.loop.now().isoformat()}
        if status == "resolved":
            times["endsAt"] = times["startsAt"]
        made = Alert.model_validate(
            {
                "status": status,
                "labels": dict(alert.labels),
                "annotations": dict(alert.annotations),
                "fingerprint": fingerprint(alert.labels),
                **times,
            }  # fmt: skip
        )
        await asyncio.sleep(late)
        for _ in range(40):
            with suppress(Died, psycopg.OperationalError):
                process = self.world.random.choice(self.processes)
                async with asyncio.timeout(10):
                    await process.receive([made])
                return
            await asyncio.sleep(10)

    def spawn(self, work: Any) -> None:
        task = self.loop.create_task(work)
        task.add_done_callback(self.ended)
        self.tasks.append(task)

    def ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) and self.violation is None:
            if isinstance(error, Died | Refused | psycopg.OperationalError | TimeoutError):
                return
            self.violation = f"{type(error).__name__}: {error}"

    async def happens(self, event: Event) -> None:
        await getattr(self, f"on_{event.kind}")(**event.given)

    async def on_strike(self, bot: str, alert: str, comes_back: bool) -> None:
        one = self.world.bots[bot]
        one.comes_back = comes_back
        if alert == "Down":
            one.up = False
        else:
            one.conditions.add(alert)

    async def on_flap(self, bot: str, alert: str, times: int) -> None:
        for _ in range(times):
            self.world.bots[bot].conditions.add(alert)
            await asyncio.sleep(SCRAPE * 3)
            self.world.bots[bot].conditions.discard(alert)
            await asyncio.sleep(SCRAPE * 3)

    async def on_end(self, bot: str) -> None:
        one = self.world.bots[bot]
        one.conditions.clear()
        one.up, one.comes_back = True, True

    async def on_stranger(self, seconds: float) -> None:
        self.world.strangers.add("stranger")
        await asyncio.sleep(seconds)
        self.world.strangers.discard("stranger")

    async def on_crash(self, engine: int) -> None:
        process = self.processes[engine % len(self.processes)]
        process.crash()
        self.restart_later(process)

    def restart_later(self, process: Process) -> None:
        async def restart() -> None:
            await asyncio.sleep(self.random.uniform(1, 90))
            if not process.alive:
                self.note(f"engine {process.number} starts")
                process.start(settings(self.variant))

        self.note(f"engine {process.number} has died")
        self.spawn(restart())

    async def on_freeze(self, engine: int, seconds: float) -> None:
        self.processes[engine % len(self.processes)].frozen_until = self.loop.time() + seconds

    async def on_clock(self, engine: int, seconds: float) -> None:
        self.processes[engine % len(self.processes)].offset = seconds

    async def on_database(self, seconds: float) -> None:
        self.database_away_until = self.loop.time() + seconds

    async def on_commits(self, seconds: float) -> None:
        self.commits_fail_until = self.loop.time() + seconds

    async def on_no_prometheus(self, seconds: float) -> None:
        self.world.prometheus_away_until = self.loop.time() + seconds

    async def on_no_channel(self, seconds: float) -> None:
        self.world.channels_away_until = self.loop.time() + seconds

    async def on_bot_fails(self, bot: str, seconds: float) -> None:
        self.world.bots[bot].faulty_until = self.loop.time() + seconds

    async def on_owner(self, bot: str, state: str) -> None:
        one = self.world.bots[bot]
        one.double.state, one.owner_stopped = state, state == "stopped"

    async def on_click(self, action: str, bot: str, times: int, key: bool) -> None:
        """Ask for an action of a bot's newest incident, as one who clicks twice does."""
        found = [one for one in self.memory.open() if one.bot == bot]
        if not found:
            return
        incident, name = found[-1].id, f"key-{next(self._keys)}" if key else None
        for _ in range(times):
            self.spawn(
                self.command(lambda commands: commands.run(ANNA, incident, action, bot, name))  # fmt: skip
            )
            await asyncio.sleep(self.random.uniform(0, 0.5))

    async def on_answer(self, bot: str, snooze: bool) -> None:
        for one in self.memory.open():
            if one.bot == bot:
                how: Callable[[Any], Any] = (
                    (lambda commands, id_=one.id: commands.snooze(ANNA, id_, 600.0, "", False))
                    if snooze
                    else (lambda commands, id_=one.id: commands.acknowledge(ANNA, id_, ""))
                )
                await self.command(how)

    async def on_pause(self, seconds: float) -> None:
        await self.command(lambda commands: commands.pause(ANNA, ""))
        await asyncio.sleep(seconds)
        await self.command(lambda commands: commands.resume(ANNA))

    async def on_release(self, bot: str) -> None:
        await self.command(lambda commands: commands.release(ANNA, bot))

    async def on_reload(self, variant: str, seconds: float) -> None:
        await self.reload(variant)
        await asyncio.sleep(seconds)
        await self.reload("usual")

    async def reload(self, variant: str) -> None:
        """Have every engine read new settings; a frozen one cannot be told, and is killed."""
        for process in self.processes:
            if process.alive and self.loop.time() < process.frozen_until:
                process.crash()
                self.restart_later(process)
            elif process.alive:
                self.spawn(process.reload(settings(variant)))
        self.variant, self.variant_since = variant, self.loop.time()

    async def command(self, ask: Callable[[Any], Any]) -> None:
        """Give a command to any engine that takes it, and no other once it was taken."""
        for process in self.processes:
            with suppress(Died, Refused):
                commands = process.commands()
                async with asyncio.timeout(20):
                    await ask(commands)
                return

    def commit(self) -> str:
        """Return what becomes of a commit."""
        if self.loop.time() >= self.commits_fail_until:
            return "counts"
        kinds = ("counts", "fails", "fails late", "dies", "dies late")
        return self.random.choices(kinds, (80, 6, 6, 3, 3))[0]

    def note(self, what: str) -> None:
        self.trace.append(f"{self.loop.time():8.2f} {what}")

    def broken(self, what: str) -> None:
        if self.violation is None:
            self.violation = what
            self.note(f"VIOLATION: {what}")

    # what must hold

    def ordered(self, process: Process, bot: Any, key: str, request: Any) -> None:
        """Judge an order in the moment in which it leaves its engine."""
        path = request.url.rpartition("/api/v1/")[2]
        self.world.orders.append(Sent(self.loop.time(), bot.name, path, key, process.number))
        self.note(f"engine {process.number} orders {path} of {bot.name} by {key}")
        if not key.startswith("run-"):
            if any(over is None for *_, over in self.memory.t.pauses.values()):
                self.broken(f"{path} of {bot.name} was ordered while all actions were paused")
            return
        run = self.memory.t.runs[int(key[4:])]
        attempt = (run.id, run.fence)
        goes_on = run.target is None and attempt in self._first_of_attempt
        self._first_of_attempt[attempt] = True
        if run.state != "running" or run.due_at <= self.loop.now():
            self.broken(f"{path} of {bot.name} by {key} was ordered without a lease: {run.state}")
        if goes_on:
            return
        if any(over is None for *_, over in self.memory.t.pauses.values()):
            self.broken(f"{path} of {bot.name} by {key} was ordered while all actions were paused")
        if run.effect == "money" and run.asked_by is None:
            settled = self.loop.time() - self.variant_since > 0.0
            if (
                settled
                and self.variant in ("disarmed", "maintained", "without")
                and process.settings is (settings(self.variant))
            ):
                barred = self.variant != "without" or bot.name == BOTS[0]
                if barred:
                    self.broken(f"{path} of {bot.name} by {key} was ordered though {self.variant}")
            incident = self.memory.t.incidents[run.incident]
            answers = self.memory._answers([incident.id])
            if answers and incident.kind != "CriticalLoss":
                self.broken(f"{path} of {bot.name} by {key} was ordered though acknowledged")
        closes = run.action in ("close_all_positions", "close_positions")
        halted = any(row[0] == bot.name and row[4] is None for row in self.memory.t.halts.values())
        if closes and not halted:
            self.broken(f"{path} of {bot.name} by {key} was ordered though the bot was released")
        if run.asked_by is not None and run.attempts == 1 and run.started_at > run.expires_at:
            self.broken(f"{key} of {bot.name} was run after it had expired")

    def closing(self, incident: Any) -> None:
        """Nothing is closed that has fired for a while and still does."""
        since = self.world.firing_since.get((incident.kind, incident.bot))
        if since is not None and self.loop.time() - since > 2 * SCRAPE:
            self.broken(
                f"incident {incident.id} ({incident.alert} of {incident.bot}) was closed while it fires"
            )

    def all_judged(self) -> None:
        """Nothing waits for a verdict for ever."""
        for run in self.memory.t.runs.values():
            if run.verdict is None and run.state == "ended" and self.age(run.ended_at) > 900:
                self.broken(f"run {run.id} ({run.action} of {run.bot}) was never judged")
            if run.state in ("running", "wanted") and self.age(run.created_at) > 1200:
                late = run.due_at is None or self.age(run.due_at) > 120
                if late:
                    self.broken(f"run {run.id} ({run.action} of {run.bot}) is {run.state} for ever")

    def all_told(self) -> None:
        """Whatever needs a person has reached one."""
        sent = {self.memory.t.messages[id_].step for id_ in self.world.sent if id_ in self.memory.t.messages}
        by_incident = defaultdict[int, list[Any]](list)
        for step in self.memory.t.steps.values():
            by_incident[step.incident].append(step)
        for one in self.memory.open():
            if self.age(one.opened_at) < 1200 or one.severity not in ("critical", "warning"):
                continue
            reached = any(step.id in sent for step in by_incident[one.id])
            answered = any(incident == one.id for incident, _ in self.memory.t.answers)
            if not reached and not answered:
                self.broken(f"nobody was told of incident {one.id} ({one.alert} of {one.bot})")
            if one.handed_over_at and not answered:
                spent = [
                    step for step in by_incident[one.id]
                    if step.rule == "notice: spent" and not step.why.startswith("nothing is done")
                ]  # fmt: skip
                if not spent:
                    self.broken(f"nobody was told that nothing is left for incident {one.id}")
        for run in self.memory.t.runs.values():
            stopped = run.verdict in ("stopped", "taken_over", "unknown")
            if stopped and run.target is not None and self.age(run.judged_at) > 300:
                rules = f"insist: stopped {run.action}"
                told = [step for step in by_incident[run.incident] if step.rule == rules and step.id in sent]
                if not told:
                    self.broken(
                        f"nobody was told that run {run.id} ({run.action}) has not reached its target"
                    )

    def all_open(self) -> None:
        """What fires has one open incident, which is looked at or waits for a person."""
        for (kind, bot), since in self.world.firing_since.items():
            if self.loop.time() - since < 900:
                continue
            mine = [one for one in self.memory.open() if (one.kind, one.bot) == (kind, bot)]
            if len(mine) != 1:
                self.broken(
                    f"{kind} of {bot} fires for {self.loop.time() - since:.0f} s: {len(mine)} incidents"
                )
            for one in mine:
                waits = one.handed_over_at or one.due_at or one.blocked in ("paused", "acknowledged")
                if not waits:
                    self.broken(f"incident {one.id} ({kind} of {bot}) is in a dead end: {one.waits_for}")
        for one in self.memory.open():
            if (one.kind, one.bot) not in self.world.firing_since and self.age(one.opened_at) > 900:
                bot = self.world.bots.get(one.bot)
                calm = bot is None or (bot.up and one.kind not in bot.conditions)
                if calm and not any(r.state != "ended" for r in self.memory.t.runs.values()):
                    self.broken(f"incident {one.id} ({one.alert} of {one.bot}) is open though it is over")

    def all_flat(self) -> None:
        """A critical loss ends with the bot flat and paused, unless a person took over."""
        for (kind, name), since in self.world.firing_since.items():
            if kind != "CriticalLoss" or self.loop.time() - since < 900:
                continue
            for one in self.memory.open():
                if (one.kind, one.bot) != (kind, name):
                    continue
                mine = [run for run in self.memory.t.runs.values() if run.incident == one.id]
                over = any(run.verdict == "taken_over" for run in mine)
                not_armed = any(run.outcome == "would_have" for run in mine)
                bot = self.world.bots[name]
                if not over and not not_armed and bot.up and any(bot.double.quantities().values()):
                    left = bot.double.quantities()
                    self.broken(f"{name} holds {left} though CriticalLoss fires since {since:.0f}")
        for bot in self.world.bots.values():
            if bot.double.state == "stopped" and not bot.owner_stopped:
                self.broken(f"{bot.name} was left stopped")

    def paced(self) -> None:
        """Restarts keep to attempts and fleet; money moves once a breach and cooldown."""
        restarts = sorted(
            (sent.at, sent.bot, sent.key) for sent in self.world.orders
            if sent.path in ("control/restart", "stop") and sent.key.startswith("run-")
        )  # fmt: skip
        automatic = [one for one in restarts if self.memory.t.runs[int(one[2][4:])].asked_by is None]
        for at, bot, _ in automatic:
            lately = [one for one in automatic if at - 3600 < one[0] <= at and one[1] == bot]
            if len({key for *_, key in lately}) > 3:
                self.broken(f"{bot} was restarted {len(lately)} times within an hour")
            others = {one[1] for one in automatic if at - 600 < one[0] < at} - {bot}
            if len(others) > 1:
                self.broken(f"{bot} and {', '.join(sorted(others))} were restarted within ten minutes")
        reductions = defaultdict[str, list[Any]](list)
        for run in self.memory.t.runs.values():
            if run.action == "reduce_position_sizes" and run.target and run.orders:
                reductions[run.bot].append(run)
        for bot, made in reductions.items():
            own = [run for run in made if run.asked_by is None]
            for before, after in itertools.pairwise(own):
                if after.started_at - before.started_at < timedelta(seconds=3600):
                    self.broken(f"{bot} was reduced twice within an hour: runs {before.id}, {after.id}")
            self.floor(bot, made)

    def floor(self, bot: str, made: list[Any]) -> None:
        """No position is below what its reductions leave, unless a close was ordered."""
        closed = any(
            run.bot == bot and run.target and run.target.get("others") == 0
            for run in self.memory.t.runs.values()
        )
        if closed:
            return
        for key, quantity in self.world.bots[bot].double.quantities().items():
            lowest = min(run.target["positions"].get(key, 8.0) for run in made)
            if quantity < lowest * 0.98:
                self.broken(f"{bot} holds {quantity} of {key}, though no target is below {lowest}")

    def once(self) -> None:
        """One person hears of one step once, but for a crash between sending and writing."""
        for id_, times in self.world.sent.items():
            message = self.memory.t.messages.get(id_)
            if message and times > 1 + message.interrupted:
                self.broken(f"delivery {id_} to {message.address} arrived {times} times")
        prints = [one.fingerprint for one in self.memory.open()]
        for name in {one for one in prints if prints.count(one) > 1}:
            self.broken(f"{name} has several open incidents")
        asked = defaultdict[tuple[int, str], list[Any]](list)
        for run in self.memory.t.runs.values():
            if run.asked_by is not None:
                asked[run.incident, run.action].append(run)

    def age(self, at: datetime | None) -> float:
        return (self.loop.now() - at).total_seconds() if at else 0.0


@cache
def _places() -> tuple[tuple[Any, str, Any, str], ...]:
    """Return where each function of the store is known: module, name there, function, and the memory's name."""
    stored = {
        getattr(_MODULES[module], function): name
        for name in dir(Memory)
        for module, _, function in [name.partition("__")]
        if module in _MODULES and function
    }
    return tuple(
        (module, name, value, stored[value])
        for key, module in sorted(sys.modules.items())
        if key.startswith(("webhook_actions", "tests.simulation"))
        for name, value in sorted(vars(module).items())
        if inspect.iscoroutinefunction(value) and value in stored
    )


@contextmanager
def in_memory(memory: Memory) -> Iterator[None]:
    """Have the store's functions, wherever they are known by name, work on a memory."""
    longest = due._LONGEST_SLEEP
    due._LONGEST_SLEEP = 30.0  # no notice is lost here but by a death, and every look costs
    try:
        for module, name, _, function in _places():
            setattr(module, name, getattr(memory, function))
        yield
    finally:
        due._LONGEST_SLEEP = longest
        for module, name, real, _ in _places():
            setattr(module, name, real)


def run(seed: int, events: list[Event] | None = None, engines: int | None = None) -> Result:
    """Play a seed's scenario, or one of given events, to its end or its first violation."""
    chosen = random.Random(f"{seed} shape")
    count = chosen.choice((1, 2, 2, 3))
    planned = drawn(seed, BOTS, sorted(SEVERITIES), LENGTH) if events is None else events
    made = Simulation(seed, planned, engines or count)
    asyncio.set_event_loop(made.loop)
    with in_memory(made.memory):
        try:
            playing = made.loop.create_task(made.play())
            while not playing.done() and made.violation is None:
                made.loop.call_later(60.0, made.loop.stop)
                made.loop.run_forever()
            if playing.done() and not playing.cancelled() and playing.exception():
                raise playing.exception()  # type: ignore[misc]
        finally:
            _dispose(made)
    t = made.memory.t
    return Result(
        seed, made.violation, made.trace, made.open_seconds, len(made.world.orders), len(t.incidents), len(t.runs)
    )  # fmt: skip


def _dispose(made: Simulation) -> None:
    """Let go of what waits for ever."""
    made.loop.set_exception_handler(lambda *_: None)
    for task in asyncio.all_tasks(made.loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    made.loop.close()
