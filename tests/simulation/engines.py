"""Engines as processes that may freeze, die and restart, and each one's connection to the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg

from clients.http import Answer, Request
from stack.settings import Settings
from tests.simulation.environment import AskAlertmanager, AskPrometheus
from tests.simulation.loop import GreenThreads
from webhook_actions.actions import load_actions
from webhook_actions.bots import BotControl, control
from webhook_actions.bots import Environment as BotWorld
from webhook_actions.bots.protocol import Guard
from webhook_actions.engine.due_loop import supervised
from webhook_actions.metrics import Metrics
from webhook_actions.notify.delivery import Sender
from webhook_actions.outcome import Outcome
from webhook_actions.payload import Alert
from webhook_actions.service import EngineParts, parts, reconsider
from webhook_actions.store import incidents
from webhook_actions.store.database import Clock
from webhook_actions.store.runs import Lease
from webhook_actions.web.commands import Commands


class Died(Exception):
    """The called process has died, is frozen, or does not reach its database."""


class SimulatedObserver:
    """The sources that actions read beside the bot; here they are empty."""

    endpoints = ()
    longest = 5.0

    def ask(self, *_: Any) -> tuple[()]:
        return ()

    def ask_range(self, *_: Any) -> tuple[()]:
        return ()

    def reach_all(self) -> tuple[()]:
        return ()


class SimulatedSender(Sender):
    """Sends over the world's channels."""

    def __init__(self, process: "Process", settings: Settings, metrics: Metrics, people: Any) -> None:
        super().__init__(settings, process, metrics, people, process.sim.links)
        self._process = process

    async def _send(self, batch: Any) -> Outcome:
        await self._process.gate()
        outcome = await self._process.sim.world.deliver([one.id for one in batch])
        await self._process.gate()
        return outcome


class Process:
    """One engine's process; it is also its own pool of connections."""

    def __init__(self, sim: Any, number: int) -> None:
        self.sim, self.number = sim, number
        self.alive, self.frozen_until, self.offset = False, -1.0, 0.0
        self.generation: tuple[EngineParts, list[asyncio.Task[Any]]] | None = None
        self.settings: Settings | None = None
        self._life = 0

    # events of the process

    def start(self, settings: Settings) -> None:
        """Start the process."""
        self.alive, self.settings = True, settings
        self._life += 1
        self._generate(settings)

    def crash(self) -> None:
        """Die as by SIGKILL: no unfinished work continues."""
        self.alive, self.generation = False, None

    async def reload(self, settings: Settings) -> None:
        """Continue with other settings, as reload.py does."""
        before, self.settings = self.generation, settings
        self._generate(settings)
        if before is not None:
            await before[0].executor.stop()
            for task in before[1]:
                task.cancel()

    def _generate(self, settings: Settings) -> None:
        life = _Life(self, self._life)
        metrics = Metrics()

        def sender(escalation: Any) -> Any:
            return SimulatedSender(life, settings, metrics, escalation)

        made = parts(
            settings,
            life,
            AskPrometheus(self.sim.world, life),
            AskAlertmanager(),
            metrics,
            GreenThreads(),
            sender,
            Clock(life.now),
            life.control,
        )

        async def begin() -> None:
            await reconsider(life)
            made.notice()

        tasks = {"begin": begin, **made.tasks}
        running = [
            asyncio.get_running_loop().create_task(
                begin() if name == "begin" else supervised(name, task, lambda _: None)
            )
            for name, task in tasks.items()
        ]
        self.sim.memory.notified.append(made.notice)
        self.generation = (made, running)
        self.sim.tasks.extend(running)

    # requests to the process

    async def receive(self, alerts: list[Alert]) -> None:
        """Accept a webhook. Raises Died if it is not accepted."""
        parts_ = self._parts()
        life = _Life(self, self._life)
        async with life.transaction():
            accepted = await incidents.accept(None, alerts)
            await parts_.escalation.opened(None, accepted.opened)

    def commands(self) -> Commands:
        """Return the commands of people. Raises Died."""
        parts_, life = self._parts(), _Life(self, self._life)
        return Commands(self.settings, life, parts_.escalation, load_actions(), life.now)

    def _parts(self) -> EngineParts:
        if not self.alive or self.generation is None or self.sim.loop.time() < self.frozen_until:
            raise Died
        return self.generation[0]


class _Life:
    """One life of a process: its unfinished work never continues in a later life."""

    def __init__(self, process: Process, number: int) -> None:
        self._process, self._number, self.sim = process, number, process.sim

    @property
    def dead(self) -> bool:
        return not self._process.alive or self._process._life != self._number

    def now(self) -> datetime:
        return self.sim.loop.now() + timedelta(seconds=self._process.offset)

    async def gate(self) -> None:
        """Wait while the process is frozen, and for ever once it is dead."""
        while not self.dead and self._process.frozen_until > self.sim.loop.time():  # noqa: ASYNC110 - virtual
            await asyncio.sleep(self._process.frozen_until - self.sim.loop.time())
        if self.dead:
            await asyncio.get_running_loop().create_future()

    async def _reach(self) -> None:
        await self.gate()
        await asyncio.sleep(self.sim.random.uniform(0.0005, 0.004))
        await self.gate()
        self._ask_database()

    def _ask_database(self) -> None:
        if self.sim.loop.time() < self.sim.database_away_until:
            raise psycopg.OperationalError("the database is away")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Each statement commits by itself; it takes no time, for speed."""
        await self.gate()
        self._ask_database()
        yield None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """No other task runs meanwhile; the commit may fail, or the engine may die before or after it."""
        await self._reach()
        memory = self.sim.memory
        before = memory.t.copy()
        try:
            yield None
        except BaseException:
            memory.t = before
            raise
        fate = self.sim.commit()
        if fate in ("fails", "dies"):
            memory.t = before
        if fate.startswith("dies"):
            self._process.crash()
            self.sim.restart_later(self._process)
        await self.gate()
        if fate.startswith("fails"):
            raise psycopg.OperationalError("the connection was lost at the commit")

    def control(self, settings: Settings, name: str, key: str, guard: Guard) -> BotControl:
        bot = self.sim.world.bots.get(name)
        threads = GreenThreads()

        attempt = getattr(guard, "_attempt", None)  # no engine pauses a halted bot
        lease = attempt and attempt.lease

        def ask(request: Request) -> Answer:
            return threads.ask(self._ask(bot, key, lease, request))

        def sleep(seconds: float) -> None:
            threads.ask(self._sleep(seconds))

        made = control(settings, name, key, guard, BotWorld(ask, sleep, self.sim.loop.time))
        return replace(made, observer=SimulatedObserver(), reporter=lambda *_: ())

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.gate()

    async def _ask(self, bot: Any, key: str, lease: Lease | None, request: Request) -> Answer:
        # An order leaves at the moment when its guard passes it: no freeze lies between.
        if request.method == "GET":
            await self.gate()
        else:
            self.sim.ordered(self._process, bot, key, lease, request)
        try:
            return await self.sim.world.ask(bot, request)
        finally:
            await self.gate()
