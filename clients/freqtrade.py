"""The fields of Freqtrade's REST API that Nightdesk reads.

A figure that is null, NaN or of another type becomes None, which means unknown. An entry without its identity
is left out.
"""

from itertools import pairwise
from typing import Annotated

from pydantic import Field

from clients.input import Answer, Count, Label, Lenient, Needed, NeededId, Positive, Price, Real
from clients.trading import Leg, Position, Side, Trade, WaitingOrder, slippage

_MILLISECONDS = 1000.0
_EXCHANGE = "freqtrade.exchange"  # loggers of its calls
_CALLS = "freqtrade.exchange.common"  # this logger warns only of failed calls
_FOR_GOOD = ("Giving up", "Could not load markets", "Could not reload markets", "nable to initialize markets")
PASS = 5.0  # seconds between two passes of the loop: its default of internals.process_throttle_secs
_FAILURES = ("WARNING", "ERROR", "CRITICAL")
_LOOP = "freqtrade.worker"
_GIVEN_UP = ("Giving up", ", retrying in ")  # a call; the pass, after which the loop sleeps half a minute
_SLEEP = 60.0  # seconds within which it has failed again then, if the exchange is still out
EVERY_PAIR = "*"

STOP = "stoploss"  # the side of an order that is a stop loss, at the exchange
_NO_STOP = -0.99  # a loss of all but a hundredth: strategies without a stop use it

_Milliseconds = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e14)]
_Seconds = Annotated[Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e11)] | None, Lenient]
_Moment = Annotated[_Milliseconds | None, Lenient]
_Percent = Annotated[Annotated[Needed, Field(ge=0, le=100)] | None, Lenient]


class Config(Answer):
    """/show_config. `max_open_trades` is 0 after /stopentry or /stopbuy."""

    state: str
    version: Annotated[str | None, Lenient] = None
    api_version: Real = None
    max_open_trades: Real = None
    available_capital: Real = None
    dry_run: bool | None = False
    trading_mode: Annotated[str | None, Lenient] = None
    margin_mode: Annotated[str | None, Lenient] = None
    stake_currency: Annotated[str | None, Lenient] = None

    @property
    def enters_nothing(self) -> bool:
        """Whether its trading loop opens no trade at all, even without locks."""
        return self.state in ("paused", "stopped") or self.max_open_trades == 0


class Health(Answer):
    """/health: the loop's last pass and its start."""

    last_process_ts: _Seconds = None
    bot_startup_ts: _Seconds = None


class Profit(Answer):
    """/profit."""

    closed_trade_count: Count = None
    profit_closed_coin: Real = None
    profit_all_coin: Real = None


class TradeCount(Answer):
    """/count."""

    total_stake: Positive = None


class System(Answer):
    """/sysinfo: the use of the host, never that of the bot."""

    cpu_pct: Annotated[list[_Percent] | None, Lenient] = None
    ram_pct: _Percent = None


class Day(Answer):
    """A row of /daily, /weekly or /monthly."""

    abs_profit: Real = None


class Days(Answer):
    """/daily, /weekly or /monthly: the current one first."""

    data: list[Day]


class PlacedOrder(Answer):
    """An order of an open trade that was placed at the exchange."""

    is_open: bool | None = False
    ft_order_side: str | None = ""  # buy, sell or stoploss
    order_type: str | None = None
    order_timestamp: _Moment = None
    order_id: Annotated[str | None, Lenient] = None
    remaining: Positive = None
    filled: Positive = None


