"""Polls every bot on a schedule of its own, so that one that hangs or fails never delays or hides another."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import psutil

from exporter.bot import WatchedBot
from exporter.catalogue import COLLECT, Sample, sample
from exporter.exposition import Part, page, render
from exporter.reading import Reading
from exporter.sources import Input, SourceError, Surroundings, connect
from exporter.sources.journal import folder
from exporter.system import BotProcess, ThisHost
from stack.settings import Bot, FreqtradeBot, HttpBot, Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Status:
    """What the page for people says of a bot; `error` is empty while it answers."""

    name: str
    state: str
    error: str
    polled_at: float | None


class BotPoller:
    """One bot: polls it and keeps its rendered metrics, which a scrape takes as they are."""

    def __init__(
        self, name: str, bot: Bot, watched: WatchedBot, cap: int, surroundings: Surroundings
    ) -> None:
        self.name = name
        self.part: Part = {}
        self.host: tuple[str, Part] | None = None
        self.status = Status(name, "unknown", "not polled yet", None)
        self._cap = cap
        self._watched = watched
        self._input = surroundings.input
        self._clock = surroundings.clock
        self.source = connect(bot, surroundings)
        # Only one that is called can be proven to be the process that it names.
        called = bot.source if isinstance(bot.source, HttpBot | FreqtradeBot) else None
        self._process = BotProcess(str(called.url)) if called else None
        self._polls: Counter[str] = Counter()
        self._succeeded_at: float | None = None
        self._warned: set[str] = set()

    async def run(self, delay: float, period: float) -> None:
        """Poll for ever, first after `delay` seconds; a poll longer than the period skips what it missed."""
        due = asyncio.get_running_loop().time() + delay
        while True:
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            await self.poll()
            late = max(0.0, asyncio.get_running_loop().time() - due)
            due += period * (1 + late // period)

    async def poll(self) -> None:
        """Read the bot once and publish what it said, or why it said nothing."""
        began = time.monotonic()
        self._input.start_poll()
        try:
            reading = await self.source.poll()
            # In a thread: a long history must not hold up the other bots.
            samples = await asyncio.to_thread(self._figures, reading)
        except SourceError as error:
            self._failed(error.reason, error.detail, began)
        except Exception as error:  # noqa: BLE001 - a defect met by one bot must not end the watch over it
            _log.exception("poll failed on a defect of the exporter", extra={"bot": self.name})
            self._failed("internal", f"{type(error).__name__}: {error}", began)
        else:
            self._succeeded(reading, samples, began)
        self._warn()

    def _figures(self, reading: Reading) -> list[Sample]:
        samples = self._watched.take(reading)
        if self._process is None or reading.pid is None:
            return samples
        return samples + self._process.samples(reading.pid)

    def _succeeded(self, reading: Reading, samples: list[Sample], began: float) -> None:
        if self.status.error and self.status.polled_at is not None:
            _log.info("bot answers again", extra={"bot": self.name})
        self._polls["ok"] += 1
        self._succeeded_at = self._clock()
        self.host = _host(reading)
        self.status = Status(self.name, reading.state or "unknown", "", self._succeeded_at)
        self._publish(samples, began, success=True)

    def _failed(self, reason: str, detail: str, began: float) -> None:
        if self.status.error != f"{reason}: {detail}":
            _log.warning("bot cannot be read: %s: %s", reason, detail, extra={"bot": self.name})
        self._polls[reason] += 1
        self.host = None
        self.status = Status(self.name, "unknown", f"{reason}: {detail}", self._clock())
        self._publish([sample("up", 0), sample("source_error", 1, reason=reason)], began, success=False)

    def _publish(self, samples: list[Sample], began: float, *, success: bool) -> None:
        part, beyond = render(samples, self._cap, self.name)
        self._input.over_cap.update(beyond)
        own, _ = render(self._own(time.monotonic() - began, success=success), self._cap, self.name)
        self.part = part | own

    def _own(self, duration: float, *, success: bool) -> list[Sample]:
        found = [
            sample("poll_duration_seconds", duration),
            sample("poll_success", float(success)),
            *(sample("polls_total", count, outcome=outcome) for outcome, count in self._polls.items()),
            *(
                sample("rejected_input_total", count, reason=reason)
                for reason, count in self._input.rejected.items()
            ),
            *(sample("pushes_total", count, kind=kind) for kind, count in self._input.pushes.items()),
            *(sample("over_cap", count, what=what) for what, count in self._input.over_cap.items()),
        ]
        if self._succeeded_at is not None:
            found.append(sample("last_success_timestamp_seconds", self._succeeded_at))
        return found

    def _warn(self) -> None:
        """Log each kind of refused or cut input when it begins, not at every poll."""
        told = {f"refused {reason}": example for reason, example in self._input.examples.items()}
        told |= {
            f"cut {what}": f"{count} of {what} are beyond collection.max_symbols ({self._cap}); not exported"
            for what, count in self._input.over_cap.items()
        }
        for kind in told.keys() - self._warned:
            _log.warning("%s: %s", kind, told[kind], extra={"bot": self.name})
        self._warned = set(told)


def _host(reading: Reading) -> tuple[str, Part] | None:
    if reading.host is None:
        return None
    usage = (("host_cpu_usage_ratio", reading.host.cpu), ("host_memory_usage_ratio", reading.host.memory))
    samples = [sample(name, value, host=reading.host.name) for name, value in usage if value is not None]
    return reading.host.name, render(samples, len(usage))[0]


class Fleet:
    """All watched bots and the host, polled while `run` runs."""

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
        self.bots = {
            name: BotPoller(
                name,
                bot,
                WatchedBot(bot, ZoneInfo(settings.timezone), settings.days_per_year, window),
                collection.max_symbols,
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
        self._host = ThisHost()
        self._host_part: Part = {}

    async def run(self) -> None:
        """Poll everything for ever, the bots spread over the period."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_host())
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
            self._host_part = render(samples, len(samples))[0]

    def metrics(self, collect: Sequence[str] = (), bots: Sequence[str] = ()) -> bytes:
        """Return the metrics of the named groups and bots, of all where none is named.

        Raises KeyError for a group or a bot that there is not.
        """
        groups = [group for name in collect or COLLECT for group in COLLECT[name]]
        chosen = [self.bots[name] for name in dict.fromkeys(bots)] if bots else list(self.bots.values())
        hosts = {bot.host[0]: bot.host[1] for bot in reversed(chosen) if bot.host is not None}
        own = () if bots else (self._host_part,)
        return page((*own, *hosts.values(), *(bot.part for bot in chosen)), groups)
