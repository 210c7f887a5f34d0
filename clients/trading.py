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

    `value`, `profit` and `funding_paid` (below 0 where it was received) are money. `quantity` is in units of
    the asset, never negative, 0 while its entry waits to be filled. `risky` says whether it is near its stop
    loss or its liquidation, or far larger than usual. `price`, `stop` and `liquidation` are prices, the
    `stop` of one that is live now. `margin_ratio` is the maintenance margin by the margin left.
    """

    symbol: str
    side: str
    value: float | None
    profit: float | None
    quantity: float | None = None
    risky: bool | None = None
    price: float | None = None
    stop: float | None = None
    stop_at_exchange: bool = False
    liquidation: float | None = None
    leverage: float | None = None
    margin_ratio: float | None = None
    funding_paid: float | None = None
    opened_at: float | None = None

    @property
    def key(self) -> str:
        """What a target names it by."""
        return f"{self.symbol} {self.side}"

    @property
    def value_at_price(self) -> float | None:
        """What it holds at the price now, in money."""
        return None if self.quantity is None or self.price is None else self.quantity * self.price

    @property
    def stop_distance(self) -> float | None:
        """How far the price may go against it until its stop, as a share of the price; below 0 beyond it."""
        return self._away(self.stop)

    @property
    def liquidation_distance(self) -> float | None:
        """How far the price may go against it until it is liquidated, as a share; below 0 beyond that."""
        return self._away(self.liquidation)

    @property
    def is_protected(self) -> bool:
        """Whether a live stop is known, on the right side of the price, that acts before the liquidation.

        Without a price only the exchange can act on a stop.
        """
        stop, end, away = self.stop, self.liquidation, self.stop_distance
        if stop is None or self._sign is None or (away is not None and away < 0):
            return False
        if end is not None and (stop - end) * self._sign <= 0:
            return False
        return away is not None or self.stop_at_exchange

    @property
    def _sign(self) -> int | None:
        return {"long": 1, "short": -1}.get(self.side)

    def _away(self, end: float | None) -> float | None:
        if end is None or self._sign is None or self.price is None or self.price <= 0:
            return None
        return self._sign * (self.price - end) / self.price


@dataclass(frozen=True)
class WaitingOrder:
    """An order that waits to be filled since `placed_at`, unix time; one that is meant to rest is none."""

    symbol: str
    placed_at: float
