"""Keeps the differences of an account between checks: a difference counts after a time to settle; pure."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Final

from clients.books import Books
from exporter.witness.compare import Difference, Tolerance, compare, second_bot

_Key = tuple[str, str, str, bool]
_DAY: Final = 86_400.0
_STEP: Final = 600.0  # seconds between two stored gaps


class Witness:
    """The results of an account's checks. `settle` is the longest time, in seconds, that fills are in flight.

    A difference counts when it is still there `settle` seconds after it was first seen, by newer reports of
    both sides.
    """

    def __init__(self, tolerance: Tolerance, settle: float) -> None:
        self._tolerance, self._settle = tolerance, settle
        self._first: dict[_Key, tuple[float, Difference]] = {}
        self._settled: dict[_Key, Difference] = {}
        self._gaps: list[tuple[float, float]] = []  # unix time, and the exchange's money less the bots'
        self.compared_at: float | None = None

    def look(self, venue: Books | None, bots: Books | None) -> None:
        """Take both sides' books; while one is unknown, no difference is confirmed or dropped."""
        if venue is None or bots is None:
            self._first = {key: each for key, each in self._first.items() if key in self._settled}
            return
        told, until = self._with_gap(venue, bots), min(venue.at, bots.at) - self._settle
        found = {each.key: each for each in compare(venue, told, inf, self._tolerance)}
        self._first = {key: self._since(key, each, venue.at) for key, each in found.items()}
        due = {key for key, (at, _) in self._first.items() if at <= until} | self._settled.keys()
        # A difference that a recent fill explains is suspected, but not reported: the bots may not know the
        # fill.
        sure = compare(venue, told, until, self._tolerance) if due & found.keys() else ()
        self._settled = {each.key: each for each in sure if each.key in due}
        self.compared_at = venue.at

    @property
    def differences(self) -> Sequence[Difference]:
        """What differs, settled."""
        found = tuple(self._settled.values())
        return (*found, *second_bot(found))

    @property
    def settles_at(self) -> float | None:
        """The time at which the suspected differences count, if they are still there; None without one."""
        waiting = [at for key, (at, _) in self._first.items() if key not in self._settled]
        return max(waiting) + self._settle if waiting else None

    def _since(self, key: _Key, found: Difference, now: float) -> tuple[float, Difference]:
        before = self._first.get(key)
        return before if before and found.is_still(before[1]) else (now, found)

    def _with_gap(self, venue: Books, bots: Books) -> Books:
        """Return the bots' books with the account's other holdings of a day ago."""
        if venue.money is None or bots.money is None:
            return bots
        gap = venue.money - bots.money
        self._gaps = [each for each in self._gaps if each[0] > venue.at - _DAY]
        if not self._gaps or venue.at - self._gaps[-1][0] >= _STEP:
            self._gaps.append((venue.at, gap))
        return replace(bots, money=bots.money + self._gaps[0][1])
