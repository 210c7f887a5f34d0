"""The money of one bot, and of all bots of a holder, as loss limits need it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from zoneinfo import ZoneInfo

from exporter.limits.arithmetic import Observation, money
from exporter.limits.day import day_start


@dataclass(frozen=True)
class Clock:
    """The days of an owner: their start, HH:MM, and zone."""

    start: str
    zone: str

    def day(self, moment: float) -> float:
        """Return the start of a unix time's day."""
        return day_start(moment, self.start, ZoneInfo(self.zone))


@dataclass(frozen=True)
class Figures:
    """Money of one bot, None if unknown: its first capital, the transfers since, and its profit. `realised`
    counts closed trades, `profit` also open positions. `closed` has for each clock the start of the reading's
    day and the profit of the trades closed since then. `restarted` says that the bot's history restarted.
    """

    capital: float | None
    moved: float
    realised: float | None
    profit: float | None
    closed: Mapping[Clock, tuple[float, float]] = field(default_factory=dict)
    restarted: bool = False


def observe(
    figures: Iterable[Figures], clock: Clock, now: float, capital: float | None = None
) -> tuple[Observation, bool]:
    """Return the sum of several bots at a unix time, and whether their capital is known.

    `capital` is their common capital, if a person wrote it down. An unknown one counts as 0.
    """
    every, day = list(figures), clock.day(now)
    start = money(capital) if capital is not None else _sum(each.capital for each in every)
    moved = sum((money(each.moved) for each in every), Decimal(0))
    base = moved + (start or 0)
    realised, profit = _sum(each.realised for each in every), _sum(each.profit for each in every)
    today = _sum(_closed(each, clock, day) for each in every)
    balance = None if realised is None else base + realised
    seen = Observation(
        now,
        day,
        start or Decimal(0),
        moved,
        balance,
        None if profit is None else base + profit,
        None if balance is None or today is None else balance - today,
    )
    return seen, start is not None


def _closed(figures: Figures, clock: Clock, day: float) -> float | None:
    """Return the profit of the trades closed since the day's begin, as far as the reading knows it."""
    if clock not in figures.closed:
        return None
    start, made = figures.closed[clock]
    return made if start == day else 0.0


def _sum(values: Iterable[float | None]) -> Decimal | None:
    """Return the sum, None if one of the values is unknown."""
    total = Decimal(0)
    for each in values:
        if each is None:
            return None
        total += money(each)
    return total
