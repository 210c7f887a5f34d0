"""The answers of Freqtrade's REST API, as far as they are read."""

from typing import Annotated, Literal

from pydantic import Field

from exporter.reading import Trade
from exporter.sources.input import (
    Answer,
    Count,
    Label,
    Lenient,
    Needed,
    NeededId,
    Positive,
    Real,
)

_Milliseconds = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e14)]
_Seconds = Annotated[Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e11)] | None, Lenient]
_Percent = Annotated[Annotated[Needed, Field(ge=0, le=100)] | None, Lenient]


class Config(Answer):
    """/show_config."""

    state: Annotated[Literal["running", "paused", "stopped", "reload_config"] | None, Lenient] = None
    available_capital: Real = None


class Health(Answer):
    """/health: the loop's last pass and its start."""

    last_process_ts: _Seconds = None
    bot_startup_ts: _Seconds = None


class Balance(Answer):
    """/balance; its totals are not read: they fell by a third in an outage.

    `starting_capital` is below 0 where the owner took out more than he put in.
    """

    starting_capital: Real = None


class Profit(Answer):
    """/profit."""

    closed_trade_count: Count = None
    profit_closed_coin: Real = None
    profit_all_coin: Real = None


class TradeCount(Answer):
    """/count."""

    total_stake: Positive = None


class System(Answer):
    """/sysinfo: the host's, never the bot's own use."""

    cpu_pct: Annotated[list[_Percent] | None, Lenient] = None
    ram_pct: _Percent = None


class Day(Answer):
    """A row of /daily, /weekly or /monthly."""

    abs_profit: Real = None


class Days(Answer):
    """/daily, /weekly or /monthly: the current one first."""

    data: list[Day]


class Order(Answer):
    """An order of an open trade."""

    is_open: bool


class OpenTrade(Answer):
    """An entry of /status; `amount` is 0 until its entry is filled."""

    pair: Label
    amount: Needed
    current_rate: Real = None
    orders: tuple[Order, ...] = ()


class Status(Answer):
    """/status, which answers a bare list."""

    trades: list[Annotated[OpenTrade | None, Lenient]]


class ClosedTrade(Answer):
    """An entry of /trades. Ids are used again after cancelled entries: the key has the opening time too."""

    trade_id: NeededId
    pair: Label
    is_short: bool = False
    open_timestamp: _Milliseconds
    close_timestamp: _Milliseconds
    close_profit_abs: Needed
    stake_amount: Positive = None

    def closed(self) -> Trade:
        """Return it as a plain value."""
        opened = self.open_timestamp / 1000
        return Trade(
            key=(self.trade_id, opened),
            symbol=self.pair,
            side="short" if self.is_short else "long",
            opened_at=opened,
            closed_at=self.close_timestamp / 1000,
            profit=self.close_profit_abs,
            stake=self.stake_amount,
        )


class TradePage(Answer):
    """/trades."""

    trades: list[Annotated[ClosedTrade | None, Lenient]]
    total_trades: NeededId


# [formatted time, milliseconds, logger, level, message]
LogRecord = tuple[str, _Milliseconds, str, str, str]


class Logs(Answer):
    """/logs: the last 1000 records."""

    logs: list[Annotated[LogRecord | None, Lenient]]
