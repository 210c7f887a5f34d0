"""What a bot trades, as plain values: one form for whatever tells of it."""

import math
from dataclasses import dataclass
from typing import Literal

Side = Literal["long", "short"]


@dataclass(frozen=True)
class Leg:
    """An entry or an exit, filled whole: prices, and the size in units of the asset; None is unknown."""

    requested: float | None
    filled: float | None
    size: float | None


@dataclass(frozen=True)
class Slippage:
    """What the legs of a trade slipped, as ratios of the requested prices, and what that cost in money.

    Positive is worse for the bot, None unknown. `cost` is of the legs that are known.
    """

    entry: float | None = None
    exit: float | None = None
    cost: float | None = None


UNKNOWN = Slippage()


@dataclass(frozen=True)
class Trade:
    """A closed trade. Times are unix seconds, `profit` is after fees; `key` tells it from every other.

    `fees` is money that is in `profit` already.
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


def slippage(side: Side, entry: Leg, leave: Leg) -> Slippage:
    """Return what entry and exit of a trade slipped: the implementation shortfall of its fills.

    Of what was bought (entry of a long, exit of a short) the ratio is (filled − requested) / requested, of
    what was sold (exit of a long, entry of a short) (requested − filled) / requested; its cost is the ratio ×
    requested × size. A. Perold, "The Implementation Shortfall", Journal of Portfolio Management 14 (1988),
    with the price that the bot asked for as the one decided on. Of a contract that is settled in the asset
    (inverse) the cost is not money of the stake currency.
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
    """Return the ratio of one leg; `bought` is 1 where it was bought, −1 where it was sold."""
    if leg.requested is None or leg.filled is None or leg.requested <= 0 or leg.filled <= 0:
        return None
    ratio = bought * (leg.filled - leg.requested) / leg.requested
    return ratio if math.isfinite(ratio) else None


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
