"""What an event of a scenario does to the engines, the bots and everything around them."""

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from tests.simulation.engines import Died, Process
from tests.simulation.environment import SCRAPE, SimulatedEnvironment
from tests.simulation.loop import VirtualLoop
from tests.simulation.memory import Memory
from tests.simulation.variants import settings
from webhook_actions.store.audit import Caller
from webhook_actions.web.commands import Refused

ANNA = Caller("anna", "10.0.0.1")


class Events:
    """A method `on_KIND` for each kind of event."""

    loop: VirtualLoop
    memory: Memory
    world: SimulatedEnvironment
    processes: list[Process]
    random: random.Random
    variant: str
    variant_since: float
    database_away_until: float
    commits_fail_until: float
    _keys: Iterator[int]

    def note(self, what: str) -> None:
        """Write into the trace."""
        raise NotImplementedError

    def spawn(self, work: Any) -> None:
        """Run a coroutine beside everything else."""
        raise NotImplementedError

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

    async def on_reboot(self, database: float, prometheus: float) -> None:
        """Let every engine die at once, as their host does; Prometheus may take long until it answers."""
        self.database_away_until = self.loop.time() + database
        self.world.prometheus_away_until = self.loop.time() + prometheus
        for process in self.processes:
            if process.alive:
                process.crash()
                self.restart_later(process)

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
        one.double.state, one.owner_stopped, one.stopped_by_order = state, state == "stopped", False

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
