"""A bot's trades and positions, as plain values in one form for every source."""

import math
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["long", "short"]


@dataclass(frozen=True)
class Leg:
    """A completely filled entry or exit: prices, and the size in units of the asset; None is unknown."""

    requested: float | None
    filled: float | None
    size: float | None


@dataclass(frozen=True)
class Slippage:
    """The slippage of a trade's legs, as ratios of the requested prices, and its cost in money.

    Positive is worse for the bot, None is unknown. `cost` counts the known legs.
    """

    entry: float | None = None
    exit: float | None = None
    cost: float | None = None


UNKNOWN = Slippage()


@dataclass(frozen=True)
class Trade:
    """A closed trade. Times are unix seconds, `profit` is after fees, `key` is unique. `profit` already
    contains `fees`. `order_ids` are the exchange's ids, only for a trade that was just read.
    """

    key: tuple[int, float]
    symbol: str
    side: Side
    opened_at: float
    closed_at: float
    profit: float
    stake: float | None
    slippage: Slippage = UNKNOWN
    fees: float | None = None
    order_ids: tuple[str, ...] = field(default=(), compare=False)


def slippage(side: Side, entry: Leg, leave: Leg) -> Slippage:
    """Return the slippage of a trade's entry and exit: the implementation shortfall of its fills.

    For a purchase (entry of a long, exit of a short) the ratio is (filled − requested) / requested, for a
    sale (exit of a long, entry of a short) it is (requested − filled) / requested. The cost is the ratio ×
    requested × size. Source: A. Perold, "The Implementation Shortfall", Journal of Portfolio Management 14
    (1988), with the bot's requested price as the decision price. The cost of an inverse contract, which is
    settled in the asset, is not in the stake currency.
    """
    bought = 1 if side == "long" else -1
    ratios = (_slipped(entry, bought), _slipped(leave, -bought))
    costs = [
        ratio * leg.requested * leg.size
        for ratio, leg in zip(ratios, (entry, leave), strict=True)
        if ratio is not None and leg.requested is not None and leg.size is not None
    ]
    return Slippage(*ratios, sum(costs) if costs else None)


def _slipped(leg: Leg, bought: int) -> float | None:
    """Return the ratio of one leg; `bought` is 1 for a purchase, −1 for a sale."""
    if leg.requested is None or leg.filled is None or leg.requested <= 0 or leg.filled <= 0:
        return None
    ratio = bought * (leg.filled - leg.requested) / leg.requested
    return ratio if math.isfinite(ratio) else None


@dataclass(frozen=True)
class Position:
    """An open position; None is unknown.

    `value`, `profit` and `funding_paid` (below 0 if received) are money. `quantity` is in units of
    the asset, never negative, 0 while its entry waits to be filled. `risky` says whether it is near its stop
    loss or its liquidation, or far larger than usual. `price`, `stop` and `liquidation` are prices; `stop` is
    only that of a live stop. `margin_ratio` is the maintenance margin divided by the margin that is left.
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
        """The position's name in a target."""
        return f"{self.symbol} {self.side}"

    @property
    def value_at_price(self) -> float | None:
        """The position's value at the present price, in money."""
        return None if self.quantity is None or self.price is None else self.quantity * self.price

    @property
    def stop_distance(self) -> float | None:
        """The distance from the price to its stop, as a share of the price; below 0 beyond the stop."""
        return self._away(self.stop)

    @property
    def liquidation_distance(self) -> float | None:
        """The distance from the price to its liquidation, as a share of the price; below 0 beyond it."""
        return self._away(self.liquidation)

    @property
    def is_protected(self) -> bool:
        """Whether a live stop is known that is on the right side of the price and acts before the
        liquidation.

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
    """An order that waits to be filled since `placed_at`, a unix time.

    Orders that are meant to rest are not included.
    """

    symbol: str
    placed_at: float
