"""What a bot promised: the trades that its live ones are compared with, and whether they can be used."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum, ulp

from clients.backtest import BadReference, TradeResult, csv_trades, freqtrade_trades
from stack.settings import CsvReference, FreqtradeReference
from stack.settings.edge import LEAST_TRADES


@dataclass(frozen=True)
class Reference:
    """The trades of a reference, in the order of closing; ratios of the stake, None where unknown."""

    trades: tuple[TradeResult, ...]

    @cached_property
    def profits(self) -> tuple[float, ...]:
        """The profit of each trade."""
        return tuple(trade.profit for trade in self.trades)

    @cached_property
    def expectancy(self) -> float:
        """Mean profit of a trade."""
        return fsum(self.profits) / len(self.profits)

    @cached_property
    def win_rate(self) -> float:
        """Trades that made money, of all."""
        return sum(profit > 0 for profit in self.profits) / len(self.profits)

    @cached_property
    def days(self) -> float:
        """From the first closing to the last."""
        return (self.trades[-1].closed_at - self.trades[0].closed_at) / 86_400.0

    @cached_property
    def per_day(self) -> float:
        """Trades a day: the first closing begins the time in which the others closed."""
        return (len(self.trades) - 1) / self.days

    @property
    def per_year(self) -> float:
        """Trades in 365 days."""
        return self.per_day * 365

    @cached_property
    def fees(self) -> float | None:
        """Mean fees of a trade."""
        return mean(trade.fees for trade in self.trades)

    @cached_property
    def slippage(self) -> float | None:
        """Mean slippage of a trade."""
        return mean(trade.slippage for trade in self.trades)

    @cached_property
    def holding(self) -> float | None:
        """Mean seconds from opening to closing."""
        opened = ((trade.closed_at, trade.opened_at) for trade in self.trades)
        return mean(None if at is None else closed - at for closed, at in opened)


def reference_from(settings: FreqtradeReference | CsvReference) -> Reference:
    """Return the reference in a file. Raises BadReference."""
    if isinstance(settings, FreqtradeReference):
        trades = freqtrade_trades(settings.file, settings.strategy)
    else:
        trades = csv_trades(settings.file)
    return reference_of(trades, str(settings.file))


def reference_of(trades: Sequence[TradeResult], name: str) -> Reference:
    """Return the reference of these trades. Raises BadReference, which begins with `name`."""
    if len(trades) < LEAST_TRADES:
        raise BadReference(
            f"{name}: has {len(trades)} trades, and {LEAST_TRADES} are needed; backtest a longer time"
        )
    found = Reference(tuple(trades))
    if found.days <= 0:
        raise BadReference(f"{name}: all its trades closed at one time; their times are wrong")
    if found.expectancy <= 0:
        raise BadReference(
            f"{name}: loses {-found.expectancy:.3%} of the stake a trade, so there is no edge to watch; "
            "name a reference that makes money"
        )
    low, high = min(found.profits), max(found.profits)
    if high - low <= ulp(high) * 8:
        raise BadReference(f"{name}: all its trades made {high:.3%}; name one whose trades differ")
    return found


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are known, None if none is."""
    known = [value for value in values if value is not None]
    return fsum(known) / len(known) if known else None
