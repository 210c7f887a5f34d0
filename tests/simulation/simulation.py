"""One simulated evening: a scenario from a seed, the engines in it, and the rules that must always hold."""

import asyncio
import gc
import itertools
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from stack.settings import Settings
from tests.simulation.engines import Died, Process
from tests.simulation.environment import SCRAPE, SEVERITIES, SimulatedEnvironment
from tests.simulation.events import ANNA, Events
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
from webhook_actions.store.database import GONE
from webhook_actions.web.commands import Refused

LENGTH, SETTLE = 2400.0, 1500.0  # seconds of trouble, and of calm after it
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


class Simulation(Events, Rules):
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
        self._stopped_since: dict[str, float] = {}
        self._free_since = 0.0
        self._fences: dict[int, int] = {}
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
            self.brought_back()
            self.at_rest()
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

    def commit(self) -> str:
        """Return the result of a commit."""
        if self.loop.time() >= self.commits_fail_until:
            return "counts"
        kinds = ("counts", "fails", "fails late", "dies", "dies late")
        return self.random.choices(kinds, (80, 6, 6, 3, 3))[0]

    def hindered(self) -> bool:
        """Return whether no engine could order anything now, or one was told not to."""
        now = self.loop.time()
        able = any(process.alive and process.frozen_until <= now for process in self.processes)
        away = now < max(self.database_away_until, self.commits_fail_until)
        paused = any(over is None for *_, over in self.memory.t.pauses.values())
        return not able or away or paused or self.variant != "usual"

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
