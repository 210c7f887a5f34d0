"""Rates of a bot's own calls to its exchange, from counters that restart with the bot."""

from collections import deque
from dataclasses import dataclass

from exporter.reading import ApiCalls


@dataclass(frozen=True)
class CallRates:
    """`error_rate` is a ratio of all calls, None if there were none."""

    error_rate: float | None
    per_minute: float


class CallWindow:
    """The increase of the counters over a sliding window in seconds."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._seen: deque[tuple[float, int, int]] = deque()  # time, and sums that never fall
        self._last: ApiCalls | None = None

    def add(self, calls: ApiCalls, now: float) -> CallRates | None:
        """Take a poll's counters and return the rates since the oldest poll in the window.

        None at the first poll: counters since an unknown start say nothing about now.
        """
        ok, error = (self._seen[-1][1], self._seen[-1][2]) if self._seen else (0, 0)
        if self._last is not None:
            ok += _increase(self._last.ok, calls.ok)
            error += _increase(self._last.error, calls.error)
        self._last = calls
        if self._seen and now <= self._seen[-1][0]:
            self._seen.clear()  # the clock went back
        self._seen.append((now, ok, error))
        while len(self._seen) > 2 and self._seen[1][0] <= now - self._window:
            self._seen.popleft()
        start, first_ok, first_error = self._seen[0]
        if now <= start:
            return None
        made = ok - first_ok + error - first_error
        return CallRates((error - first_error) / made if made else None, made * 60 / (now - start))


def _increase(before: int, now: int) -> int:
    """Return the increase of a counter; a counter that fell has restarted from 0."""
    return now - before if now >= before else now
