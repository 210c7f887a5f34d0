"""Polls all watched bots and the host concurrently, and serves their metrics."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psutil

from clients.http import Http
from exporter.analytics.ledger import Conventions
from exporter.bot import WatchedBot
from exporter.capital import CapitalFile
from exporter.catalogue import COLLECT, USUAL, Sample, sample
from exporter.edge import edge_of
from exporter.exposition import Board, Lines, Part
from exporter.formats import TEXT, Format
from exporter.health import Judge, Vitals
from exporter.limits.watch import LimitWatch
from exporter.logs.watch import LogWatch
from exporter.period_starts import PeriodStarts
from exporter.poller import BotPoller
from exporter.reloads import Reloads
from exporter.sources import Input, SourceContext
from exporter.sources.journal import folder
from exporter.status_page import Row
from exporter.summary_schedule import SummarySchedule
from exporter.system import ThisHost
from exporter.trade_history import TradeHistory
from exporter.witness.watch import WitnessWatch
from stack.settings import Settings

_log = logging.getLogger(__name__)
_LOGS = ""  # the task that reads logs: no bot has this name


class Fleet:
    """Polls the watched bots and the host while `run` runs; `board` takes other metrics of them."""

    def __init__(
        self,
        settings: Settings,
        http: Http,
        data: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.board = Board()
        self.clock = clock
        self.reloads = Reloads(clock())
        self._process = psutil.Process()
        self.beside: Callable[[], Iterable[Sample]] = tuple  # metrics of other parts of this process
        self.bots: dict[str, BotPoller] = {}
        self._http = http
        self._data = data
        self._settings = settings
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group = asyncio.TaskGroup()
        self._disk: float | None = None
        self._host = ThisHost()
        self._host_part: Part = {}
        self.limits = LimitWatch(settings, data, self.board, clock)
        self._witness = WitnessWatch(settings, self.board, clock)
        self._use(settings)
        self._logs = LogWatch(settings, data, self.board, clock)

    def _use(self, settings: Settings) -> list[BotPoller]:
        """Take settings, with a new poller for each changed bot; return the replaced pollers."""
        before, self._settings = self._settings, settings
        self.period = settings.collection.poll_interval
        self._due = SummarySchedule(settings.summaries, ZoneInfo(settings.timezone))
        self._judge = Judge(settings, self._host.name)
        alike = _common(before) == _common(settings)
        kept = {
            name: poller
            for name, poller in self.bots.items()
            if alike and settings.bots.get(name) == before.bots[name]
        }
        replaced = [poller for name, poller in self.bots.items() if name not in kept]
        # The same source keeps its trades: it may be down at the moment.
        known = {
            poller.name: poller.past
            for poller in replaced
            if poller.name in settings.bots
            and settings.bots[poller.name].source == before.bots[poller.name].source
        }
        self.bots = {name: kept.get(name) or self._poller(name, known.get(name)) for name in settings.bots}
        return replaced

    def _poller(self, name: str, past: TradeHistory | None) -> BotPoller:
        bot, collection = self._settings.bots[name], self._settings.collection
        window = float(collection.rate_window)
        conventions = Conventions(
            zone=ZoneInfo(self._settings.timezone),
            days_per_year=self._settings.days_per_year,
            tail=collection.var_window,
            recent=collection.slippage_recent,
            before=collection.slippage_before,
            symbols=collection.max_symbols,
        )
        surroundings = SourceContext(
            self._http,
            float(collection.timeout),
            window,
            self.clock,
            Input(collection.max_symbols),
            self._data / "bots" / folder(name),
            float(bot.silent_after or collection.silent_after),
        )
        kept = CapitalFile(surroundings.data, bot.source.place)
        marks = PeriodStarts(conventions.zone, surroundings.data, bot.source.place)
        watched = WatchedBot(bot, conventions, window, past, kept, marks, edge_of(name, bot))
        guard = collection.guard.interval if collection.guard.enabled else None
        return BotPoller(name, bot, watched, self.board, surroundings, self.limits, self._witness, guard)

    async def run(self) -> None:
        """Poll everything for ever, the bots spread over the period."""
        async with self._group:
            self._group.create_task(self._watch_host())
            self._witness.start(self._group)
            self._start()

    async def apply(self, settings: Settings) -> None:
        """Use other settings without disturbing unchanged bots."""
        before = self._settings
        replaced = self._use(settings)
        await asyncio.gather(*(poller.stop(self._tasks.pop(poller.name)) for poller in replaced))
        self.limits.use(settings)
        if _accounts(before) != _accounts(settings):
            await self._witness.stop()
            self._witness.use(settings)
            self._witness.start(self._group)
        if _logs(before, self._data) != _logs(settings, self._data):
            await self._logs.stop(self._tasks.pop(_LOGS))
            self._logs.withdraw()
            self._logs = LogWatch(settings, self._data, self.board, self.clock)
        for poller in replaced:
            if poller.name not in self.bots:
                self.board.forget(poller.name)
        self._start()

    def _start(self) -> None:
        """Start the pollers that do not run yet."""
        if _LOGS not in self._tasks:
            self._tasks[_LOGS] = self._group.create_task(self._logs.run())
        for place, (name, bot) in enumerate(self.bots.items()):
            if name not in self._tasks:
                delay = self.period * place / len(self.bots)
                self._tasks[name] = self._group.create_task(bot.run(delay, self.period))

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
        """Return the metrics of the named groups and bots; without names, the usual groups of all bots.
        Raises KeyError for an unknown group or bot.
        """
        groups = [group for name in collect or USUAL for group in COLLECT[name]]
        chosen = [self.bots[name] for name in dict.fromkeys(bots)] if bots else list(self.bots.values())
        hosts = {bot.host[0]: bot.host[1] for bot in reversed(chosen) if bot.host is not None}
        if bots:
            return self.board.page(groups, form, [bot.name for bot in chosen], hosts.values())
        hosts[self._host.name] = self._host_part  # even if a bot names the same host
        own = [
            *self._due.samples(self.clock()),
            sample("bots", len(self.bots)),
            sample("resident_memory_bytes", self._process.memory_info().rss),
            *self.reloads.samples(),
            *self.beside(),
        ]
        beside = (*hosts.values(), Lines(len(own)).render(own)[0])
        return self.board.page(groups, form, also=beside)

    async def health(self, bots: Sequence[str] = ()) -> dict[str, Any]:
        """Return the checks of the named bots, or of all bots, as JSON."""
        judged, now = await self._judge.judged(bots), self.clock()
        return {
            name: self._judge.as_json(name, self.bots[name].vitals or Vitals(now), self._disk, judged, now)
            for name in dict.fromkeys(bots) or self.bots
        }

    async def rows(self) -> list[Row]:
        """Return the rows of the status page, one for each bot."""
        health, now = await self.health(), self.clock()
        return [_row(bot, health[bot.name], now) for bot in self.bots.values()]


def _common(settings: Settings) -> tuple[object, ...]:
    """Return the settings for reading all bots."""
    return settings.collection, settings.timezone, settings.days_per_year


def _accounts(settings: Settings) -> tuple[object, ...]:
    """Return the settings for asking exchanges, and their bots."""
    return settings.accounts, settings.bots, settings.currency, settings.collection.max_symbols


def _logs(settings: Settings, data: Path) -> tuple[object, ...]:
    """Return the settings for reading logs."""
    return settings.collection, settings.logs, settings.bot_logs(data.parent)


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
        warning=bot.status.warning,
    )
