"""All watched bots and the host: polled side by side, and what is known of them all."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import psutil

from exporter.analytics.ledger import Conventions
from exporter.bot import WatchedBot
from exporter.catalogue import COLLECT
from exporter.due import Due
from exporter.exposition import Board, Lines, Part
from exporter.formats import TEXT, Format
from exporter.health import Judge, Vitals, as_json
from exporter.landing import Row
from exporter.logs.watch import LogWatch
from exporter.poller import BotPoller
from exporter.probes import Probes
from exporter.sources import Input, Surroundings
from exporter.sources.journal import folder
from exporter.system import ThisHost
from stack.settings import Settings

_log = logging.getLogger(__name__)


class Fleet:
    """All watched bots and the host, polled while `run` runs; `board` takes what others tell of them."""

    def __init__(
        self,
        settings: Settings,
        session: aiohttp.ClientSession,
        data: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        collection = settings.collection
        window = float(collection.rate_window)
        self.period = collection.poll_interval
        self.board = Board()
        conventions = Conventions(
            zone=ZoneInfo(settings.timezone),
            days_per_year=settings.days_per_year,
            tail=collection.var_window,
            symbols=collection.max_symbols,
        )
        self.bots = {
            name: BotPoller(
                name,
                bot,
                WatchedBot(bot, conventions, window),
                self.board,
                Surroundings(
                    session,
                    float(collection.timeout),
                    window,
                    clock,
                    Input(collection.max_symbols),
                    data / "bots" / folder(name),
                    float(bot.silent_after or collection.silent_after),
                ),
            )
            for name, bot in settings.bots.items()
        }
        self.clock = clock
        self._disk: float | None = None
        self._host = ThisHost()
        self._host_part: Part = {}
        self._due = Due(settings.summaries, ZoneInfo(settings.timezone))
        self._judge = Judge(settings)
        self._probes = Probes(settings, session)
        self._logs = LogWatch(settings, data, self.board, clock)

    async def run(self) -> None:
        """Poll everything for ever, the bots spread over the period."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_host())
            tasks.create_task(self._logs.run())
            for place, bot in enumerate(self.bots.values()):
                tasks.create_task(bot.run(self.period * place / len(self.bots), self.period))

    async def _watch_host(self) -> None:
        while True:
            await asyncio.sleep(self.period)
            try:
                samples = await asyncio.to_thread(self._host.samples)
            except (psutil.Error, OSError) as error:
                _log.warning("this host's usage cannot be read: %s", error)
                samples = []
            disks = [each.value for each in samples if each.metric.name == "host_disk_usage_ratio"]
            self._disk = max((used for used in disks if isinstance(used, float)), default=None)
            self._host_part = Lines(len(samples)).render(samples)[0]

    def metrics(self, collect: Sequence[str] = (), bots: Sequence[str] = (), form: Format = TEXT) -> bytes:
        """Return the metrics of the named groups and bots, of all where none is named.

        Raises KeyError for a group or a bot that there is not.
        """
        groups = [group for name in collect or COLLECT for group in COLLECT[name]]
        chosen = [self.bots[name] for name in dict.fromkeys(bots)] if bots else list(self.bots.values())
        hosts = {bot.host[0]: bot.host[1] for bot in reversed(chosen) if bot.host is not None}
        if bots:
            return self.board.page(groups, form, [bot.name for bot in chosen], hosts.values())
        hosts[self._host.name] = self._host_part  # even where a bot names the same host
        due = list(self._due.samples(self.clock()))
        beside = (*hosts.values(), Lines(len(due)).render(due)[0])
        return self.board.page(groups, form, also=beside)

    async def health(self, bots: Sequence[str] = ()) -> dict[str, Any]:
        """Return the checks of the named bots, of all where none is named, as JSON."""
        endpoints, now = await self._probes.look(), self.clock()
        return {
            name: as_json(
                self._judge.checks(self.bots[name].vitals or Vitals(now), self._disk, endpoints, now)
            )
            for name in dict.fromkeys(bots) or self.bots
        }

    async def rows(self) -> list[Row]:
        """Return what the page for people says of each bot."""
        health, now = await self.health(), self.clock()
        return [_row(bot, health[bot.name], now) for bot in self.bots.values()]


def _row(bot: BotPoller, health: dict[str, Any], now: float) -> Row:
    polled = None if bot.status.polled_at is None else now - bot.status.polled_at
    idle = bot.vitals.idle if bot.vitals else None
    return Row(
        name=bot.name,
        source=bot.source_type,
        place=bot.place,
        state=bot.status.state,
        verdict=health["overall"],
        failing=tuple(name for name, each in health["checks"].items() if each["status"] == "unhealthy"),
        polled=polled,
        active=None if idle is None or polled is None else idle + polled,
        error=bot.status.error,
    )
