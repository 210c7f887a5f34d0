"""Running statistics of a bot's closed trades: each new trade costs the same, however many came before."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Final

from clients.trading import Trade
from exporter.analytics.curve import Curve, Event, Outcome, Transfer, outcome
from exporter.analytics.daily import Moves, Ratios, ratios, returns
from exporter.analytics.days import LocalDays, first_days
from exporter.analytics.execution import Execution

OTHER: Final = "other"
_DAY: Final = 86_400.0
_HOUR: Final = 3600.0
_ROUNDING: Final = 1e-3  # seconds: a sum of times may be off by less


@dataclass(frozen=True)
class Conventions:
    """The parameters of statistics.

    Calendar days are those of `zone`. `tail` is the window of value at risk in seconds; only whole days
    count. At most `symbols` symbols have their own counters, the last of which is `other` for all further
    ones. `recent` seconds of fills are compared with the `before` seconds that precede them.
    """

    zone: tzinfo
    days_per_year: int
    tail: float
    symbols: int
    recent: float
    before: float


class Ledger:
    """Takes trades in any order, each once; `correct` replaces all trades.

    A trade counts from its closing on, as a whole: the bot reports what a partial exit made (`profit_loss`),
    and that enters `drawdown` only. Profits are after fees and funding.
    """

    def __init__(self, conventions: Conventions, events: Sequence[Event] = ()) -> None:
        """`events` change the equity beside trades."""
        self._conventions = conventions
        self._named = conventions.symbols - 1
        self._events = events
        self._transfers = sorted(
            (event for event in events if isinstance(event, Transfer)), key=attrgetter("at")
        )
        self.clear()

    def clear(self) -> None:
        """Forget all trades: the bot has a new history."""
        self.counts: dict[tuple[str, str, Outcome], int] = {}
        self.profits: dict[str, float] = {}  # by symbol or `other`
        self.gross_won = self.gross_lost = 0.0
        self._curve = Curve(self._events)
        self._symbols: dict[str, str] = {}  # the counter's name of each symbol
        self._local = LocalDays(self._conventions.zone)
        self._days: dict[int, float] = {}  # profit by day
        self.execution = Execution(self._conventions.recent, self._conventions.before)
        self._won = 0
        self._stake = self._duration = 0.0
        self._stakes = self._durations = 0
        self._first_opened = float("inf")
        self._ratios: tuple[int, Ratios] | None = None  # the day until which the profit is complete

    def add(self, trades: Iterable[Trade], capital: float | None) -> None:
        """Add new trades; a late trade is inserted at its closing time.

        `capital` is the equity before the first trade and all transfers; None keeps the known capital.
        """
        if capital is not None and capital != self._curve.capital:
            self._curve.begin(capital)
            self._ratios = None
        new = sorted(trades, key=attrgetter("closed_at", "key"))
        if new:
            for trade in new:
                self._count(trade)
            self._curve.add(new)

    def correct(self, trades: Iterable[Trade], capital: float | None) -> None:
        """Replace all trades, because the figures of some have changed.

        `counts` stays: Prometheus reads a counter that falls as one that restarted, and would count all of it
        again. A trade counts once, with its first outcome.
        """
        counts = self.counts
        self.clear()
        self.add(trades, capital)
        self.counts = counts

    def _count(self, trade: Trade) -> None:
        profit, kind = trade.profit, outcome(trade.profit)
        if kind == "won":
            self._won += 1
            self.gross_won += profit
        elif kind == "lost":
            self.gross_lost -= profit
        name = self._symbols.get(trade.symbol)
        if name is None:
            name = self._symbols[trade.symbol] = trade.symbol if len(self._symbols) < self._named else OTHER
        counted = (name, trade.side, kind)
        self.counts[counted] = self.counts.get(counted, 0) + 1
        self.profits[name] = self.profits.get(name, 0.0) + profit
        day = self._local.of(trade.closed_at)
        self._days[day] = self._days.get(day, 0.0) + profit
        self.execution.add(trade, day)
        if self._ratios is not None and day < self._ratios[0]:
            self._ratios = None
        if trade.opened_at < self._first_opened:
            self._first_opened = trade.opened_at
        if trade.closed_at >= trade.opened_at:  # else a clock jumped, and its duration is unknown
            self._duration += trade.closed_at - trade.opened_at
            self._durations += 1
        if trade.stake is not None:
            self._stake += trade.stake
            self._stakes += 1

    @property
    def trades(self) -> int:
        """The number of closed trades."""
        return len(self._curve.closes)

    @property
    def unnamed_symbols(self) -> int:
        """Symbols that count as `other`."""
        return max(0, len(self._symbols) - self._named)

    @property
    def profit(self) -> float | None:
        """The profit of all closed trades, in money."""
        return self._curve.standing.profit if self.trades else None

    @property
    def win_rate(self) -> float | None:
        """Winning trades / all closed trades, 0 to 1; a trade with profit 0 is not a win."""
        return self._won / self.trades if self.trades else None

    @property
    def expectancy(self) -> float | None:
        """Mean profit of a trade, in money (V. Tharp, "Trade Your Way to Financial Freedom", 1998)."""
        return self._curve.standing.profit / self.trades if self.trades else None

    @property
    def profit_factor(self) -> float | None:
        """Money won / money lost, a ratio; None without a loss (J. D. Schwager, "Market Wizards", 1989)."""
        return self.gross_won / self.gross_lost if self.gross_lost else None

    @property
    def recovery_factor(self) -> float | None:
        """Net profit / its deepest fall, both money, so a ratio; None without a fall.

        R. Pardo, "The Evaluation and Optimization of Trading Strategies", 2nd ed. (2008).
        """
        standing = self._curve.standing
        return standing.profit / standing.fall if standing.fall else None

    @property
    def max_drawdown(self) -> float | None:
        """Deepest fall of the realised equity, as a ratio of its highest before, 0 to 1.

        M. Magdon-Ismail, A. Atiya, "Maximum Drawdown", Risk 17 (2004). None if the capital is unknown, or
        there was none.
        """
        standing = self._curve.standing
        if not self.trades or self._curve.capital is None or not standing.has_highest:
            return None
        return min(1.0, standing.fall_ratio)

    @property
    def longest_wins(self) -> int | None:
        """Longest run of winning trades, by closing time; a trade with profit 0 ends it."""
        return self._curve.standing.longest_wins if self.trades else None

    @property
    def longest_losses(self) -> int | None:
        """Longest run of losing trades, by closing time; a trade with profit 0 ends it."""
        return self._curve.standing.longest_losses if self.trades else None

    @property
    def mean_stake(self) -> float | None:
        """Mean stake, of the trades whose stake is known, in money."""
        return self._stake / self._stakes if self._stakes else None

    @property
    def mean_duration(self) -> float | None:
        """Mean seconds from opening to closing, of the trades that closed after they opened."""
        return self._duration / self._durations if self._durations else None

    def drawdown(
        self, now: float, equity: float, profit_loss: float | None, exposure: float | None = None
    ) -> float | None:
        """Return the fall of the equity from the highest that closed trades had reached, 0 to 1.

        fall / (equity + fall), where `profit_loss` (of all trades, open ones too) tells the fall: so a
        transfer that nobody declared is none. Where it is unknown, the equity tells. The highest is taken
        from closed trades since the baseline: it survives a restart, and one wrong price of an open
        position cannot raise it for ever.

        Where the highest is not above 0, since the owner took out more than was put in, the fall is a share
        of what is at stake: the exposure now, or the mean stake of a trade if that is more.
        """
        if self._curve.capital is None:
            return None
        standing = self._curve.at(now)
        worth = equity if profit_loss is None else standing.equity + profit_loss - standing.profit
        fall = max(0.0, standing.high - worth)
        highest = equity + fall
        if highest <= 0:
            highest = fall + max(exposure or 0.0, self.mean_stake or 0.0)
        return min(1.0, fall / highest) if highest > 0 else None

    def last_closed_at(self, now: float) -> float | None:
        """Return when a trade last closed, in unix seconds; closings in the future do not count."""
        closed = bisect_right(self._curve.closes, now)
        return self._curve.closes[closed - 1] if closed else None

    def per_hour(self, now: float) -> float | None:
        """Return trades per hour over the last 24 hours, or since the first trade opened (at least 1 h)."""
        if not self.trades:
            return None
        hours = min(_DAY, max(_HOUR, now - self._first_opened)) / _HOUR
        return self._closed_in_a_day(now) / hours

    def per_day(self, now: float) -> float | None:
        """Return the number of trades in the last 24 hours."""
        return float(self._closed_in_a_day(now)) if self.trades else None

    def _closed_in_a_day(self, now: float) -> int:
        closes = self._curve.closes
        return bisect_right(closes, now) - bisect_right(closes, now - _DAY)

    def steady_until(self, now: float) -> float:
        """Return the unix time until which no figure of these trades changes, if no trade comes."""
        if now - self._first_opened < _DAY:  # `per_hour` depends on the time since then
            return now
        closes = self._curve.closes
        leaving, coming = bisect_right(closes, now - _DAY), bisect_right(closes, now)
        edges = [self._local.start(self._local.of(now) + 1), self._curve.at(now).next_event]
        edges += [closes[leaving] + _DAY] if leaving < len(closes) else []
        edges += [closes[coming]] if coming < len(closes) else []
        return min(*edges, self.execution.steady_until(now)) - _ROUNDING

    def pnl(self, now: float) -> dict[str, float]:
        """Return the realised profit of the present day, week (from Monday) and month, if any trade."""
        if not self.trades:
            return {}
        today = self._local.of(now)
        return {
            window: sum(self._days.get(day, 0.0) for day in range(first, today + 1))
            for window, first in first_days(today).items()
        }

    def ends(self, now: float) -> dict[str, float]:
        """Return the unix times at which those windows end."""
        return self._local.ends(now)

    def costs(self, now: float) -> dict[str, dict[str, float]]:
        """Return `slippage_cost` and `fees_paid` of the same windows and in all."""
        today = self._local.of(now)
        windows = {window: range(first, today + 1) for window, first in first_days(today).items()}
        return self.execution.costs(windows)

    def closed_since(self, start: float) -> float:
        """Return the profit of the trades that closed since a unix time."""
        return self._curve.profit_between(start, float("inf"))

    def ratios(self, now: float) -> Ratios:
        """Return the figures of the daily equity returns up to yesterday; today is incomplete."""
        today = self._local.of(now)
        if self._ratios is None or self._ratios[0] != today:
            self._ratios = (today, self._ratios_until(today))
        return self._ratios[1]

    def _ratios_until(self, today: int) -> Ratios:
        if not self._days or self._curve.capital is None:
            return Ratios()
        first = min(self._days)
        start = self._local.start(first)
        capital = self._curve.capital + sum(move.amount for move in self._transfers if move.at < start)
        moves = self._days_of_transfers()
        daily = returns(
            capital, (moves.get(day) or ((0.0, self._days.get(day, 0.0)),) for day in range(first, today))
        )
        return ratios(daily, self._conventions.days_per_year, int(self._conventions.tail // _DAY))

    def _days_of_transfers(self) -> dict[int, Moves]:
        found: dict[int, Moves] = {}
        for day, group in groupby(self._transfers, lambda move: self._local.of(move.at)):
            moves = list(group)
            amounts = (0.0, *(move.amount for move in moves))
            times = (self._local.start(day), *(move.at for move in moves), self._local.start(day + 1))
            profits = (self._curve.profit_between(*span) for span in pairwise(times))
            found[day] = list(zip(amounts, profits, strict=True))
        return found
