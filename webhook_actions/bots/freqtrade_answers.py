"""Freqtrade's answers, as far as acting needs them."""

from pydantic import BaseModel

from webhook_actions.bots.calls import Known
from webhook_actions.bots.protocol import Position, Trade

_MILLISECONDS = 1000.0
_EXCHANGE = "freqtrade.exchange"  # loggers of its calls
_PASS = 5.0  # seconds between two passes of the loop: Freqtrade's own default
_FAILURES = ("WARNING", "ERROR", "CRITICAL")
EVERY_PAIR = "*"


class Config(BaseModel):
    """/show_config. `max_open_trades` is 0 where entries were stopped by /stopentry or /stopbuy."""

    state: str
    version: str | None = None
    api_version: Known = None
    max_open_trades: Known = None

    @property
    def enters_nothing(self) -> bool:
        """Whether its trading loop enters nothing, whatever it is locked against."""
        return self.state in ("paused", "stopped") or self.max_open_trades == 0


class LogPage(BaseModel):
    """/logs: each record is a date, milliseconds, logger, level and message, oldest first."""

    logs: list[tuple[object, float, str, str, object]]

    def failed_passes(self, since: float) -> int:
        """Return how many passes of the loop after a unix time logged a failed call to the exchange."""
        failed = {
            int(at / _MILLISECONDS // _PASS)
            for _, at, logger, level, _ in self.logs
            if logger.startswith(_EXCHANGE) and level in _FAILURES
        }
        return sum(each * _PASS >= since for each in failed)


class PlacedOrder(BaseModel):
    """An order of an open trade, as far as it was placed at the exchange."""

    is_open: bool | None = False
    ft_order_side: str | None = ""  # buy, sell or stoploss
    order_type: str | None = None


class OpenTrade(BaseModel):
    """An entry of /status; `amount` is 0 while the entry's order waits to be filled, None is unknown."""

    trade_id: int
    pair: str
    is_short: bool | None = False
    amount: Known = None
    stake_amount: Known = None
    profit_abs: Known = None
    profit_ratio: Known = None
    stop_loss_ratio: Known = None
    has_open_orders: bool | None = False
    orders: list[PlacedOrder] | None = None  # older ones do not list them

    @property
    def side(self) -> str:
        """`long` or `short`."""
        return "short" if self.is_short else "long"

    @property
    def is_entering(self) -> bool:
        """Whether an order that makes it larger waits."""
        if self.orders is None:
            return bool(self.has_open_orders) and self.amount == 0
        return any(order.ft_order_side == self._entry for order in self._waiting)

    @property
    def is_exiting(self) -> bool:
        """Whether an order that makes it smaller waits, other than its stop loss."""
        if self.orders is None:
            return bool(self.has_open_orders) and self.amount != 0
        return any(order.ft_order_side == self._exit for order in self._waiting)

    @property
    def exits_at_the_market(self) -> bool:
        """Whether the order that makes it smaller will be filled at any price."""
        return any(o.ft_order_side == self._exit and o.order_type == "market" for o in self._waiting)

    @property
    def _waiting(self) -> list[PlacedOrder]:
        return [order for order in self.orders or () if order.is_open]

    @property
    def _entry(self) -> str:
        return "sell" if self.is_short else "buy"

    @property
    def _exit(self) -> str:
        return "buy" if self.is_short else "sell"

    def is_risky(self, mean_stake: float | None) -> bool | None:
        """Return whether it is over half the way to its stop loss, or over twice as large as the mean.

        None where the way, or the mean, is unknown and the other says nothing.
        """
        sizes = self.stake_amount is not None and mean_stake is not None
        large = self.stake_amount > 2 * mean_stake if sizes else None  # type: ignore[operator]
        if self.stop_loss_ratio is None:
            near: bool | None = False
        elif self.profit_ratio is None:
            near = None
        else:
            near = self.profit_ratio < min(self.stop_loss_ratio, 0) / 2
        return True if large or near else None if None in (large, near) else False

    def position(self, mean_stake: float | None) -> Position:
        """Return it as a position."""
        value = 0.0 if self.amount == 0 else self.stake_amount
        return Position(self.pair, self.side, value, self.profit_abs, self.amount, self.is_risky(mean_stake))


def mean_stake(trades: list[OpenTrade]) -> float | None:
    """Return the mean money of a trade, None where there is none or one is unknown."""
    stakes = [trade.stake_amount for trade in trades]
    known = [stake for stake in stakes if stake is not None]
    return sum(known) / len(known) if known and len(known) == len(stakes) else None


class ListedTrade(BaseModel):
    """An entry of /trades; times are milliseconds."""

    pair: str
    is_short: bool | None = False
    is_open: bool | None = False
    open_timestamp: float
    close_timestamp: Known = None
    profit_abs: Known = None

    def closed(self) -> Trade | None:
        """Return the trade, None while it is open."""
        if self.is_open or self.close_timestamp is None or self.profit_abs is None:
            return None
        return Trade(
            self.pair,
            "short" if self.is_short else "long",
            self.open_timestamp / _MILLISECONDS,
            self.close_timestamp / _MILLISECONDS,
            self.profit_abs,
        )


class TradePage(BaseModel):
    """A page of /trades."""

    trades: list[ListedTrade]
    total_trades: int


class Lock(BaseModel):
    """A pair, or every pair, that is not entered on a side, or on both (`*`)."""

    id: int
    pair: str
    side: str = "*"
    active: bool = True
    reason: str | None = None

    @property
    def forbids_all(self) -> bool:
        """Whether it forbids every entry."""
        return self.active and self.pair == EVERY_PAIR and self.side == "*"


class Locks(BaseModel):
    """/locks."""

    locks: list[Lock]
