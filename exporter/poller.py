"""Polls each bot on its own schedule, so that a hanging or failing bot never delays or hides another."""

import asyncio
import logging
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from exporter.bot import WatchedBot
from exporter.catalogue import Sample, sample
from exporter.exposition import Board, Lines, Owner, Part
from exporter.guard import BotGuard
from exporter.health import Latency, Vitals, vitals
from exporter.limits.figures import Figures
from exporter.limits.watch import LimitWatch
from exporter.periodic import paced
from exporter.process import usage_of
from exporter.reading import Reading
from exporter.sources import SourceContext, SourceError, connect
from exporter.sources.push import PushSource
from exporter.system import is_here
from exporter.witness.watch import WitnessWatch
from stack.settings import Bot, FileBot, FreqtradeBot, HttpBot

_log = logging.getLogger(__name__)
# A pool of its own: a hanging Docker engine delays no other work.
_ENGINES = ThreadPoolExecutor(max_workers=4, thread_name_prefix="docker")


@dataclass(frozen=True)
class Status:
    """The result of the last poll: `error` is '' while the bot answers, `warning` names unseen losses."""

    state: str
    error: str
    polled_at: float | None
    warning: str = ""


class BotPoller:
    """One bot: polls it and puts its rendered metrics on the board, from which a scrape takes them."""

    def __init__(
        self,
        name: str,
        bot: Bot,
        watched: WatchedBot,
        board: Board,
        surroundings: SourceContext,
        limits: LimitWatch,
        witness: WitnessWatch,
        guard_period: float | None = None,
    ) -> None:
        """`guard_period` is the seconds between two checks of its money; without it the guard publishes
        nothing.
        """
        self.name = name
        self.host: tuple[str, Part] | None = None
        self.status = Status("unknown", "not polled yet", None)
        self.vitals: Vitals | None = None
        self.place = bot.source.place
        self._board = board
        self._limits, self._witness = limits, witness
        self._cap = surroundings.input.cap
        self._lines, self._own_lines = Lines(self._cap, name), Lines(self._cap, name)
        self._watched = watched
        self.past = watched.past
        self._input = surroundings.input
        self._clock = surroundings.clock
        self.source = connect(bot, surroundings)
        self.source_type = bot.source.type
        self._timeout = surroundings.timeout
        self._usage = usage_of(name, bot, self._timeout)
        self._executor = _ENGINES if bot.process and bot.process.container else None
        self._here = _runs_here(bot)
        self._latency = Latency(surroundings.window)
        self._polls: Counter[str] = Counter()
        self._succeeded_at: float | None = None
        self._warned: set[str] = set()
        self._turn = asyncio.Lock()
        self._computing = asyncio.Lock()  # locks the bot's state, which a poll changes in a thread
        self.guard = BotGuard(name, self.source, watched, limits, board, self._computing, self._clock)
        self._guard_period, self._looks = guard_period, bot.guard

    async def run(self, delay: float, period: float) -> None:
        """Poll for ever, first after `delay` seconds; a poll longer than the period skips the missed ones."""
        async with asyncio.TaskGroup() as both:
            both.create_task(paced(self._poll_in_turn, delay, period))
            if self._guard_period is None:
                self.guard.withdraw()
            elif self._looks:
                share = delay / period
                both.create_task(paced(self.guard.look, share * self._guard_period, self._guard_period))

    async def _poll_in_turn(self) -> None:
        async with self._turn:
            await self.poll()

    async def stop(self, running: asyncio.Task[None]) -> None:
        """End `run` between two polls, because the thread of a running poll would continue unseen."""
        async with self._turn:
            running.cancel()
        if isinstance(self.source, PushSource):
            await self.source.close()

    async def poll(self) -> None:
        """Read the bot once and publish its figures, or the reason why there are none."""
        began = time.monotonic()
        self._input.start_poll()
        try:
            reading = await self.source.poll()
            usage = await self._use(reading.pid)
            # In a thread: a long history must not hold up the other bots.
            async with self._computing:
                samples, figures = await asyncio.to_thread(self._figures, reading, usage)
            self._witness.told(self.name, reading, figures)
            await self._limits.told(self.name, figures)
        except SourceError as error:
            if error.known is not None:
                async with self._computing:
                    await asyncio.to_thread(self._watched.learn, error.known)
            self._failed(error.reason, error.detail, began)
            self._witness.told(self.name, None, None)
            await self._limits.told(self.name, None)
        except Exception as error:  # noqa: BLE001 - a defect met by one bot must not end the watch over it
            _log.exception("poll failed on a defect of the exporter", extra={"bot": self.name})
            self._failed("internal", f"{type(error).__name__}: {error}", began)
            self._witness.told(self.name, None, None)
            await self._limits.told(self.name, None)
        else:
            self._succeeded(reading, samples, began)
        self._warn()

    async def _use(self, pid: int | None) -> list[Sample]:
        looking = asyncio.get_running_loop().run_in_executor(self._executor, self._usage.samples, pid)
        try:
            async with asyncio.timeout(self._timeout):  # before Python 3.12 wait_for swallows a cancellation
                return await looking
        except TimeoutError:
            return []

    def _figures(self, reading: Reading, usage: list[Sample]) -> tuple[list[Sample], Figures]:
        samples = self._watched.take(reading, self._input) + usage
        here = self._here or bool(usage)
        now = self._clock()
        self.vitals = vitals(samples, now, reading.time, self._latency, here=here)
        return samples, self._watched.figures(reading, now, self._limits.clocks(self.name))

    def _succeeded(self, reading: Reading, samples: list[Sample], began: float) -> None:
        if self.status.error and self.status.polled_at is not None:
            _log.info("bot answers again", extra={"bot": self.name})
        self._polls["ok"] += 1
        self._succeeded_at = self._clock()
        self.host = _host(reading)
        self.status = Status(reading.state or "unknown", "", self._succeeded_at, self._watched.blind(samples))
        self._publish(samples, began, success=True)
        if self._guard_period is not None:
            self.guard.seen(reading)

    def _failed(self, reason: str, detail: str, began: float) -> None:
        if self.status.error != f"{reason}: {detail}":
            _log.warning("bot cannot be read: %s: %s", reason, detail, extra={"bot": self.name})
        self._polls[reason] += 1
        self.host = None
        self.vitals = Vitals(self._clock(), up=False)
        self.status = Status("unknown", f"{reason}: {detail}", self._clock())
        down = [sample("up", 0), sample("source_error", 1, reason=reason)]
        self._publish([*down, *self._watched.edge()], began, success=False)
        if self._guard_period is not None:
            self.guard.lost()

    def _publish(self, samples: list[Sample], began: float, *, success: bool) -> None:
        part, beyond = self._lines.render(samples)
        self._input.over_cap.update(beyond)
        own, _ = self._own_lines.render(self._own(time.monotonic() - began, success=success))
        self._board.publish(Owner(self.name, "source"), part | own)

    def _own(self, duration: float, *, success: bool) -> list[Sample]:
        source = self.source_type
        found = [
            sample("poll_duration_seconds", duration, source=source),
            sample("poll_success", float(success), source=source),
            *(sample("polls_total", n, source=source, outcome=outcome) for outcome, n in self._polls.items()),
            *(
                sample("rejected_input_total", count, reason=reason)
                for reason, count in self._input.rejected.items()
            ),
            *(sample("pushes_total", count, kind=kind) for kind, count in self._input.pushes.items()),
            *(sample("over_cap", count, what=what) for what, count in self._input.over_cap.items()),
        ]
        if self._succeeded_at is not None:
            found.append(sample("last_success_timestamp_seconds", self._succeeded_at, source=source))
        return found

    def _warn(self) -> None:
        """Log each kind of refused or dropped input when it begins, not at every poll."""
        told = {f"refused {reason}": example for reason, example in self._input.examples.items()}
        told |= {
            f"cut {what}": f"{count} of {what} are beyond collection.max_symbols ({self._cap}); not exported"
            for what, count in self._input.over_cap.items()
        }
        if self.status.warning:
            told["blind"] = self.status.warning
        for kind in told.keys() - self._warned:
            _log.warning("%s: %s", kind, told[kind], extra={"bot": self.name})
        self._warned = set(told)


def _host(reading: Reading) -> tuple[str, Part] | None:
    if reading.host is None:
        return None
    usage = (("host_cpu_usage_ratio", reading.host.cpu), ("host_memory_usage_ratio", reading.host.memory))
    samples = [sample(name, value, host=reading.host.name) for name, value in usage if value is not None]
    return reading.host.name, Lines(len(usage)).render(samples)[0]


def _runs_here(bot: Bot) -> bool:
    """Return whether the source shows that a bot runs on this host."""
    if isinstance(bot.source, HttpBot | FreqtradeBot):
        return is_here(bot.source.url.host or "")
    return isinstance(bot.source, FileBot)
