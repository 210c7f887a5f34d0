"""One simulated evening: a scenario from a seed, the engines in it, and the rules that must always hold."""

import asyncio
import gc
import itertools
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from stack.settings import Settings
from tests.simulation.engines import Died, Process
from tests.simulation.environment import SCRAPE, SEVERITIES, SimulatedEnvironment
from tests.simulation.loop import VirtualLoop
from tests.simulation.memory import Memory
from tests.simulation.rules import Rules
from tests.simulation.scenario import Event, drawn
from tests.simulation.substitution import in_memory
from tests.simulation.variants import BOTS, settings
from webhook_actions.engine.reconcile import fingerprint
from webhook_actions.notify.links import Links
from webhook_actions.payload import Alert
from webhook_actions.store import holds
from webhook_actions.store.audit import Caller
from webhook_actions.store.database import GONE
from webhook_actions.web.commands import Refused

LENGTH, SETTLE = 2400.0, 1500.0  # seconds of trouble, and of calm after it
ANNA = Caller("anna", "10.0.0.1")
_DIES = ("GeneratorExit", "Event loop is closed")  # the error of a task that ends with its engine


@dataclass
class Result:
    """The result of one seed."""

    seed: int
    violation: str | None
    trace: list[str]
    incident_seconds: float
    orders: int
    incidents: int
    runs: int


class Simulation(Rules):
    """The loop, the memory, the world and the engines of one seed."""

    def __init__(self, seed: int, events: list[Event], engines: int) -> None:
        self.seed, self.events = seed, events
        self.loop = VirtualLoop()
        self.random = random.Random(f"{seed} engines")
        self.memory = Memory(self.loop.now)
        self.world = SimulatedEnvironment(self.loop, seed, BOTS)
        self.memory.closing = self.closing
        self.links = Links(settings("usual"))
        self.processes = [Process(self, number) for number in range(engines)]
        self.variant = "usual"
        self.variant_since = 0.0
        self.waiting: list[Event] = []  # for an order
        self.tasks: list[asyncio.Task[Any]] = []
        self.database_away_until = -1.0
        self.commits_fail_until = -1.0
        self.trace: list[str] = []
        self.violation: str | None = None
        self.known_firing: set[tuple[str, str]] = set()
        self.open_seconds = 0.0
        self._first_of_attempt: dict[tuple[int, int], bool] = {}
        self._keys = itertools.count()

    # the timeline of events

    async def play(self) -> None:
        for process in self.processes:
            process.start(settings("usual"))
        self.spawn(self.prometheus())
        began = self.loop.time()
        for event in self.events:
            await asyncio.sleep(max(0.0, began + event.at - self.loop.time()))
            if event.amid_order:
                self.waiting.append(event)
            else:
                self.strike(event)
        await asyncio.sleep(max(0.0, began + LENGTH - self.loop.time()))
        await self.calm()
        await asyncio.sleep(SETTLE)
        for check in (
            self.all_judged,
            self.all_taken_over,
            self.all_told,
            self.all_open,
            self.all_flat,
            self.paced,
            self.once,
        ):
            check()

    async def calm(self) -> None:
        """End all trouble except the alerts."""
        self.note("calm")
        self.waiting.clear()
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
        """Scrape and evaluate; Alertmanager usually reports the changes."""
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
        """Deliver as Alertmanager does: until some engine accepts."""
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
            }
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

    def strike(self, event: Event) -> None:
        self.note(f"{event}")
        self.spawn(self.happens(event))

    def amid_order(self) -> None:
        """Trigger the first event that waits for an order."""
        if self.waiting:
            self.strike(self.waiting.pop(0))

    async def happens(self, event: Event) -> None:
        await getattr(self, f"on_{event.kind}")(**event.given)

    async def on_strike(self, bot: str, alert: str, comes_back: bool, silent: float | None = None) -> None:
        one = self.world.bots[bot]
        one.comes_back = comes_back
        if alert == "Down":
            one.up = False
        else:
            one.conditions.add(alert)
        if silent is not None:  # for this long, even after restarts
            await asyncio.sleep(silent)
            if not one.up:
                self.world.boots(one)

    async def on_outage(self) -> None:
        """Let every bot go down at once, as a host or network failure does; a restart brings each back."""
        for one in self.world.bots.values():
            one.up, one.comes_back = False, True

    async def on_flap(self, bot: str, alert: str, times: int) -> None:
        for _ in range(times):
            self.world.bots[bot].conditions.add(alert)
            await asyncio.sleep(SCRAPE * 3)
            self.world.bots[bot].conditions.discard(alert)
            await asyncio.sleep(SCRAPE * 3)

    async def on_end(self, bot: str) -> None:
        one = self.world.bots[bot]
        one.conditions.clear()
        one.comes_back = True
        self.world.boots(one)

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
        """Request an action of a bot's newest incident, as a double click does."""
        found = [one for one in self.memory.open() if one.bot == bot]
        if not found:
            return
        incident, name = found[-1].id, f"key-{next(self._keys)}" if key else None
        for _ in range(times):
            self.spawn(self.command(lambda commands: commands.run(ANNA, incident, action, bot, name)))
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
        """Make every engine reload its settings; a frozen one cannot, and is killed."""
        for process in self.processes:
            if process.alive and self.loop.time() < process.frozen_until:
                process.crash()
                self.restart_later(process)
            elif process.alive:
                self.spawn(process.reload(settings(variant)))
        self.variant, self.variant_since = variant, self.loop.time()

    async def command(self, ask: Callable[[Any], Any]) -> None:
        """Give a command to engines until one accepts it."""
        for process in self.processes:
            with suppress(Died, Refused):
                commands = process.commands()
                async with asyncio.timeout(20):
                    await ask(commands)
                return

    def commit(self) -> str:
        """Return the result of a commit."""
        if self.loop.time() >= self.commits_fail_until:
            return "counts"
        kinds = ("counts", "fails", "fails late", "dies", "dies late")
        return self.random.choices(kinds, (80, 6, 6, 3, 3))[0]

    def settings_of(self, variant: str) -> Settings:
        return settings(variant)

    def note(self, what: str) -> None:
        self.trace.append(f"{self.loop.time():8.2f} {what}")

    def broken(self, what: str) -> None:
        if self.violation is None:
            self.violation = what
            self.note(f"VIOLATION: {what}")