class OpenTrade(Answer):
    """An entry of /status. `amount` is 0 while the entry order waits to be filled; None is unknown."""

    trade_id: int
    pair: Label
    is_short: bool | None = False
    amount: Real = None
    current_rate: Real = None
    stake_amount: Real = None
    profit_abs: Real = None
    realized_profit: Real = None  # of the part that was sold already; older versions sell only the whole
    total_profit_abs: Real = None
    profit_ratio: Real = None
    open_rate: Price = None
    open_timestamp: _Moment = None
    open_fill_timestamp: _Moment = None
    stop_loss_abs: Price = None
    stop_loss_ratio: Real = None
    liquidation_price: Price = None
    leverage: Price = None
    funding_fees: Real = None  # funding: above 0 received, below 0 paid
    has_open_orders: bool | None = False
    orders: list[PlacedOrder] | None = None  # older versions do not list them

    @property
    def side(self) -> str:
        """`long` or `short`."""
        return "short" if self.is_short else "long"

    @property
    def whole_profit(self) -> float | None:
        """The profit of the sold and of the held part, None if unknown."""
        if self.amount == 0:
            return 0.0
        if self.total_profit_abs is not None or self.profit_abs is None:
            return self.total_profit_abs
        return self.profit_abs + (self.realized_profit or 0.0)

    @property
    def is_entering(self) -> bool:
        """Whether an order that enlarges the trade waits."""
        if self.orders is None:
            return bool(self.has_open_orders) and self.amount == 0
        return any(order.ft_order_side == self._entry for order in self._waiting)

    @property
    def is_exiting(self) -> bool:
        """Whether an order that reduces the trade waits, other than its stop loss."""
        if self.orders is None:
            return bool(self.has_open_orders) and self.amount != 0
        return any(order.ft_order_side == self._exit for order in self._waiting)

    @property
    def exits_at_the_market(self) -> bool:
        """Whether the order that reduces the trade will be filled at any price."""
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
        """Return whether it went half the way to its stop loss or liquidation, or is twice as large as the
        mean.

        None if a distance, or the mean, is unknown and no other says that it is risky.
        """
        sizes = self.stake_amount is not None and mean_stake is not None
        large = self.stake_amount > 2 * mean_stake if sizes else None  # type: ignore[operator]
        if self.stop_loss_ratio is None:
            near: bool | None = False
        elif self.profit_ratio is None:
            near = None
        else:
            near = self.profit_ratio < min(self.stop_loss_ratio, 0) / 2
        signs = (large, near, self._nears_liquidation)
        return True if any(signs) else None if None in signs else False

    @property
    def _nears_liquidation(self) -> bool | None:
        if self.liquidation_price is None:
            return False
        if self.open_rate is None or self.current_rate is None:
            return None
        way, left = self.open_rate - self.liquidation_price, self.current_rate - self.liquidation_price
        return left < way / 2 if way > 0 else left > way / 2

    def position(self, mean_stake: float | None, *, managed: bool = True, ahead: float = 0.0) -> Position:
        """Return the trade as a position. If the bot does not manage it, only the exchange's stop is live.
        The bot's clock is `ahead` of ours by that many seconds.
        """
        opened = self.open_fill_timestamp or self.open_timestamp
        at_exchange = any(order.ft_order_side == STOP for order in self._waiting)
        none = self.stop_loss_ratio is not None and self.stop_loss_ratio <= _NO_STOP
        return Position(
            symbol=self.pair,
            side=self.side,
            value=0.0 if self.amount == 0 else self.stake_amount,
            profit=self.profit_abs,
            quantity=self.amount,
            risky=self.is_risky(mean_stake),
            price=self.current_rate,
            stop=self.stop_loss_abs if at_exchange or (managed and not none) else None,
            stop_at_exchange=at_exchange,
            liquidation=self.liquidation_price,
            leverage=self.leverage,
            funding_paid=None if self.funding_fees is None else 0.0 - self.funding_fees,
            opened_at=None if opened is None else opened / _MILLISECONDS - ahead,
        )

    def waiting_orders(self, ahead: float) -> tuple[WaitingOrder, ...]:
        """Return its orders that wait to be filled, without its stop loss; `ahead` is as above."""
        return tuple(
            WaitingOrder(self.pair, order.order_timestamp / _MILLISECONDS - ahead)
            for order in self._waiting
            if order.ft_order_side != STOP and order.order_timestamp is not None
        )


def mean_stake(trades: list[OpenTrade]) -> float | None:
    """Return the mean money of a trade, None without a trade or if one is unknown."""
    stakes = [trade.stake_amount for trade in trades]
    known = [stake for stake in stakes if stake is not None]
    return sum(known) / len(known) if known and len(known) == len(stakes) else None


class Status(Answer):
    """/status, which answers a bare list; None is an unreadable entry."""

    trades: list[Annotated[OpenTrade | None, Lenient]]


