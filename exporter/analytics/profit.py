"""A bot's profit, realised and open apart and together, in money and as a share of its capital."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_EXACT: Final = 8  # decimals of money: differences of sums have noise behind them


@dataclass(frozen=True)
class Made:
    """What was made in one window (day, week, month, total), in money; None is unknown.

    `balance` is what closed trades had left when the window began, with all that was transferred until now.
    """

    window: str
    closed: float | None
    open: float | None
    balance: float | None

    @property
    def all(self) -> float | None:
        """Closed trades and open positions together."""
        return None if self.closed is None or self.open is None else self.closed + self.open

    def ratios(self) -> Iterator[tuple[str, float]]:
        """Yield (what counts, money / balance), none of a balance that is spent; two add up to all."""
        for counts, money in (("closed", self.closed), ("open", self.open), ("all", self.all)):
            if money is not None and self.balance is not None and self.balance > 0:
                yield counts, money / self.balance


def made(
    closed: Mapping[str, float], unrealised: float | None, changed: Mapping[str, float], capital: float | None
) -> tuple[Made, ...]:
    """Return what was made by window.

    `closed` is the profit of closed trades by window, its `total` of all; `unrealised` what open positions
    have made now, `changed` by how much that moved since each window began. `capital` is the equity before
    the first trade, with all transfers.
    """
    total = closed.get("total")

    def one(window: str, unrealised: float | None) -> Made:
        # Nothing was made yet, so nothing was in any window.
        here = closed.get(window, 0.0 if total == 0 else None)
        known = capital is not None and total is not None and here is not None
        balance = capital + total - here if known else None  # type: ignore[operator]
        return Made(window, here, None if unrealised is None else round(unrealised, _EXACT), balance)

    windows = (one(window, changed.get(window)) for window in ("day", "week", "month"))
    return (*windows, one("total", unrealised))
