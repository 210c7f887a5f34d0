"""How well a bot's orders were filled: slippage of entries and exits, its cost, and fees."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, inf
from statistics import fmean
from typing import Final, Literal

from clients.trading import Trade

BASIS_POINTS: Final = 10_000.0  # of a ratio
_P95: Final = 95  # percent


@dataclass(frozen=True)
class Fills:
    """Slippage of the fills of one leg in one span, in basis points; positive is worse for the bot."""

    leg: Literal["entry", "exit"]
    span: Literal["recent", "before"]
    count: int
    mean: float
    p95: float


class Execution:
    """Takes trades in any order. A trade without requested prices has unknown slippage, not 0."""

    def __init__(self, recent: float, before: float) -> None:
        """Both spans are in seconds: the recent fills, and those before them."""
        self._recent, self._before = recent, before
        self._legs: tuple[_Leg, _Leg] = (_Leg("entry"), _Leg("exit"))
        self._costs: dict[str, dict[int, float]] = {"slippage_cost": {}, "fees_paid": {}}

    def add(self, trade: Trade, day: int) -> None:
        """Add a trade that closed on a day; both its fills count on that day."""
        slipped = trade.slippage
        for leg, ratio in zip(self._legs, (slipped.entry, slipped.exit), strict=True):
            if ratio is not None:
                leg.add(trade.closed_at, BASIS_POINTS * ratio)
        for name, money in (("slippage_cost", slipped.cost), ("fees_paid", trade.fees)):
            if money is not None:
                days = self._costs[name]
                days[day] = days.get(day, 0.0) + money

    def fills(self, now: float) -> Iterator[Fills]:
        """Yield the figures of both legs and spans that have fills."""
        edge = now - self._recent
        for leg in self._legs:
            for found in (leg.between("recent", edge, now), leg.between("before", edge - self._before, edge)):
                if found is not None:
                    yield found

    def steady_until(self, now: float) -> float:
        """Return the unix time until which no figure of a span changes, if no trade comes."""
        ages = (0.0, self._recent, self._recent + self._before)
        return min(leg.next_after(now - age) + age for leg in self._legs for age in ages)

    def costs(self, windows: Mapping[str, range]) -> dict[str, dict[str, float]]:
        """Return the money of each kind by window of days, and in all; no key for a kind that no trade
        reports.
        """
        return {
            name: {window: fsum(days.get(day, 0.0) for day in of) for window, of in windows.items()}
            | {"total": fsum(days.values())}
            for name, days in self._costs.items()
            if days
        }


class _Leg:
    """The fills of one leg by time; a span's figures are cached until a fill enters or leaves it."""

    def __init__(self, name: Literal["entry", "exit"]) -> None:
        self._name = name
        self._times, self._points = array("d"), array("d")  # in basis points
        self._known: dict[str, tuple[tuple[int, int, int], Fills | None]] = {}

    def add(self, time: float, points: float) -> None:
        place = bisect_right(self._times, time)
        self._times.insert(place, time)
        self._points.insert(place, points)

    def next_after(self, moment: float) -> float:
        """Return the unix time of the first fill after a moment, infinity without one."""
        place = bisect_right(self._times, moment)
        return self._times[place] if place < len(self._times) else inf

    def between(self, span: Literal["recent", "before"], start: float, end: float) -> Fills | None:
        """Return the figures of the fills after `start` and until `end`, None without fills."""
        first, stop = bisect_right(self._times, start), bisect_right(self._times, end)
        place = (len(self._times), first, stop)
        kept = self._known.get(span)
        if kept is None or kept[0] != place:
            points = self._points[first:stop]
            found = Fills(self._name, span, len(points), fmean(points), _quantile(points)) if points else None
            kept = self._known[span] = (place, found)
        return kept[1]


def _quantile(points: Sequence[float]) -> float:
    """Return the 95th percentile, linear between order statistics (Hyndman and Fan, 1996, type 7)."""
    ordered = sorted(points)
    place, rest = divmod((len(ordered) - 1) * _P95, 100)
    low, high = ordered[place], ordered[min(place + 1, len(ordered) - 1)]
    return low + (high - low) * rest / 100
