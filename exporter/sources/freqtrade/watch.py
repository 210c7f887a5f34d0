"""Detects an exchange's outage, which Freqtrade's API hides, by failed calls in the log and frozen rates."""

from collections.abc import Mapping
from typing import Final

from clients.freqtrade import PASS, Logs

_RECENT: Final = 12  # passes: a call to an exchange that hangs takes long to fail


class FailingCalls:
    """The share of the trading loop's passes that logged a failed call to the exchange.

    A healthy loop writes few lines or none, so a share of lines would page for a single failure. Lines that
    the bot's buffer of 1000 lines dropped meanwhile stay counted. All times are by the bot's own clock.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._failed: set[int] = set()

    def ratio(self, logs: Logs, now: float) -> float:
        """Return the share over the window, 0 to 1."""
        self._failed |= logs.failed_passes()
        first, last = int((now - self._window) // PASS) + 1, int(now // PASS)
        self._failed = {each for each in self._failed if each >= first}
        return sum(each <= last for each in self._failed) / (last - first + 1 or 1)

    def recent(self, now: float) -> bool:
        """Return whether a call failed just now, from the records of the last call of `ratio`."""
        return any(int(now // PASS) - each < _RECENT for each in self._failed)


class FrozenRates:
    """The age of the rates of open positions; in an outage all of them stand still."""

    def __init__(self) -> None:
        self._rates: dict[str, float | None] = {}
        self._moved_at = 0.0

    def age(self, rates: Mapping[str, float | None], now: float, *, healthy: bool) -> float | None:
        """Return the seconds since a rate last moved, None without an open position.

        A market may stand still, so while every call is `healthy`, a reported rate counts as new. A rate that
        becomes unknown does not: Freqtrade answers null after five minutes of an outage.
        """
        told = healthy and all(rate is not None for rate in rates.values())
        moved = any(
            rate is not None and rate != self._rates.get(pair) for pair, rate in rates.items()
        ) or not (self._rates.keys() & rates.keys())
        if told or moved:
            self._moved_at = now
        kept = {pair: self._rates.get(pair) for pair in rates}
        self._rates = kept | {pair: rate for pair, rate in rates.items() if rate is not None}
        return max(0.0, now - self._moved_at) if rates else None
