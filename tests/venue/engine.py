"""An account at an exchange: orders, fills, positions, money. One engine behind every fake venue."""

import itertools
from dataclasses import dataclass, field


@dataclass
class VenueOrder:
    id: str
    client_id: str
    symbol: str
    side: str
    quantity: float
    price: float
    placed_at: float
    stop_price: float | None = None
    reduce_only: bool = False
    filled: float = 0.0

    @property
    def left(self) -> float:
        return self.quantity - self.filled


@dataclass
class VenuePosition:
    quantity: float = 0.0  # below 0 is short
    entry: float = 0.0
    leverage: float = 5.0
    margin_mode: str = "cross"


@dataclass(frozen=True)
class VenueFill:
    id: int
    symbol: str
    order: str
    side: str
    quantity: float
    price: float
    at: float


@dataclass(frozen=True)
class VenueWithdrawal:
    id: str
    currency: str
    amount: float
    at: float


class VenueRefusal(Exception):
    """An order that an exchange would not accept."""


@dataclass
class Engine:
    """`spot`: a purchase becomes a coin in the account; otherwise it is a position backed by cash."""

    spot: bool
    cash: float
    prices: dict[str, float]
    stake: str = "USDT"
    orders: dict[str, VenueOrder] = field(default_factory=dict)
    positions: dict[str, VenuePosition] = field(default_factory=dict)
    fills: list[VenueFill] = field(default_factory=list)
    withdrawals: list[VenueWithdrawal] = field(default_factory=list)
    filled: int = 0
    _ids: itertools.count = field(default_factory=lambda: itertools.count(1000))

    def held(self, symbol: str) -> float:
        return self.positions[symbol].quantity if symbol in self.positions else 0.0

    @property
    def worth(self) -> float:
        """The account's money with its positions at present prices."""
        if self.spot:
            return self.cash + sum(each.quantity * self.prices[name] for name, each in self.positions.items())
        return self.cash + sum(
            each.quantity * (self.prices[name] - each.entry) for name, each in self.positions.items()
        )

    def place(
        self,
        symbol: str,
        side: str,
        quantity: float,
        at: float,
        *,
        stop_price: float | None = None,
        reduce_only: bool = False,
        client_id: str = "",
    ) -> VenueOrder:
        """Accept an order that waits; `fill` fills it."""
        if quantity <= 0 or symbol not in self.prices:
            raise VenueRefusal(f"{symbol}: {quantity}")
        price = self.prices[symbol]
        number = str(next(self._ids))
        order = VenueOrder(
            number, client_id or f"c{number}", symbol, side, quantity, price, at, stop_price, reduce_only
        )
        self.orders[number] = order
        return order

    def cancel(self, number: str) -> None:
        self.orders.pop(number, None)

    def fill(self, number: str, at: float, quantity: float | None = None) -> VenueFill | None:
        """Fill the rest of an order, or a part.

        An order that may only reduce never opens or turns a position.
        """
        order = self.orders[number]
        amount = order.left if quantity is None else min(quantity, order.left)
        sign = 1 if order.side == "buy" else -1
        held = self.held(order.symbol)
        if order.reduce_only:
            amount = min(amount, max(0.0, -held * sign))
        if self.spot and sign < 0:
            amount = min(amount, held)
        done = None
        if amount > 0:
            self._move(order.symbol, sign * amount, self.prices[order.symbol])
            price = self.prices[order.symbol]
            done = VenueFill(next(self._ids), order.symbol, number, order.side, amount, price, at)
            self.fills.append(done)
            self.filled += 1
            order.filled += amount
        if order.left <= 1e-12 or amount == 0:
            del self.orders[number]
        return done

    def market(
        self, symbol: str, side: str, quantity: float, at: float, **how: bool | str
    ) -> VenueFill | None:
        return self.fill(self.place(symbol, side, quantity, at, **how).id, at)

    def withdraw(self, amount: float, at: float) -> None:
        self.cash -= amount
        self.withdrawals.append(VenueWithdrawal(str(next(self._ids)), self.stake, amount, at))

    def _move(self, symbol: str, change: float, price: float) -> None:
        position = self.positions.setdefault(symbol, VenuePosition())
        before = position.quantity
        after = before + change
        if abs(after) < 1e-9:
            after = 0.0
        if self.spot:
            self.cash -= change * price
            position.quantity = after
            return
        closed = min(abs(before), abs(change)) if before * change < 0 else 0.0
        if closed:
            self.cash += closed * (price - position.entry) * (1 if before > 0 else -1)
        if before * after <= 0:
            position.entry = price
        elif abs(after) > abs(before):
            position.entry = (position.entry * before + price * change) / after
        position.quantity = after
