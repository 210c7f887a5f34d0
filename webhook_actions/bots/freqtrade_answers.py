"""Freqtrade's answers, as far as acting needs them."""

from typing import Annotated

from pydantic import BaseModel, Field

from webhook_actions.bots.protocol import Position, Trade

Real = Annotated[float, Field(allow_inf_nan=False)]
_MILLISECONDS = 1000.0
EVERY_PAIR = "*"


class Config(BaseModel):
    """/show_config."""

    state: str


class OpenTrade(BaseModel):
    """An entry of /status; `amount` is 0 while the entry's order waits to be filled."""

    trade_id: int
    pair: str
    is_short: bool = False
    amount: Real
    stake_amount: Real
    profit_abs: Real | None = None
    profit_ratio: Real | None = None
    stop_loss_ratio: Real | None = None
    has_open_orders: bool = False

    @property
    def side(self) -> str:
        """`long` or `short`."""
        return "short" if self.is_short else "long"

    @property
    def is_losing(self) -> bool:
        """Whether closing it now would lose money."""
        return self.profit_abs is not None and self.profit_abs < 0

    def is_risky(self, mean_stake: float) -> bool:
        """Return whether it is over half the way to its stop loss, or over twice as large as the mean."""
        near = (
            self.profit_ratio is not None
            and self.stop_loss_ratio is not None
            and self.profit_ratio < min(self.stop_loss_ratio, 0) / 2
        )
        return near or self.stake_amount > 2 * mean_stake

    def position(self) -> Position:
        """Return it as a position."""
        return Position(self.pair, self.side, self.stake_amount if self.amount else 0.0, self.profit_abs)


class ListedTrade(BaseModel):
    """An entry of /trades; times are milliseconds."""

    pair: str
    is_short: bool = False
    is_open: bool = False
    open_timestamp: Real
    close_timestamp: Real | None = None
    profit_abs: Real | None = None

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
