"""The books of an account, as plain values: what an exchange, or the bots that trade there, say it holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from clients.trading import Position

_SIGNS = {"buy": 1, "sell": -1}


def market_key(symbol: str) -> str:
    """Return what names a market however it is written: `BTC/USDT:USDT`, `BTC-USDT` and `btcusdt` are one."""
    return "".join(char for char in symbol.partition(":")[0].upper() if char.isalnum())


@dataclass(frozen=True)
class Holding:
    """What is held of a market: units of the asset, below 0 of a short one; None is unknown.

    `stop` are the units that its bot says a stop at the exchange protects.
    """

    symbol: str
    quantity: float
    price: float | None = None
    leverage: float | None = None
    margin_mode: str | None = None
    stop: float = 0.0

    def plus(self, other: "Holding") -> "Holding":
        """Return two holdings of a market as an exchange has them: as one position."""
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
    """An open order; `quantity` is what is left to be filled, None unknown, `side` empty where it is unknown.

    `id` is the exchange's, empty where it is unknown; `is_stop` says that it waits for a price to protect.
    """

    symbol: str
    side: str
    quantity: float | None
    id: str = ""
    filled: float = 0.0
    is_stop: bool = False

    @property
    def sign(self) -> int:
        """1 where it buys, -1 where it sells, 0 where that is unknown."""
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
        """1 where it bought, -1 where it sold, 0 where that is unknown."""
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
    """What one side says at a unix time; None is unknown, which is neither none nor zero.

    `holdings` are by `market_key`. `money` is what the account is worth, in the stake currency. `fills` and
    `withdrawals` are recent ones. Of bots, `order_ids` are those of their orders of late, `traded` the
    markets in which they had a position, an order or a trade of late. `loose` are the
    markets of bots that do not answer: what they ordered last is unknown there.
    `simulated` says that the bot trades on no exchange.
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
    """Return positions as holdings: those of a market together; of an unknown size there is none."""
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
