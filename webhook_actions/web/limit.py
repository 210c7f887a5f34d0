"""Limits the requests of one address, and the repetitions of one log message, in this process."""

import logging
import time
from collections.abc import Callable
from threading import Lock

_MINUTE = 60.0
_SECOND = 1.0
_MESSAGES = 1_000  # remembered
_ADDRESSES = 10_000  # remembered; those that waited longest are forgotten first


class RateLimit:
    """A number of requests a minute for each address; a burst may use up the whole minute's number."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = _MINUTE / per_minute  # seconds for one request
        self._clock = clock
        self._paid: dict[str, float] = {}  # until this time the address has used up its number
        self._lock = Lock()  # tokens and passwords are checked in threads

    def wait(self, address: str) -> float:
        """Return the seconds until the address may go on; 0 means now."""
        ahead = self._paid.get(address, 0.0) - self._clock()
        return max(ahead + self._pace - _MINUTE, 0.0)

    def take(self, address: str) -> float:
        """Count a request if the address may go on; return the same as `wait`."""
        with self._lock:
            wait = self.wait(address)
            if not wait:
                now = self._clock()
                self._paid[address] = max(self._paid.pop(address, now), now) + self._pace
                if len(self._paid) > _ADDRESSES:
                    del self._paid[next(iter(self._paid))]
            return wait


class TooManyFailures(Exception):
    """Too many tokens or passwords of an address were wrong."""

    def __init__(self, wait: float) -> None:
        """The address may try again in `wait` seconds."""
        super().__init__(f"too many failures; try again in {int(wait) + 1} s")
        self.retry_after = str(int(wait) + 1)


class OnceASecond(logging.Filter):
    """Lets each message of a logger pass once a second; the next one says how many were `left_out`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[
            str, tuple[float, int]
        ] = {}  # the time at which the message may pass again, and the number left out

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record passes."""
        now = self._clock()
        again, left_out = self._said.get(record.msg, (now, 0))
        passes = now >= again
        if len(self._said) > _MESSAGES:  # some messages of asyncio contain an object's address
            self._said.clear()
        self._said[record.msg] = (now + _SECOND, 0) if passes else (again, left_out + 1)
        record.left_out = left_out
        return passes
