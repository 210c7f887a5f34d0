"""A bot's closed trades as running statistics: one more trade costs the same whatever came before."""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final, Literal

from exporter.analytics.daily import calmar, returns, sharpe, sortino, tail
from exporter.reading import Trade

CONFIDENCES: Final = {"0.95": 0.95, "0.99": 0.99}
_DAY: Final = 86_400.0
_HOUR: Final = 3600.0
Outcome = Literal["won", "lost", "even"]


@dataclass(frozen=True)
class Ratios:
    """What daily equity returns give; None is unknown. `tails` is (VaR, expected shortfall) by confidence."""

    sharpe: float | None = None
    sortino: float | None = None
    calmar: float | None = None
    tails: tuple[tuple[str, tuple[float, float]], ...] = ()


class Curve:
    """The money that trades made one after the other, in order of closing."""

    def __init__(self) -> None:
        self.profit = self.peak = self.fall = self.fall_from = 0.0
        self.fall_ratio = 0.0
        self.longest: dict[Outcome, int] = {"won": 0, "lost": 0, "even": 0}
        self._run: tuple[Outcome, int] = ("even", 0)

    def add(self, profit: float, capital: float | None) -> None:
        """Follow one more trade; `capital` is the equity before the first."""
        self.profit += profit
        self.peak = max(self.peak, self.profit)
        self.fall = max(self.fall, self.peak - self.profit)
        if capital is not None and capital + self.peak > 0:
            self.fall_ratio = max(self.fall_ratio, (self.peak - self.profit) / (capital + self.peak))
        kind = outcome(profit)
        self._run = (kind, self._run[1] + 1 if kind == self._run[0] else 1)
        self.longest[kind] = max(self.longest[kind], self._run[1])


def outcome(profit: float) -> Outcome:
    """Return what a trade's profit makes of it."""
    return "won" if profit > 0 else "lost" if profit < 0 else "even"


