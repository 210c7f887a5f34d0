"""What shows the outage of an exchange that Freqtrade's API hides: failing calls in the log, frozen rates."""

from collections.abc import Iterable, Mapping
from typing import Final

from exporter.sources.freqtrade.answers import LogRecord

_PASS: Final = 5.0  # seconds: Freqtrade's own default of internals.process_throttle_secs
_FAILED: Final = frozenset({"WARNING", "ERROR", "CRITICAL"})
_EXCHANGE: Final = "freqtrade.exchange"


class FailingCalls:
    """The share of the trading loop's passes that logged a failed call to the exchange.

    Passes rather than lines: one lost call writes one to six lines, an outage a thousand in 40 s, and a
    healthy loop few or none, so a share of lines would page for a hiccup. Lines that the bot's buffer of
    1000 has dropped meanwhile stay counted.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._failed: set[int] = set()

    def ratio(self, records: Iterable[LogRecord | None], now: float) -> float:
        """Return the share over the window, 0 to 1."""
        self._failed |= {
            int(record[1] / 1000 // _PASS)
            for record in records
            if record is not None and record[3] in _FAILED and record[2].startswith(_EXCHANGE)
        }
        first, last = int((now - self._window) // _PASS) + 1, int(now // _PASS)
        self._failed = {each for each in self._failed if each >= first}
        return sum(each <= last for each in self._failed) / (last - first + 1 or 1)


class FrozenRates:
    """How long no open position's rate has moved; in an outage all of them stand still."""

    def __init__(self) -> None:
        self._rates: dict[str, float | None] = {}
        self._moved_at = 0.0

    def age(self, rates: Mapping[str, float | None], now: float) -> float | None:
        """Return the seconds since a rate last moved, None without an open position.

        A rate that becomes unknown has not moved: Freqtrade answers null after five minutes of an outage.
        """
        moved = any(
            rate is not None and rate != self._rates.get(pair) for pair, rate in rates.items()
        ) or not (self._rates.keys() & rates.keys())
        if moved:
            self._moved_at = now
        kept = {pair: self._rates.get(pair) for pair in rates}
        self._rates = kept | {pair: rate for pair, rate in rates.items() if rate is not None}
        return max(0.0, now - self._moved_at) if rates else None
