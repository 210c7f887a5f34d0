"""Limits how often one address may do something, in this process."""

import time
from collections.abc import Callable

_MINUTE = 60.0
_ADDRESSES = 10_000  # remembered at most; those that waited longest are forgotten first


class RateLimit:
    """So many a minute for each address; a burst may use up the whole minute's."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = _MINUTE / per_minute  # seconds that one costs
        self._clock = clock
        self._paid: dict[str, float] = {}  # until when an address has used up its share

    def wait(self, address: str) -> float:
        """Return the seconds until the address may go on, 0 where it may now."""
        ahead = self._paid.get(address, 0.0) - self._clock()
        return max(ahead + self._pace - _MINUTE, 0.0)

    def take(self, address: str) -> float:
        """Count one where the address may go on; returns what `wait` does."""
        wait = self.wait(address)
        if not wait:
            now = self._clock()
            self._paid[address] = max(self._paid.pop(address, now), now) + self._pace
            if len(self._paid) > _ADDRESSES:
                del self._paid[next(iter(self._paid))]
        return wait
