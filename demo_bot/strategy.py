"""Decides what to trade: the stake of an entry, its target and stop, and when a position must close."""

from dataclasses import dataclass, replace
from math import sqrt
from typing import Literal

from demo_bot.account import Position, Side
from demo_bot.market import VOLATILITY

LIQUIDATION_NEAR = 0.05  # a share of the price

ExitReason = Literal["stop loss", "take profit", "holding time"]


@dataclass(frozen=True)
class Order:
    """An entry that was ordered at one unix time and is filled at another."""

    symbol: str
    side: Side
    stake: float
    placed_at: float
    fill_at: float
    price: float  # the price when the order was placed


@dataclass(frozen=True)
class Bounds:
    """Where a position ends: two prices and a unix time."""

    stop: float
    target: float
    until: float


@dataclass(frozen=True)
class Style:
    """How the bot trades; ratios are of the equity (stake, exposure) or of the entry price (stop, target).

    Stop and target are equally many usual moves away, so the bot's win rate and daily profit do not depend on
    its pace.
    """

    hold_seconds: float
    stake_ratio: float = 0.015
    exposure_ratio: float = 0.5
    max_positions: int = 6
    stop_moves: float = 2.0
    target_moves: float = 0.8

    @property
    def stop_ratio(self) -> float:
        """How far the price may move against the position."""
        return self.stop_moves * self._usual_move

    @property
    def target_ratio(self) -> float:
        """How far the price must move for the position."""
        return self.target_moves * self._usual_move

    @property
    def _usual_move(self) -> float:
        """The standard deviation of the price's move while a position is held."""
        return VOLATILITY * sqrt(self.hold_seconds)

    def stake(self, equity: float) -> float:
        """Return the stake of one entry."""
        return equity * self.stake_ratio

    def max_exposure(self, equity: float) -> float:
        """Return the largest allowed exposure."""
        return equity * self.exposure_ratio

    def bounds(self, side: Side, price: float, now: float) -> Bounds:
        """Return the stop, target and latest time of a position opened now at `price`."""
        sign = 1 if side == "long" else -1
        return Bounds(
            stop=price * (1 - sign * self.stop_ratio),
            target=price * (1 + sign * self.target_ratio),
            until=now + self.hold_seconds,
        )

    def cautious(self) -> "Style":
        """Return a style with half the stake and half the target, which the price reaches more often."""
        return replace(self, stake_ratio=self.stake_ratio / 2, target_moves=self.target_moves / 2)


def exit_reason(position: Position, price: float, now: float) -> ExitReason | None:
    """Return why a position must close now, or None if it may stay."""
    ahead = 1 if position.side == "long" else -1
    if (price - position.stop_price) * ahead <= 0:
        return "stop loss"
    if (price - position.target_price) * ahead >= 0:
        return "take profit"
    return "holding time" if now >= position.expires_at else None


def is_risky(position: Position, price: float, style: Style, equity: float) -> bool:
    """Return whether a position has lost over a third of a stop, is near its liquidation, or very large.

    Large is over twice the size of an entry.
    """
    lost, end = -position.profit(price) / position.stake, position.liquidation_price
    large = position.size * price > 2 * style.stake(equity)
    return (
        lost > style.stop_ratio / 3
        or large
        or (end is not None and abs(price - end) < LIQUIDATION_NEAR * price)
    )
