"""A bot's profit, realised and open, alone and together, in money and as a ratio of its capital."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_EXACT: Final = 8  # decimals of money: differences of sums have rounding noise


@dataclass(frozen=True)
class Made:
    """The profit of one window (day, week, month, total), in money; None is unknown.

    `balance` is the realised equity at the window's start, plus all transfers until now.
    """

    window: str
    closed: float | None
    open: float | None
    balance: float | None

    @property
    def all(self) -> float | None:
        """Profit of closed trades and open positions together."""
        return None if self.closed is None or self.open is None else self.closed + self.open

    def ratios(self) -> Iterator[tuple[str, float]]:
        """Yield (what counts, money / balance); none if the balance is spent. Two of them add up to all."""
        for counts, money in (("closed", self.closed), ("open", self.open), ("all", self.all)):
            if money is not None and self.balance is not None and self.balance > 0:
                yield counts, money / self.balance


def made(
    closed: Mapping[str, float], unrealised: float | None, changed: Mapping[str, float], capital: float | None
) -> tuple[Made, ...]:
    """Return the profit by window.

    `closed` is the profit of closed trades by window, its `total` of all; `unrealised` is the present profit
    of open positions, `changed` its change since each window began. `capital` is the equity before the first
    trade, with all transfers.
    """
    total = closed.get("total")

    def one(window: str, unrealised: float | None) -> Made:
        # There was no profit yet, so none in any window.
        here = closed.get(window, 0.0 if total == 0 else None)
        known = capital is not None and total is not None and here is not None
        balance = capital + total - here if known else None  # type: ignore[operator]
        return Made(window, here, None if unrealised is None else round(unrealised, _EXACT), balance)

    windows = (one(window, changed.get(window)) for window in ("day", "week", "month"))
    return (*windows, one("total", unrealised))