class ClosedTrade(Answer):
    """An entry of /trades. Freqtrade uses ids again after cancelled entries, so the key has the opening time,
    too.

    With several entries, `open_rate` is their mean and `open_rate_requested` the last one's. Exits work the
    same.
    """

    trade_id: NeededId
    pair: Label
    is_short: bool | None = False
    open_timestamp: _Milliseconds
    close_timestamp: _Milliseconds
    close_profit_abs: Needed
    stake_amount: Positive = None
    amount: Positive = None
    open_rate: Positive = None
    open_rate_requested: Positive = None
    close_rate: Positive = None
    close_rate_requested: Positive = None
    nr_of_successful_entries: Count = None
    nr_of_successful_exits: Count = None
    fee_open: Real = None
    fee_close: Real = None
    orders: Annotated[list[PlacedOrder] | None, Lenient] = None

    def closed(self) -> Trade:
        """Return the trade as a plain value."""
        opened = self.open_timestamp / _MILLISECONDS
        side: Side = "short" if self.is_short else "long"
        entered = self.open_rate_requested if self.nr_of_successful_entries == 1 else None
        left = self.close_rate_requested if self.nr_of_successful_exits == 1 else None
        return Trade(
            key=(self.trade_id, opened),
            symbol=self.pair,
            side=side,
            opened_at=opened,
            closed_at=self.close_timestamp / _MILLISECONDS,
            profit=self.close_profit_abs,
            stake=self.stake_amount,
            slippage=slippage(
                side, Leg(entered, self.open_rate, self.amount), Leg(left, self.close_rate, self.amount)
            ),
            fees=self._fees,
            order_ids=tuple(each.order_id for each in self.orders or () if each.order_id),
        )

    @property
    def _fees(self) -> float | None:
        """The money of both fees, from their ratios: an exchange may take the fees in another coin."""
        legs = ((self.fee_open, self.open_rate), (self.fee_close, self.close_rate))
        paid = [
            ratio * rate * self.amount
            for ratio, rate in legs
            if ratio is not None and rate is not None and self.amount is not None
        ]
        return sum(paid) if len(paid) == len(legs) else None


class TradePage(Answer):
    """/trades; None is an unreadable entry."""

    trades: list[Annotated[ClosedTrade | None, Lenient]]
    total_trades: NeededId


# [formatted time, milliseconds, logger, level, message]
LogRecord = tuple[str, _Milliseconds, str, str, str]


class Logs(Answer):
    """/logs: the last 1000 records."""

    logs: list[Annotated[LogRecord | None, Lenient]]

    @property
    def last_at(self) -> float | None:
        """The unix time of the last record, by the bot's clock."""
        return next((record[1] / _MILLISECONDS for record in reversed(self.logs) if record), None)

    def failed_passes(self) -> set[int]:
        """Return the numbers of the trading loop's passes (time / PASS) that logged a failed call to the
        exchange.

        It counts passes, not lines: one lost call writes one to six lines, an outage a thousand in 40 s.
        After a call that failed for good the loop sleeps. If the next call fails, too, the passes between
        count as failed.
        """
        failed = [
            (record[1] / _MILLISECONDS, any(words in record[4] for words in _GIVEN_UP))
            for record in self.logs
            if record is not None and record[3] in _FAILURES and _is_of_exchange(record)
        ]
        passes = {int(at // PASS) for at, _ in failed}
        for (at, given_up), (after, _) in pairwise(failed):
            if given_up and after - at <= _SLEEP:
                passes |= set(range(int(at // PASS), int(after // PASS)))
        return passes

    def exchange_is_out(self, since: float) -> bool:
        """Return whether calls to the exchange failed after a unix time, one for good or some in several
        passes.

        After a call that failed for good the loop sleeps half a minute, so that few passes show an outage.
        """
        failed = [
            record
            for record in self.logs
            if record is not None
            and record[1] / _MILLISECONDS >= since
            and record[2].startswith(_EXCHANGE)
            and record[3] in _FAILURES
        ]
        for_good = any(words in record[4] for record in failed for words in _FOR_GOOD)
        passes = {record[1] / _MILLISECONDS // PASS for record in failed if record[2] == _CALLS}
        return for_good or len(passes) > 1


def _is_of_exchange(record: LogRecord) -> bool:
    return record[2].startswith(_EXCHANGE) or (record[2] == _LOOP and _GIVEN_UP[1] in record[4])


def own_time(logs: Logs | None, health: Health | None) -> float | None:
    """Return the unix time by the bot's own clock, which may differ from ours; None if the bot reports none.

    It is the time of the last record or of the loop's last pass, because a quiet log shows no time.
    """
    told = (logs.last_at if logs else None, health.last_process_ts if health else None)
    return max((at for at in told if at is not None), default=None)


class Lock(Answer):
    """A lock of one pair or of all pairs, against entries on one side or on both (`*`)."""

    id: int
    pair: str
    side: str = "*"
    active: bool = True
    reason: str | None = None

    @property
    def forbids_all(self) -> bool:
        """Whether it forbids every entry."""
        return self.active and self.pair == EVERY_PAIR and self.side == "*"


class Locks(Answer):
    """/locks."""

    locks: list[Lock]