class Ledger:
    """Takes trades in any order and only once each. Days are those of `zone`."""

    def __init__(self, zone: tzinfo, days_per_year: int) -> None:
        self._zone = zone
        self._days_per_year = days_per_year
        self.clear()

    def clear(self) -> None:
        """Forget all trades: the bot's history began anew."""
        self.counts: Counter[tuple[str, str, Outcome]] = Counter()
        self.gross_won = self.gross_lost = 0.0
        self._keys: set[tuple[int, float]] = set()
        self._closes: list[tuple[float, int, float]] = []  # closing time, id, profit; in this order
        self._curve = Curve()
        self._capital: float | None = None
        self._days: dict[date, float] = {}
        self._stake = self._duration = 0.0
        self._stakes = 0
        self._first_opened = float("inf")
        self._ratios: tuple[date | None, int, float | None, Ratios] = (None, 0, None, Ratios())

    def add(self, trades: Iterable[Trade], capital: float | None) -> None:
        """Take the trades not taken before; one that closed before others is put into its place.

        `capital` is the equity before the first trade; None leaves what was known of it.
        """
        capital = self._capital if capital is None else capital
        in_order = capital == self._capital
        self._capital = capital
        for trade in trades:
            if trade.key in self._keys:
                continue
            self._keys.add(trade.key)
            self._count(trade)
            row = (trade.closed_at, trade.key[0], trade.profit)
            if not self._closes or row >= self._closes[-1]:
                self._closes.append(row)
                self._curve.add(trade.profit, capital)
            else:
                insort(self._closes, row)
                in_order = False
        if not in_order:
            self._curve = Curve()
            for _, _, profit in self._closes:
                self._curve.add(profit, capital)

    def _count(self, trade: Trade) -> None:
        kind = outcome(trade.profit)
        self.counts[trade.symbol, trade.side, kind] += 1
        if kind == "won":
            self.gross_won += trade.profit
        elif kind == "lost":
            self.gross_lost -= trade.profit
        day = datetime.fromtimestamp(trade.closed_at, self._zone).date()
        self._days[day] = self._days.get(day, 0.0) + trade.profit
        self._duration += trade.closed_at - trade.opened_at
        self._first_opened = min(self._first_opened, trade.opened_at)
        if trade.stake is not None:
            self._stake += trade.stake
            self._stakes += 1

    @property
    def trades(self) -> int:
        """Closed trades."""
        return len(self._closes)

    @property
    def win_rate(self) -> float | None:
        """Winning of all closed trades, 0 to 1."""
        won = sum(count for (_, _, kind), count in self.counts.items() if kind == "won")
        return won / self.trades if self.trades else None

    @property
    def expectancy(self) -> float | None:
        """Mean profit of a trade, in money (V. Tharp, "Trade Your Way to Financial Freedom", 1998)."""
        return self._curve.profit / self.trades if self.trades else None

    @property
    def profit_factor(self) -> float | None:
        """Money won / money lost; None without a loss."""
        return self.gross_won / self.gross_lost if self.gross_lost else None

    @property
    def recovery_factor(self) -> float | None:
        """Net profit / deepest fall in money; None without a fall."""
        return self._curve.profit / self._curve.fall if self._curve.fall else None

    @property
    def max_drawdown(self) -> float | None:
        """Deepest fall of the realised equity from its highest before, as a ratio of that highest."""
        return self._curve.fall_ratio if self.trades and self._capital is not None else None

    @property
    def longest_wins(self) -> int | None:
        """Longest run of winning trades."""
        return self._curve.longest["won"] if self.trades else None

    @property
    def longest_losses(self) -> int | None:
        """Longest run of losing trades."""
        return self._curve.longest["lost"] if self.trades else None

    @property
    def last_closed_at(self) -> float | None:
        """When a trade last closed, unix seconds."""
        return self._closes[-1][0] if self._closes else None

    @property
    def mean_stake(self) -> float | None:
        """Mean money put into a trade."""
        return self._stake / self._stakes if self._stakes else None

    @property
    def mean_duration(self) -> float | None:
        """Mean seconds from opening to closing."""
        return self._duration / self.trades if self.trades else None

    def drawdown(self, equity: float) -> float | None:
        """Return the fall of the equity from the highest that closed trades had reached, 0 to 1.

        That peak is taken from closed trades only: it survives a restart, and one wrong price of an open
        position cannot raise it for ever.
        """
        if self._capital is None or (peak := self._capital + self._curve.peak) <= 0:
            return None
        return min(1.0, max(0.0, 1 - equity / peak))

    def closed_since(self, time: float) -> int:
        """Return the trades that closed after a unix time."""
        return self.trades - bisect_right(self._closes, (time, float("inf"), 0.0))

    def per_hour(self, now: float) -> float | None:
        """Return the trades of the last 24 hours, or since the first opened (an hour at least), an hour."""
        if not self.trades:
            return None
        hours = min(_DAY, max(_HOUR, now - self._first_opened)) / _HOUR
        return self.closed_since(now - _DAY) / hours

    def per_day(self, now: float) -> float | None:
        """Return the trades of the last 24 hours."""
        return float(self.closed_since(now - _DAY)) if self.trades else None

    def pnl(self, now: float) -> dict[str, float]:
        """Return the realised profit of this calendar day, week (from Monday) and month, if any trade."""
        if not self.trades:
            return {}
        today = datetime.fromtimestamp(now, self._zone).date()
        first = {
            "day": today,
            "week": today - timedelta(days=today.weekday()),
            "month": today.replace(day=1),
        }
        return {window: self._profit_between(start, today) for window, start in first.items()}

    def ratios(self, now: float) -> Ratios:
        """Return the figures of the daily equity returns up to yesterday; today is not over."""
        today = datetime.fromtimestamp(now, self._zone).date()
        if self._ratios[:3] != (today, self.trades, self._capital):
            self._ratios = (today, self.trades, self._capital, self._ratios_until(today))
        return self._ratios[3]

    def _ratios_until(self, today: date) -> Ratios:
        if not self._days or self._capital is None:
            return Ratios()
        first = min(self._days)
        days = (first + timedelta(days=n) for n in range((today - first).days))
        daily = returns(self._capital, (self._days.get(day, 0.0) for day in days))
        if daily is None:
            return Ratios()
        tails = ((label, tail(daily, confidence)) for label, confidence in CONFIDENCES.items())
        return Ratios(
            sharpe=sharpe(daily, self._days_per_year),
            sortino=sortino(daily, self._days_per_year),
            calmar=calmar(daily, self._days_per_year),
            tails=tuple((label, found) for label, found in tails if found is not None),
        )

    def _profit_between(self, first: date, last: date) -> float:
        days = ((last - timedelta(days=n)) for n in range((last - first).days + 1))
        return sum(self._days.get(day, 0.0) for day in days)
