"""Invents a demo bot's trades before its first start, so that dashboards and reports are not empty."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, tzinfo
from math import exp, log
from pathlib import Path
from random import Random
from typing import Final

from demo_bot.account import Book, ClosedTrade, Side
from demo_bot.market import BASE_PRICES
from demo_bot.strategy import Style

TRADES_A_DAY: Final = 12.0
STYLE: Final = Style(hold_seconds=7200)
# Share of winners; with this style, 0.71 makes no profit. One bad period leaves a visible drawdown.
SKILL: Final = 0.76
BAD_SKILL: Final = 0.55
BAD_TIME: Final = (0.5, 0.6)  # a share of the whole period
SWING: Final = 0.01  # standard deviation of a price between two of its trades, as a share
PULL: Final = 0.02  # pull to the base price, per trade
SLIPPED: Final = 0.00024  # standard deviation of slippage: a price's move in half a second
_DAY: Final = 86_400.0


def write(
    journal: Path, *, seed: int, currency: str, capital: float, start: float, end: float, zone: tzinfo
) -> None:
    """Write the trades of a period (unix seconds) as a journal, in one step; an existing journal stays."""
    if journal.exists():
        return
    journal.parent.mkdir(parents=True, exist_ok=True)
    beside = journal.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as file:
        for trade in invent(seed, currency, capital, start, end, zone):
            file.write(json.dumps(asdict(trade)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(journal)


def invent(
    seed: int, currency: str, capital: float, start: float, end: float, zone: tzinfo
) -> list[ClosedTrade]:
    """Return the closed trades, oldest first, ids from 1; equal for equal seed, times and zone."""
    rng, book = Random(f"{seed}:history"), Book(capital)
    prices = {f"{coin}/{currency}": price for coin, price in BASE_PRICES.items()}
    bases, found = dict(prices), []
    for opened_at, closed_at in sorted(_times(rng, start, end, zone), key=lambda times: times[1]):
        symbol, side = rng.choice(sorted(prices)), rng.choice(_SIDES)
        price = prices[symbol] * exp(rng.gauss(0, SWING) - PULL * log(prices[symbol] / bases[symbol]))
        spent = (closed_at - start) / (end - start)
        won = rng.random() < (BAD_SKILL if BAD_TIME[0] <= spent < BAD_TIME[1] else SKILL)
        ahead = 1 if side == "long" else -1
        leave = prices[symbol] = price * (1 + ahead * (STYLE.target_ratio if won else -STYLE.stop_ratio))
        bounds = STYLE.bounds(side, price, opened_at)
        position = book.open(
            symbol, side, STYLE.stake(capital), price * (1 + rng.gauss(0, SLIPPED)), opened_at,
            stop=bounds.stop, target=bounds.target, until=bounds.until, requested=price,
        )  # fmt: skip
        filled = leave * (1 + rng.gauss(0, SLIPPED))
        found.append(book.close(position.id, filled, closed_at, requested=leave))
    return found


_SIDES: Final[tuple[Side, ...]] = ("long", "short")


def _times(rng: Random, start: float, end: float, zone: tzinfo) -> Iterator[tuple[float, float]]:
    """Yield when each position opens and closes, except those that would be open at the end.

    No position is open at midnight, as with a day trader: so the first day's P&L is known, though nobody
    watched the bot when that day began.
    """
    opened_at = start
    while (opened_at := opened_at + rng.expovariate(TRADES_A_DAY / _DAY)) < end:
        closed_at = opened_at + STYLE.hold_seconds * rng.uniform(0.1, 1)
        if closed_at < end and _day(opened_at, zone) == _day(closed_at, zone):
            yield opened_at, closed_at


def _day(moment: float, zone: tzinfo) -> int:
    return datetime.fromtimestamp(moment, zone).toordinal()
