"""Calibrates the limits of the edge watch by a seeded bootstrap of the reference's trades."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import ceil, log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exporter.analytics.edge import (
    ALARMS,
    CONFIDENCES,
    FIGURES,
    QUANTILES,
    Alarm,
    Cone,
    Figure,
    Limit,
    Limits,
)

Floats = NDArray[np.float64]

# False alarms that a bot may have a year, at the reference's trade rate.
FALSE_A_YEAR: Final[dict[Alarm, float]] = {"fading": 1.0, "gone": 0.2}
# What is left of the expectancy in the case that an alarm looks for.
_LEFT: Final[dict[Alarm, float]] = {"fading": 0.5, "gone": 0.0}
_SEED: Final = 20
_PATH: Final = 1 << 18  # trades of a path on which CUSUMs are calibrated
_MOST_PATHS: Final = 32
_ALARMS: Final = 1000  # on these paths; a rarer alarm's limit is extrapolated
_ROOM: Final = 4  # times as often as is looked for is what the first path still says of the others
_MARGIN: Final = 0.95  # of the allowed rate: _ALARMS tell it within 3%
_CONES: Final = 2000  # paths of the cone
_PIECE: Final = 200  # trades of them at a time, which bounds the memory
_NUMBERS: Final = (
    1,
    2,
    3,
    5,
    8,
    12,
    18,
    27,
    40,
    60,
    90,
    135,
    200,
    300,
    450,
    675,
    1000,
    1500,
    2250,
    3400,
    5000,
)


@lru_cache(maxsize=128)
def calibrated(profits: tuple[float, ...], per_year: float) -> Limits:
    """Return the limits of a reference: profits of its trades as ratios, and trades a year.

    The mean of the profits must be above 0, and they must not be all the same.
    """
    values = np.array(profits)
    cusums: dict[tuple[Figure, Alarm], Limit] = {}
    for figure in FIGURES:
        of_trade, full = _figure(values, figure)
        if full is None:
            continue
        for alarm in ALARMS:
            # Halfway to the case that is looked for, as is best against it: G. V. Moustakides, "Optimal
            # Stopping Times for Detecting Changes in Distributions", Annals of Statistics 14 (1986). Both
            # figures share what an alarm may be wrong.
            expected, allowed = float(of_trade.mean()), (1.0 - _LEFT[alarm]) * full / 2
            rate = _MARGIN * FALSE_A_YEAR[alarm] / len(FIGURES) / per_year
            cusums[figure, alarm] = Limit(expected, allowed, limit_of(expected - allowed - of_trade, rate))
    return Limits(cusums, cone_of(values))


def _figure(profits: Floats, figure: Figure) -> tuple[Floats, float | None]:
    """Return a figure of each trade, and by how much its mean falls where the edge goes, None if it cannot.

    A win rate falls so far that trades as large as those of the reference make nothing.
    """
    if figure == "expectancy":
        return profits, float(profits.mean())
    won = profits > 0
    if won.all():
        return won.astype(float), None
    return won.astype(float), float(profits.mean() / (profits[won].mean() - profits[~won].mean()))


def limit_of(shortfalls: Floats, rate: float) -> float:
    """Return the limit that a CUSUM of shortfalls like these reaches so often a trade, or more rarely.

    Counted is a CUSUM that starts from 0 again at its limit. One whose alarm ends at half of it comes back a
    little more often; that both figures alarm for one cause makes up for it (benchmarks/edge.py). The limit
    of an alarm that is too rare for the paths is extrapolated: behind it, by Lundberg's exponent r with
    E[exp(r × shortfall)] = 1, alarms get rarer by exp(−r × limit) (W. Feller, "An Introduction to Probability
    Theory and Its Applications" II, 2nd ed. (1971), XII.5).
    """
    if shortfalls.max() <= 0:  # none of its trades falls short: what one falls short at most is too much
        return float(-shortfalls.mean())
    wanted = ceil(_ALARMS / (rate * _PATH))
    often = rate * max(1.0, wanted / _MOST_PATHS)
    paths = _Paths(shortfalls, often, min(wanted, _MOST_PATHS))
    return paths.limit(often) + log(often / rate) / _exponent(shortfalls)


class _Paths:
    """Long CUSUMs without a limit, cut where they are 0; kept is what is high enough to matter."""

    def __init__(self, shortfalls: Floats, often: float, count: int) -> None:
        dice = np.random.default_rng(_SEED)
        self._trades = 0
        self._kept = (np.empty(0), np.empty(0, int), np.empty(0, int))  # sum, time above 0, trades left of it
        self._add(dice.choice(shortfalls, _PATH), 0.0)
        floor = self.limit(_ROOM * often) if count > 1 else 0.0
        for _ in range(count - 1):
            self._add(dice.choice(shortfalls, _PATH), floor)

    def _add(self, shortfalls: Floats, floor: float) -> None:
        summed = np.cumsum(shortfalls)
        sums = summed - np.minimum(np.minimum.accumulate(summed), 0.0)
        ends = np.append(np.flatnonzero(sums == 0.0), len(sums))
        high = np.flatnonzero(sums >= floor)
        spans = np.searchsorted(ends, high)
        before, of, left = self._kept
        self._kept = (
            np.concatenate((before, sums[high])),
            np.concatenate((of, spans + self._trades)),
            np.concatenate((left, ends[spans] - high)),
        )
        self._trades += len(sums)

    def limit(self, rate: float) -> float:
        """Return the lowest limit that is reached so often a trade, or more rarely."""
        highest = float(self._kept[0].max())
        low, high = 0.0, highest
        while high - low > 1e-6 * highest:
            middle = (low + high) / 2
            low, high = (middle, high) if self._rate(middle) > rate else (low, middle)
        return high

    def _rate(self, limit: float) -> float:
        """Return the alarms a trade of a CUSUM that starts from 0 again at a limit.

        Of each time above 0 what follows the first alarm is left out: it would have been another path.
        """
        sums, spans, left = self._kept
        above = np.flatnonzero(sums >= limit)
        first = above[np.flatnonzero(np.diff(spans[above], prepend=-1))]
        return len(first) / (self._trades - float(left[first].sum()))


def _exponent(shortfalls: Floats) -> float:
    """Return Lundberg's exponent of shortfalls whose mean is below 0 and some of which are above."""

    def mean(exponent: float) -> float:
        with np.errstate(over="ignore"):
            return float(np.exp(exponent * shortfalls).mean())

    high = 1.0 / float(shortfalls.max())
    while mean(high) < 1.0:
        high *= 2
    low = 0.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if mean(middle) < 1.0 else (low, middle)
    return high


def cone_of(profits: Floats) -> Cone:
    """Return the quantiles of bootstrapped paths."""
    dice, expected = np.random.default_rng(_SEED), float(profits.mean())
    sums, highest, falls = np.zeros(_CONES), np.zeros(_CONES), np.zeros(_CONES)
    spread, deepest = list[tuple[float, ...]](), list[tuple[float, ...]]()
    for before, number in pairwise((0, *_NUMBERS)):
        for start in range(before, number, _PIECE):
            count = min(_PIECE, number - start)
            steps = sums[:, None] + np.cumsum(dice.choice(profits, (_CONES, count)), axis=1)
            highs = np.maximum(np.maximum.accumulate(steps, axis=1), highest[:, None])
            falls = np.maximum(falls, (highs - steps).max(axis=1))
            sums, highest = steps[:, -1], highs[:, -1]
        spread.append(_quantiles((sums - number * expected) / np.sqrt(number), QUANTILES))
        deepest.append(_quantiles(falls, CONFIDENCES))
    return Cone(expected, _NUMBERS, tuple(spread), tuple(deepest))


def _quantiles(values: Floats, shares: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(each) for each in np.quantile(values, shares))