def run(seed: int, events: list[Event] | None = None, engines: int | None = None) -> Result:
    """Play a seed's scenario, or one of given events, to its end or its first violation."""
    _forget_others()
    chosen = random.Random(f"{seed} shape")
    count = chosen.choice((1, 2, 2, 3))
    planned = drawn(seed, BOTS, sorted(SEVERITIES), LENGTH) if events is None else events
    made = Simulation(seed, planned, engines or count)
    asyncio.set_event_loop(made.loop)
    with in_memory(made.memory), _no_defects(made):
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
        seed,
        made.violation,
        made.trace,
        made.open_seconds,
        len(made.world.orders),
        len(t.incidents),
        len(t.runs),
    )


@contextmanager
def _no_defects(made: Simulation) -> Iterator[None]:
    """Count a logged and survived defect of the engine as a broken rule; drop all other log lines."""

    class Defects(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info and record.exc_info[1]
            dies = isinstance(error, (*GONE, Died)) or any(word in str(error) for word in _DIES)
            if error and not dies:
                made.broken(f"a defect: {record.getMessage()}: {error!r}")

    logger = logging.getLogger("webhook_actions")
    known, logger.handlers = logger.handlers, [Defects()]
    logger.propagate, level = False, logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.handlers, logger.propagate = known, True
        logger.setLevel(level)


def _forget_others() -> None:
    """Collect the garbage of earlier seeds, which would otherwise log its end during this one."""
    logging.disable(logging.CRITICAL)
    gc.collect()
    logging.disable(logging.NOTSET)


def _dispose(made: Simulation) -> None:
    """Drop the tasks that wait for ever."""
    made.loop.set_exception_handler(lambda *_: None)
    for task in asyncio.all_tasks(made.loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    made.loop.close()
