"""What a bot trades, as plain values: one form for whatever tells of it."""

from dataclasses import dataclass
from typing import Literal

Side = Literal["long", "short"]


@dataclass(frozen=True)
class Trade:
    """A closed trade. Times are unix seconds, `profit` is after fees; `key` tells it from every other."""

    key: tuple[int, float]
    symbol: str
    side: Side
    opened_at: float
    closed_at: float
    profit: float
    stake: float | None


@dataclass(frozen=True)
class Position:
    """An open position; None is unknown.

    `value` and `profit` are money. `quantity` is in units of the asset, never negative, 0 while its entry
    waits to be filled. `risky` says whether it is near its stop loss, or far larger than usual.
    """

    symbol: str
    side: str
    value: float | None
    profit: float | None
    quantity: float | None = None
    risky: bool | None = None

    @property
    def key(self) -> str:
        """What a target names it by."""
        return f"{self.symbol} {self.side}"
