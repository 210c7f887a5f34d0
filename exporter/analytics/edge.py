"""Whether a bot's live trades still have the edge of their reference: each new trade costs the same.

Profits are ratios of the stake, so that neither money nor currency matters, and sums do not compound.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal

from clients.backtest import TradeResult

Figure = Literal["expectancy", "win_rate"]
Alarm = Literal["fading", "gone"]
FIGURES: Final[tuple[Figure, ...]] = ("expectancy", "win_rate")
ALARMS: Final[tuple[Alarm, ...]] = ("fading", "gone")
QUANTILES: Final = (0.01, 0.05, 0.5, 0.95, 0.99)
CONFIDENCES: Final = (0.95, 0.99)
OVER: Final = 0.5  # of a limit: where its alarm ends


@dataclass(frozen=True)
class Limit:
    """One CUSUM: what a trade is expected to make, what is allowed below it, and where it alarms."""

    expected: float
    allowed: float
    limit: float


@dataclass(frozen=True)
class Cone:
    """Quantiles of the bootstrapped paths at some numbers of trades.

    `spread` holds the quantiles of (sum of profits − n × mean) / √n, `falls` those of the deepest fall of
    the sum. Between two numbers of trades both are linear in √n; behind the last the spread, which tends to
    the normal distribution's, stays, and so does the fall, which hardly grows any more.
    """

    mean: float
    numbers: tuple[int, ...]
    spread: tuple[tuple[float, ...], ...]  # by number, then by quantile
    falls: tuple[tuple[float, ...], ...]  # by number, then by confidence

    def profits(self, number: int) -> tuple[float, ...]:
        """Return the quantiles of the sum of the profits of so many trades, from 1."""
        root = sqrt(number)
        return tuple(number * self.mean + root * each for each in self._between(self.spread, number))

    def drawdowns(self, number: int) -> tuple[float, ...]:
        """Return the quantiles of the deepest fall within so many trades, from 1."""
        return self._between(self.falls, number)

    def _between(self, rows: tuple[tuple[float, ...], ...], number: int) -> tuple[float, ...]:
        place = bisect_right(self.numbers, number) - 1
        if place + 1 >= len(rows):
            return rows[-1]
        low, high = sqrt(self.numbers[place]), sqrt(self.numbers[place + 1])
        share = (sqrt(number) - low) / (high - low)
        return tuple(a + share * (b - a) for a, b in zip(rows[place], rows[place + 1], strict=True))


@dataclass(frozen=True)
class Limits:
    """What a reference allows; no limit for a figure that cannot fall."""

    cusums: dict[tuple[Figure, Alarm], Limit]
    cone: Cone


class Cusum:
    """A one-sided cumulative sum of shortfalls: E. S. Page, "Continuous Inspection Schemes" (1954).

    It counts no further than its limit, so that good trades bring it down again, and alarms from there until
    it is back at half of it: figures around a limit are one alarm, not many.
    """

    def __init__(self, limit: Limit) -> None:
        self._step = limit.expected - limit.allowed
        self._limit = limit.limit
        self._sum = 0.0
        self.alarms = False

    @property
    def used(self) -> float:
        """The share of the limit that is used up, 0 to 1."""
        return self._sum / self._limit

    def add(self, value: float) -> None:
        """Take the next trade's figure."""
        self._sum = min(self._limit, max(0.0, self._sum + self._step - value))
        if self._sum >= self._limit:
            self.alarms = True
        elif self.used <= OVER:
            self.alarms = False


class Mean:
    """The mean of what is known."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0.0

    @property
    def value(self) -> float | None:
        """The mean, None without a value."""
        return self._sum / self.count if self.count else None

    def add(self, value: float | None) -> None:
        """Take a value, or none."""
        if value is not None:
            self.count += 1
            self._sum += value


class LiveTrades:
    """The live trades so far, given in the order of closing, against the limits of their reference."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._cusums = {key: Cusum(limit) for key, limit in limits.cusums.items()}
        self._won = Mean()
        self.equity = self.drawdown = self._highest = 0.0
        self._first = self.last_closed_at = float("-inf")
        self.fees, self.slippage, self.holding = Mean(), Mean(), Mean()

    def add(self, trade: TradeResult) -> None:
        """Take the next trade."""
        if not self.trades:
            self._first = trade.closed_at
        self.last_closed_at = trade.closed_at
        won = float(trade.profit > 0)
        for (figure, _), cusum in self._cusums.items():
            cusum.add(trade.profit if figure == "expectancy" else won)
        self._won.add(won)
        self.equity += trade.profit
        self._highest = max(self._highest, self.equity)
        self.drawdown = max(self.drawdown, self._highest - self.equity)
        self.fees.add(trade.fees)
        self.slippage.add(trade.slippage)
        if trade.opened_at is not None and trade.closed_at >= trade.opened_at:
            self.holding.add(trade.closed_at - trade.opened_at)

    @property
    def trades(self) -> int:
        """How many there are."""
        return self._won.count

    @property
    def expectancy(self) -> float | None:
        """Mean profit of a trade."""
        return self.equity / self.trades if self.trades else None

    @property
    def win_rate(self) -> float | None:
        """Trades that made money, of all."""
        return self._won.value

    @property
    def per_day(self) -> float | None:
        """Trades a day from the first closing to the last."""
        days = (self.last_closed_at - self._first) / 86_400.0
        return (self.trades - 1) / days if self.trades > 1 and days > 0 else None

    @property
    def cone(self) -> Iterator[tuple[float, float]]:
        """The quantiles of the sum of so many profits of the reference, each with its share."""
        if self.trades:
            yield from zip(QUANTILES, self._limits.cone.profits(self.trades), strict=True)

    @property
    def drawdowns(self) -> Iterator[tuple[float, float]]:
        """The drawdowns that so many trades of the reference stay below, each with its confidence."""
        if self.trades:
            yield from zip(CONFIDENCES, self._limits.cone.drawdowns(self.trades), strict=True)

    @property
    def used(self) -> Iterator[tuple[Figure, Alarm, float]]:
        """The share of its limit that each CUSUM has used up."""
        for (figure, alarm), cusum in self._cusums.items():
            yield figure, alarm, cusum.used

    def alarms(self, alarm: Alarm) -> bool:
        """Return whether either figure alarms."""
        return any(cusum.alarms for (_, of), cusum in self._cusums.items() if of == alarm)
