"""The books of an account, as plain values: its holdings as the exchange, or its bots, report them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from clients.trading import Position

_SIGNS = {"buy": 1, "sell": -1}


def market_key(symbol: str) -> str:
    """Return a market's key: `BTC/USDT:USDT`, `BTC-USDT` and `btcusdt` have the same key."""
    return "".join(char for char in symbol.partition(":")[0].upper() if char.isalnum())


@dataclass(frozen=True)
class Holding:
    """A holding in a market: units of the asset, below 0 for a short position; None is unknown.

    `stop` is the number of units that a stop at the exchange protects, as the bot reports it.
    """

    symbol: str
    quantity: float
    price: float | None = None
    leverage: float | None = None
    margin_mode: str | None = None
    stop: float = 0.0

    def plus(self, other: "Holding") -> "Holding":
        """Return the sum of two holdings: an exchange has one position in each market."""
        return replace(
            self,
            quantity=self.quantity + other.quantity,
            price=self.price if self.price is not None else other.price,
            leverage=self.leverage if self.leverage == other.leverage else None,
            margin_mode=self.margin_mode if self.margin_mode == other.margin_mode else None,
            stop=self.stop + other.stop,
        )


@dataclass(frozen=True)
class Order:
    """An open order. `quantity` is the unfilled part, None if unknown; `side` is empty if unknown.

    `id` is the exchange's, empty if unknown. `is_stop` marks an order that protects a position at a price.
    """

    symbol: str
    side: str
    quantity: float | None
    id: str = ""
    filled: float = 0.0
    is_stop: bool = False

    @property
    def sign(self) -> int:
        """1 for a purchase, -1 for a sale, 0 if unknown."""
        return _SIGNS.get(self.side, 0)


@dataclass(frozen=True)
class Fill:
    """A fill of an order at the exchange; `order` is the order's id."""

    symbol: str
    order: str
    side: str
    quantity: float
    at: float

    @property
    def sign(self) -> int:
        """1 for a purchase, -1 for a sale, 0 if unknown."""
        return _SIGNS.get(self.side, 0)


@dataclass(frozen=True)
class Withdrawal:
    """Money that left the account, in units of its currency."""

    id: str
    currency: str
    amount: float
    at: float


@dataclass(frozen=True)
class Books:
    """One side's report at a unix time. None is unknown, which is neither none nor zero.

    `holdings` are by `market_key`. `money` is the account's worth in the stake currency. `fills` and
    `withdrawals` are recent ones. Three fields are for bots: `order_ids` are their recent orders, `traded`
    the markets of their recent positions, orders and trades, `loose` the markets of bots that do not answer,
    whose last orders are unknown. `simulated` says that the bot trades on no exchange.
    """

    at: float
    holdings: Mapping[str, Holding]
    orders: tuple[Order, ...] | None = None
    money: float | None = None
    fills: tuple[Fill, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
    order_ids: frozenset[str] | None = None
    traded: frozenset[str] = field(default_factory=frozenset)
    loose: frozenset[str] = field(default_factory=frozenset)
    simulated: bool = False


def held(positions: Iterable[Position], margin_mode: str | None = None) -> dict[str, Holding]:
    """Return positions as one holding for each market; positions of unknown size are left out."""
    found: dict[str, Holding] = {}
    for each in positions:
        size, key = each.quantity or 0.0, market_key(each.symbol)
        one = Holding(
            each.symbol,
            -size if each.side == "short" else size,
            each.price,
            each.leverage,
            margin_mode,
            stop=size if each.stop_at_exchange else 0.0,
        )
        if size:
            found[key] = found[key].plus(one) if key in found else one
    return found
