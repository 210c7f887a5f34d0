"""Watches the logs of all bots: reads new lines, counts, saves, and only then publishes."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from exporter.catalogue import Sample, sample
from exporter.exposition import Board, Lines, Owner
from exporter.logs.content import UNREADABLE, count_lines
from exporter.logs.counters import LogCounters
from exporter.logs.extraction import Reading, user_rows, visited
from exporter.logs.patterns import Table
from exporter.logs.scanner import Scanner
from exporter.logs.state import Followed, load, save
from exporter.sources.journal import folder
from stack.settings import Settings

_log = logging.getLogger(__name__)
_TURN: Final = 64 << 20  # bytes of one log before the next one has its turn


class BotLogs:
    """The logs of one bot and their counts."""

    def __init__(
        self,
        bot: str,
        paths: tuple[Path, ...],
        scanner: Scanner,
        reading: Reading,
        tally: LogCounters,
        file: Path,
    ) -> None:
        """Restore the saved positions and counts. Raises OSError."""
        self._bot = bot
        self._scanner = scanner
        self._reading = reading
        self._tally = tally
        self._file = file
        self._logs = load(file, tally, paths)
        self._failing: dict[Path, str] = {}
        self._errors: Counter[str] = Counter()
        self._caught_up = file.exists()

    def poll(self) -> list[Sample]:
        """Read new lines of each log, a turn at most, and return the counts once they are durable.

        A new log is read to its end first, so that its old lines are not a burst.
        """
        before = self._tally.lines
        ended = [self._read(path, each) for path, each in self._logs.items()]
        self._caught_up |= all(ended)
        if self._tally.lines != before:
            try:
                save(self._file, self._tally, self._logs)
            except OSError as error:
                self._fail(self._file, error)
            else:
                self._failing.pop(self._file, None)
        return (self._tally.samples() if self._caught_up else []) + self._own()

    def _read(self, path: Path, each: Followed) -> bool:
        """Count new events in a log; return whether its end was reached."""
        size = 0
        try:
            for block in each.follower.blocks(_TURN):
                size += len(block)
                self._tally.lines += count_lines(block)
                self._tally.add(self._scanner.scan(block, each.context, self._reading.visit))
        except UNREADABLE as error:
            self._fail(path, error)
            return True
        if self._failing.pop(path, None):
            _log.info("%s is read again", path, extra={"bot": self._bot})
        return size < _TURN

    def _fail(self, path: Path, error: Exception) -> None:
        """Count a failure and log it, once until it changes."""
        reason = type(error).__name__
        if self._failing.get(path) != reason:
            self._errors[reason] += 1
            _log.warning(
                "%s cannot be used: %s; create it, or let the exporter's user do so",
                path,
                error,
                extra={"bot": self._bot},
            )
        self._failing[path] = reason

    def _own(self) -> list[Sample]:
        followers = [each.follower for each in self._logs.values()]
        return [
            sample("log_unread_bytes", sum(each.unread() for each in followers)),
            sample("log_places_lost_total", sum(each.lost for each in followers)),
            *(sample("log_errors_total", count, reason=reason) for reason, count in self._errors.items()),
        ]


class LogWatch:
    """The logs of all bots that have any, published to a board while `run` runs."""

    def __init__(
        self, settings: Settings, data: Path, board: Board, clock: Callable[[], float] = time.time
    ) -> None:
        self._period = settings.collection.poll_interval
        self._board = board
        table = Table(user_rows(settings.logs.patterns))
        scanner = Scanner(table, visited(table))
        self._bots: dict[str, BotLogs] = {}
        self._lines: dict[str, Lines] = {}
        # The demo bot's directory lies beside this one, in --data.
        followed = settings.bot_logs(data.parent) if settings.collection.logs.enabled else {}
        for bot, paths in followed.items():
            tally = LogCounters(table, settings.logs.max_label_values, settings.logs.top_messages)
            file = data / "bots" / folder(bot) / "logs.json"
            self._bots[bot] = BotLogs(bot, paths, scanner, Reading(table, tally, clock), tally, file)
            self._lines[bot] = Lines(settings.collection.max_symbols, bot)
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Read for ever, in a thread: a busy log must not delay the polls of bots."""
        while True:
            async with self._turn:
                await asyncio.to_thread(self.poll)
            await asyncio.sleep(self._period)

    async def stop(self, running: asyncio.Task[None]) -> None:
        """End `run` between two reads; the next start continues from there."""
        async with self._turn:
            running.cancel()

    def withdraw(self) -> None:
        """Withdraw everything that was published."""
        for bot in self._bots:
            self._board.publish(Owner(bot, "logs"), {})

    def poll(self) -> None:
        """Read and publish new events. A defect in one bot's logs does not end the watch over others."""
        for bot, logs in self._bots.items():
            try:
                samples = logs.poll()
            except Exception:  # noqa: BLE001 - said above
                _log.exception("logs cannot be read, on a defect of the exporter", extra={"bot": bot})
                continue
            self._board.publish(Owner(bot, "logs"), self._lines[bot].render(samples)[0])
