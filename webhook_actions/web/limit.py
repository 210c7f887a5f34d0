"""Limits how often one address may do something, and how often one thing is logged, in this process."""

import logging
import time
from collections.abc import Callable
from threading import Lock

_MINUTE = 60.0
_SECOND = 1.0
_ADDRESSES = 10_000  # remembered at most; those that waited longest are forgotten first


class RateLimit:
    """So many a minute for each address; a burst may use up the whole minute's."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = _MINUTE / per_minute  # seconds that one costs
        self._clock = clock
        self._paid: dict[str, float] = {}  # until when an address has used up its share
        self._lock = Lock()  # what checks tokens and passwords runs in threads

    def wait(self, address: str) -> float:
        """Return the seconds until the address may go on, 0 where it may now."""
        ahead = self._paid.get(address, 0.0) - self._clock()
        return max(ahead + self._pace - _MINUTE, 0.0)

    def take(self, address: str) -> float:
        """Count one where the address may go on; returns what `wait` does."""
        with self._lock:
            wait = self.wait(address)
            if not wait:
                now = self._clock()
                self._paid[address] = max(self._paid.pop(address, now), now) + self._pace
                if len(self._paid) > _ADDRESSES:
                    del self._paid[next(iter(self._paid))]
            return wait


class Occasionally:
    """Logs a warning once a second at the most; the next one says how many were left out."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._next = clock()
        self._left_out = 0

    def warning(self, message: str, **fields: object) -> None:
        """Log it, or count it."""
        if self._clock() < self._next:
            self._left_out += 1
            return
        self._log.warning(message, extra={**fields, "left_out": self._left_out})
        self._next, self._left_out = self._clock() + _SECOND, 0
