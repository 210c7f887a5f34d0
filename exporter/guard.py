"""Checks one bot's money every few seconds, between its polls, for the money alerts."""

import asyncio
import logging
from collections.abc import Callable

from exporter.bot import WatchedBot
from exporter.catalogue import sample
from exporter.exposition import Board, Lines, Owner, Part
from exporter.limits.watch import LimitWatch
from exporter.reading import Reading
from exporter.sources import Source, SourceError

_log = logging.getLogger(__name__)
_TOO_MANY = 429
_LIMITS = 1000  # series of a metric: limits are few, because people write them
REST = 60.0  # seconds for which only polls ask a bot that answered "too many requests"


class BotGuard:
    """One bot's metrics of the group guard; while the bot does not answer, its last ones."""

    def __init__(
        self,
        name: str,
        source: Source,
        watched: WatchedBot,
        limits: LimitWatch,
        board: Board,
        computing: asyncio.Lock,
        clock: Callable[[], float],
    ) -> None:
        """`computing` is locked while the bot's state changes."""
        self._name, self._owner = name, Owner(name, "guard")
        self._source, self._watched, self._limits = source, watched, limits
        self._board, self._clock = board, clock
        self._computing = computing
        self._lines, self._up = Lines(_LIMITS, name), Lines(1, name)
        self._last: Part = {}
        self._rests_until = float("-inf")

    async def look(self) -> None:
        """Check once, from the first poll that the bot answered on."""
        if not self._last or self._clock() < self._rests_until:
            return
        try:
            reading = await self._source.glance()
        except SourceError as error:
            if error.status == _TOO_MANY:
                self._rests_until = self._clock() + REST
                _log.warning("asked too often; only polls for %g s", REST, extra={"bot": self._name})
            else:
                self.lost()
        except Exception:  # noqa: BLE001 - a defect met by one bot must not end the watch over it
            _log.exception("a check failed because of a defect in the exporter", extra={"bot": self._name})
            self.lost()
        else:
            if reading is not None:
                async with self._computing:
                    self.seen(reading)

    def seen(self, reading: Reading) -> None:
        """Publish the figures of a check or a poll."""
        now = self._clock()
        samples = [
            sample("guard_known_timestamp_seconds", now),
            *self._watched.glance(reading),
            *self._limits.glance(self._name, self._watched.made(reading, now)),
        ]
        self._last = self._lines.render(samples)[0]
        self._publish(up=True)

    def lost(self) -> None:
        """Publish that the bot does not answer, with its last figures."""
        self._publish(up=False)

    def _publish(self, *, up: bool) -> None:
        answers, _ = self._up.render([sample("guard_up", float(up))])
        self._board.publish(self._owner, {**self._last, **answers})

    def withdraw(self) -> None:
        """Publish nothing more, because this exporter no longer watches the bot."""
        self._board.publish(self._owner, {})
