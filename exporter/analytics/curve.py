"""The equity curve of closed trades: drawdowns, recovery and streaks."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from math import fsum
from typing import Final, Literal

from clients.trading import Trade

# Trades between two saved states: a late trade replays at most this many before its own place.
_STEP: Final = 256
_NEVER: Final = float("inf")
Outcome = Literal["won", "lost", "even"]


@dataclass(frozen=True)
class Transfer:
    """Money put into the bot at a unix time; `amount` is negative for a withdrawal."""

    at: float
    amount: float


@dataclass(frozen=True)
class Baseline:
    """The unix time and equity from which the present drawdown is measured; None is the equity then."""

    at: float
    equity: float | None


Event = Transfer | Baseline


def outcome(profit: float) -> Outcome:
    """Return what a trade's profit makes of it."""
    return "won" if profit > 0 else "lost" if profit < 0 else "even"


class CurveState:
    """The state of the curve after some trades; all money is realised.

    `profit` is the sum of all profits, `fall` the deepest fall of that sum from an earlier highest, both
    without transfers. `equity` includes transfers; `fall_ratio` is its deepest fall divided by the highest
    before, `high` the highest since the baseline. A transfer at equity E scales the highs by (E + amount) /
    E, so that it neither makes nor hides a fall: the time-weighted return of GIPS 2020, 2.A.
    """

    def __init__(self, capital: float, events: Iterable[Event]) -> None:
        """Start before the first trade with this equity."""
        self.profit = self.fall = self.fall_ratio = 0.0
        self.equity = self.high = capital
        self.longest_wins = self.longest_losses = 0
        self._top = 0.0  # of the profit
        self._peak = capital  # of the equity, whatever the baseline
        self._wins = self._losses = 0
        self._events = sorted(events, key=lambda event: event.at)
        self._passed = 0

    @property
    def has_highest(self) -> bool:
        """Whether the equity was ever above 0, so that a drawdown ratio exists."""
        return self._peak > 0

    @property
    def next_event(self) -> float:
        """The unix time of the next transfer or baseline; infinity without one."""
        return self._events[self._passed].at if self._passed < len(self._events) else _NEVER

    def settle(self, now: float) -> None:
        """Apply the events up to a unix time."""
        while self.next_event <= now:
            event = self._events[self._passed]
            self._passed += 1
            if isinstance(event, Baseline):
                self.high = self.equity if event.equity is None else event.equity
            else:
                self._transfer(event.amount)

    def _transfer(self, amount: float) -> None:
        after = self.equity + amount
        if self.equity > 0 and after > 0:
            self._peak *= after / self.equity
            self.high *= after / self.equity
        else:  # nothing was left, or is left now: the curve restarts
            self._peak = self.high = after
        self.equity = after

    def follow(self, profits: Iterable[float]) -> None:
        """Apply trades between which no event lies."""
        profit, top, fall = self.profit, self._top, self.fall
        equity, peak, high, ratio = self.equity, self._peak, self.high, self.fall_ratio
        wins, losses = self._wins, self._losses
        longest_wins, longest_losses = self.longest_wins, self.longest_losses
        for each in profits:
            profit += each
            equity += each
            # Comparisons, since calls of max() take most of the time for a million trades.
            if each > 0:
                wins, losses = wins + 1, 0
                longest_wins = wins if wins > longest_wins else longest_wins
                top = profit if profit > top else top
                peak = equity if equity > peak else peak
                high = equity if equity > high else high
            elif each < 0:
                wins, losses = 0, losses + 1
                longest_losses = losses if losses > longest_losses else longest_losses
                fall = top - profit if top - profit > fall else fall
                if peak > 0 and peak - equity > ratio * peak:
                    ratio = (peak - equity) / peak
            else:
                wins = losses = 0
        self.profit, self._top, self.fall = profit, top, fall
        self.equity, self._peak, self.high, self.fall_ratio = equity, peak, high, ratio
        self._wins, self._losses = wins, losses
        self.longest_wins, self.longest_losses = longest_wins, longest_losses


class Curve:
    """Closed trades by closing time, then key, with the state after the last.

    States along the way are kept, so that a late trade replays only the trades closed after it.
    """

    def __init__(self, events: Sequence[Event] = ()) -> None:
        """`events` change the equity beside trades."""
        self.closes = array("d")
        self._profits = array("d")
        self._keys: list[tuple[int, float]] = []
        self._events = events
        self.begin(None)

    def begin(self, capital: float | None) -> None:
        """Replay all trades from this equity, None if it is unknown."""
        self.capital = capital
        self.standing = CurveState(capital or 0.0, self._events)
        self._followed = 0
        self._kept: list[CurveState] = []  # before each _STEP-th trade
        self._follow()

    def add(self, trades: Sequence[Trade]) -> None:
        """Insert new trades, given in order."""
        place = len(self.closes)
        rows = [(trade.closed_at, trade.key, trade.profit) for trade in trades]
        if place and rows[0][0] <= self.closes[-1]:
            place = bisect_left(self.closes, rows[0][0])
            rows += zip(self.closes[place:], self._keys[place:], self._profits[place:], strict=True)
            rows.sort()
            del self.closes[place:], self._keys[place:], self._profits[place:]
            self._go_back(place)
        self.closes.extend(row[0] for row in rows)
        self._keys.extend(row[1] for row in rows)
        self._profits.extend(row[2] for row in rows)
        self._follow()

    def at(self, now: float) -> CurveState:
        """Return the state after the events up to a unix time."""
        if self.standing.next_event > now:
            return self.standing
        found = copy(self.standing)
        found.settle(now)
        return found

    def profit_between(self, start: float, end: float) -> float:
        """Return the profit of the trades that closed from one unix time until before another."""
        return fsum(self._profits[bisect_left(self.closes, start) : bisect_left(self.closes, end)])

    def _go_back(self, place: int) -> None:
        """Return to a saved state at or before a place."""
        kept = place // _STEP
        if place < self._followed:
            self.standing, self._followed = copy(self._kept[kept]), kept * _STEP
            del self._kept[kept:]

    def _follow(self) -> None:
        """Apply the trades that are not yet applied."""
        while self._followed < len(self.closes):
            start, end = self._followed, min(len(self.closes), self._followed // _STEP * _STEP + _STEP)
            if start % _STEP == 0:
                self._kept.append(copy(self.standing))
            while start < end:
                self.standing.settle(self.closes[start])
                until = bisect_left(self.closes, self.standing.next_event, start, end)
                self.standing.follow(self._profits[start:until])
                start = until
            self._followed = end
