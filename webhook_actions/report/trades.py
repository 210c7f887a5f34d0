"""A bot's closed trades, from the exporter, and their figures."""

import math
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo

from clients.trading import Trade
from stack.settings.names import PNL_CLOSED
from webhook_actions.report.model import Figure, Group
from webhook_actions.report.period import Period

_HOUR = 3600.0
_BY_HOUR = 49 * _HOUR  # periods up to this are drawn by the hour


def within(trades: Sequence[Trade], period: Period) -> list[Trade]:
    """Return the trades that closed in a period."""
    start, end = period.start.timestamp(), period.end.timestamp()
    return [trade for trade in trades if start <= trade.closed_at < end]


def figures(now: Sequence[Trade], before: Sequence[Trade]) -> list[Figure]:
    """Return the figures of trades; without earlier trades the bot may not have existed before."""

    def row(name: str, unit: str, of: Callable[[Sequence[Trade]], float | None], best: str | None) -> Figure:
        values = {"value": of(now), "before": of(before) if before else None}
        return Figure.model_validate({"name": name, "unit": unit, "best": best, **values})

    return [
        row(PNL_CLOSED, "money", _profit, "high"),
        row("Trades", "count", len, None),
        row("Win rate", "ratio", _win_rate, "high"),
        row("Mean trade", "money", lambda these: _profit(these) / len(these) if these else None, "high"),
        row("Best trade", "money", lambda these: max((t.profit for t in these), default=None), "high"),
        row("Worst trade", "money", lambda these: min((t.profit for t in these), default=None), "high"),
        row("Profit factor", "number", _profit_factor, "high"),
    ]


def by_symbol(trades: Sequence[Trade]) -> tuple[Group, ...]:
    """Return the symbols, most profitable first."""
    return _ranked(trades, lambda trade: trade.symbol)


def by_hour(trades: Sequence[Trade], zone: tzinfo) -> tuple[Group, ...]:
    """Return the hours of the day at which trades closed, most profitable first."""
    return _ranked(trades, lambda trade: f"{datetime.fromtimestamp(trade.closed_at, zone):%H}:00")


def bars(trades: Sequence[Trade], period: Period) -> tuple[Group, ...]:
    """Return the days of a period in order, or the hours of a short one, empty ones too."""
    form, zone = "%d %H:00" if period.seconds <= _BY_HOUR else "%d %b", period.end.tzinfo
    start, end = period.start.timestamp(), period.end.timestamp()
    hours = (start + _HOUR * place for place in range(math.ceil(period.seconds / _HOUR)))
    # Hour by hour, so that a longer or shorter day of a clock change is right.
    names = dict.fromkeys(f"{datetime.fromtimestamp(at, zone):{form}}" for at in (*hours, end - 0.001))
    found = {group.name: group for group in _ranked(trades, lambda trade: f"{_local(trade, zone):{form}}")}
    return tuple(found.get(name) or Group(name=name, trades=0, won=0, profit=0.0) for name in names)


def _local(trade: Trade, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(trade.closed_at, zone)


def _ranked(trades: Sequence[Trade], key: Callable[[Trade], str]) -> tuple[Group, ...]:
    groups: dict[str, list[Trade]] = {}
    for trade in trades:
        groups.setdefault(key(trade), []).append(trade)
    made = [
        Group(
            name=name,
            trades=len(these),
            won=sum(trade.profit > 0 for trade in these),
            profit=_profit(these),
        )
        for name, these in groups.items()
    ]
    return tuple(sorted(made, key=lambda group: (-group.profit, group.name)))


def _profit(trades: Sequence[Trade]) -> float:
    return sum(trade.profit for trade in trades)


def _win_rate(trades: Sequence[Trade]) -> float | None:
    return sum(trade.profit > 0 for trade in trades) / len(trades) if trades else None


def _profit_factor(trades: Sequence[Trade]) -> float | None:
    lost = -sum(trade.profit for trade in trades if trade.profit < 0)
    return sum(trade.profit for trade in trades if trade.profit > 0) / lost if lost else None
