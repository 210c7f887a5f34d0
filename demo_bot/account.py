"""Keeps the bot's money: cash, open positions, and the profit of each closed trade."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

Side = Literal["long", "short"]
# A share of the traded money, at entry and at exit. A real exchange takes hundreds of times more and would
# ruin a demo that trades thousands of times a day.
FEE_RATIO = 0.000002


@dataclass(frozen=True)
class Position:
    """An open position; times are unix seconds, money in the bot's currency, `size` in units of the coin.

    A `stop_price` of 0 is no stop.
    """

    id: int
    symbol: str
    side: Side
    size: float
    entry_price: float
    entry_fee: float
    opened_at: float
    stop_price: float
    target_price: float
    expires_at: float
    leverage: float = 1.0
    liquidation_price: float | None = None
    funding_paid: float = 0.0
    entry_price_requested: float | None = None  # unknown for a position that an earlier version opened

    @property
    def stake(self) -> float:
        """The money put in, without fees."""
        return self.size * self.entry_price

    def gain(self, price: float) -> float:
        """Return the profit from the move of the price, before fees."""
        return (price - self.entry_price) * self.size * (1 if self.side == "long" else -1)

    def profit(self, price: float) -> float:
        """Return the open profit at a price, minus the paid fee and funding."""
        return self.gain(price) - self.entry_fee - self.funding_paid

    def part(self, share: float) -> "Position":
        """Return the same position with `share` of its size and cost."""
        fee, funding = self.entry_fee * share, self.funding_paid * share
        return replace(self, size=self.size * share, entry_fee=fee, funding_paid=funding)


@dataclass(frozen=True)
class ClosedTrade:
    """A closed position, or a closed part of one; `profit` is after both fees."""

    id: int
    position_id: int
    symbol: str
    side: Side
    size: float
    entry_price: float
    exit_price: float
    stake: float
    opened_at: float
    closed_at: float
    profit: float
    fees: float
    entry_price_requested: float | None = None
    exit_price_requested: float | None = None


class Book:
    """Cash and positions. Always: equity = starting capital + realised profit + open profit.

    Equity is counted from cash, profits from the trades, so that a slip in either shows as a difference.
    """

    def __init__(
        self,
        starting_capital: float,
        realised: float = 0.0,
        last_trade_id: int = 0,
        last_position_id: int = 0,
        positions: Iterable[Position] = (),
    ) -> None:
        self.starting_capital = starting_capital
        self.realised = realised
        self.last_trade_id = last_trade_id
        self.last_position_id = last_position_id
        self.positions = {position.id: position for position in positions}
        tied = sum(each.stake + each.entry_fee + each.funding_paid for each in self.positions.values())
        self.cash = starting_capital + realised - tied

    def open(
        self,
        symbol: str,
        side: Side,
        stake: float,
        price: float,
        now: float,
        *,
        stop: float,
        target: float,
        until: float,
        leverage: float = 1.0,
        liquidation: float | None = None,
        requested: float | None = None,
    ) -> Position:
        """Open a position with `stake` at `price`; `stop` and others are prices, `until` a unix time.

        `requested` is the ordered price.
        """
        self.last_position_id += 1
        fee = stake * FEE_RATIO
        position = Position(
            self.last_position_id, symbol, side, stake / price, price, fee, now, stop, target, until,
            leverage, liquidation, entry_price_requested=requested,
        )  # fmt: skip
        self.positions[position.id] = position
        self.cash -= stake + fee
        return position

    def pay_funding(self, position_id: int, amount: float) -> None:
        """Pay funding to the other side's holders; raises KeyError if the position is not open."""
        position = self.positions[position_id]
        self.positions[position_id] = replace(position, funding_paid=position.funding_paid + amount)
        self.cash -= amount

    def close(
        self, position_id: int, price: float, now: float, share: float = 1.0, requested: float | None = None
    ) -> ClosedTrade:
        """Close `share` of a position (1 is all of it) at `price`; raises KeyError if it is not open."""
        position = self.positions[position_id]
        closed = position.part(share)
        exit_fee = closed.size * price * FEE_RATIO
        self.cash += closed.stake + closed.gain(price) - exit_fee
        if share < 1:
            self.positions[position_id] = position.part(1 - share)
        else:
            del self.positions[position_id]
        profit = closed.profit(price) - exit_fee
        self.realised += profit
        self.last_trade_id += 1
        return ClosedTrade(
            id=self.last_trade_id,
            position_id=position_id,
            symbol=closed.symbol,
            side=closed.side,
            size=closed.size,
            entry_price=closed.entry_price,
            exit_price=price,
            stake=closed.stake,
            opened_at=closed.opened_at,
            closed_at=now,
            profit=profit,
            fees=closed.entry_fee + closed.funding_paid + exit_fee,
            entry_price_requested=closed.entry_price_requested,
            exit_price_requested=requested,
        )

    def equity(self, prices: Mapping[str, float]) -> float:
        """Return the equity: cash and the value of open positions at these prices."""
        return self.cash + sum(p.stake + p.gain(prices[p.symbol]) for p in self.positions.values())

    def profit_open(self, prices: Mapping[str, float]) -> float:
        """Return the profit of all open positions at these prices."""
        return sum(p.profit(prices[p.symbol]) for p in self.positions.values())

    def exposure(self, prices: Mapping[str, float]) -> float:
        """Return the exposure: size times price, over longs and shorts alike."""
        return sum(p.size * prices[p.symbol] for p in self.positions.values())
