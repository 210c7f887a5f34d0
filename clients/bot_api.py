"""The JSON of the bot API (docs/bot-api.md), from an answer, a push or a file."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from clients.books import Books, Order, held
from clients.input import (
    Answer,
    Capped,
    Count,
    Flag,
    Label,
    Lenient,
    Needed,
    NeededId,
    NeededTime,
    Positive,
    Price,
    Ratio,
    Real,
    Time,
)
from clients.trading import Leg, Position, Trade, WaitingOrder, slippage

STATES = ("running", "paused", "stopped")


class OpenPosition(Answer):
    """An open position. A short position's `size` may be negative or positive."""

    symbol: Label
    side: str | None = ""
    size: Real = None
    price: Real = None
    profit: Real = None
    risky: Annotated[bool | None, Lenient] = None
    stop_price: Price = None
    stop_at_exchange: Annotated[bool | None, Lenient] = None
    liquidation_price: Price = None
    leverage: Price = None
    margin_ratio: Positive = None
    funding_paid: Real = None
    opened_at: Time = None

    def position(self, *, managed: bool = True) -> Position:
        """Return the position as a plain value.

        If the bot does not manage it, only the exchange's stop is live.
        """
        size = None if self.size is None else abs(self.size)
        at_exchange = bool(self.stop_at_exchange)
        return Position(
            symbol=self.symbol,
            side=self.side or "",
            value=None if size is None or self.price is None else size * self.price,
            profit=self.profit,
            quantity=size,
            risky=self.risky,
            price=self.price,
            stop=self.stop_price if managed or at_exchange else None,
            stop_at_exchange=at_exchange,
            liquidation=self.liquidation_price,
            leverage=self.leverage,
            margin_ratio=self.margin_ratio,
            funding_paid=self.funding_paid,
            opened_at=self.opened_at,
        )


class OpenOrder(Answer):
    """An order at the exchange. An order that `rests` is meant to wait, like a stop or a take-profit.

    `id` is the exchange's, `size` the unfilled part.
    """

    symbol: Label
    placed_at: NeededTime
    rests: Annotated[bool | None, Lenient] = None
    id: Annotated[Label | None, Lenient] = None
    side: Annotated[Literal["buy", "sell"] | None, Lenient] = None
    size: Positive = None
    filled: Positive = None

    def order(self) -> Order:
        """Return the order as a plain value."""
        return Order(
            self.symbol, self.side or "", self.size, self.id or "", self.filled or 0.0, bool(self.rests)
        )


class Times(Answer):
    """Durations as a histogram: cumulative counts by upper bound, in seconds."""

    count: NeededId
    sum: Annotated[Needed, Field(ge=0)]
    buckets: dict[str, NeededId]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        try:
            buckets = self.rising()
        except ValueError:
            raise PydanticCustomError("histogram", "bounds are numbers, like 0.5 or +Inf") from None
        counts = [count for _, count in buckets]
        rising = counts == sorted(counts) and all(low < high for (low, _), (high, _) in pairwise(buckets))
        if not rising or not buckets or buckets[-1] != (float("inf"), self.count):
            raise PydanticCustomError(
                "histogram", "counts must rise with the bound up to +Inf, which holds them all"
            )
        return self

    def rising(self) -> tuple[tuple[float, int], ...]:
        """Return the bounds in order, each with its count.

        Raises ValueError for a bound that is no number.
        """
        return tuple(sorted((float(bound), count) for bound, count in self.buckets.items()))


class _Api(Answer):
    requests_ok_total: Count = None
    requests_error_total: Count = None
    response_seconds: Annotated[Times | None, Lenient] = None


class Quality(Answer):
    """A bot's figures of a model that are plain numbers; the catalogue has the same names."""

    model_loaded: Flag = Field(None, alias="loaded")
    model_accuracy: Ratio = Field(None, alias="accuracy")
    model_precision: Ratio = Field(None, alias="precision")
    model_recall: Ratio = Field(None, alias="recall")
    model_f1_score: Ratio = Field(None, alias="f1_score")
    model_auc: Ratio = Field(None, alias="auc")
    prediction_confidence: Ratio = None
    prediction_uncertainty: Positive = None
    prediction_time_seconds: Positive = Field(None, alias="prediction_seconds")
    predictions_per_hour: Positive = None
    last_prediction_timestamp_seconds: Time = Field(None, alias="last_prediction_at")
    model_drift_detected: Flag = Field(None, alias="drift_detected")
    model_drift_score: Positive = Field(None, alias="drift_score")
    model_last_retraining_timestamp_seconds: Time = Field(None, alias="last_retraining_at")
    model_retrainings_total: Count = Field(None, alias="retrainings_total")
    data_quality_score: Ratio = None
    missing_data_ratio: Ratio = None
    outlier_ratio: Ratio = None


class Model(Quality):
    """A bot's figures of a model."""

    prediction_times: Annotated[Times | None, Lenient] = None


class Figures(Answer):
    """A bot's figures of a market that are plain numbers; the catalogue has the same names."""

    market_volatility_ratio: Positive = Field(None, alias="volatility_ratio")
    market_liquidity_score: Ratio = Field(None, alias="liquidity_score")
    market_volume_24h: Positive = Field(None, alias="volume_24h")
    market_volume_change_24h_ratio: Real = Field(None, alias="volume_change_24h_ratio")
    market_rsi: Annotated[Annotated[Needed, Field(ge=0, le=100)] | None, Lenient] = Field(None, alias="rsi")
    market_macd: Real = Field(None, alias="macd")
    market_bollinger_position: Real = Field(None, alias="bollinger_position")
    market_support_resistance_strength: Ratio = Field(None, alias="support_resistance_strength")


class Market(Figures):
    """A bot's figures of a market."""

    trend: Annotated[Literal["up", "down", "sideways"] | None, Lenient] = None
    regime: Annotated[Literal["calm", "volatile", "trending"] | None, Lenient] = None
    price_change_1h_ratio: Real = None
    price_change_24h_ratio: Real = None


class _Process(Answer):
    pid: Annotated[Annotated[int, Field(strict=True, gt=0, le=2**31)] | None, Lenient] = None


class Measured(Answer):
    """The figures that a bot measures while it runs."""

    api: Annotated[_Api | None, Lenient] = None
    feeds: Annotated[dict[Label, Time] | None, Capped, Lenient] = None
    models: Annotated[dict[Label, Annotated[Model | None, Lenient]] | None, Capped, Lenient] = None
    market: Annotated[dict[Label, Annotated[Market | None, Lenient]] | None, Capped, Lenient] = None


def _known(word: str, info: ValidationInfo) -> str:
    """Refuse an unknown word for the bot's state. Only the exporter does so; the adapters accept any word."""
    if info.context is not None and word not in STATES:
        raise PydanticCustomError("literal_error", "Input should be 'running', 'paused' or 'stopped'")
    return word


class State(Measured):
    """A bot's whole state, without its trades.

    A None in `open_positions` is an unreadable position: the open positions are then unknown.
    """

    time: Time = None
    state: Annotated[Annotated[Label, AfterValidator(_known)] | None, Lenient] = None
    started_at: Time = None
    last_activity_at: Time = None
    starting_capital: Real = None
    equity: Real = None
    profit_realised: Real = None
    profit_open: Real = None
    exposure: Positive = None
    max_exposure: Positive = None
    open_positions: Annotated[list[Annotated[OpenPosition | None, Lenient]] | None, Lenient] = None
    pending_orders: Count = None
    open_orders: Annotated[list[Annotated[OpenOrder | None, Lenient]] | None, Lenient] = None
    trades_closed: Count = None
    last_trade_id: Count = None
    trades_revision: Count = None
    process: Annotated[_Process | None, Lenient] = None
    order_ids: Annotated[list[Label] | None, Lenient] = None

    @property
    def positions(self) -> tuple[Position, ...] | None:
        """The positions that are not empty; None for an unreadable one: the bot may hold more then."""
        known = [each for each in self.open_positions or () if each is not None]
        return self.readable_positions if known == self.open_positions else None

    @property
    def readable_positions(self) -> tuple[Position, ...]:
        """The readable positions."""
        managed = self.state != "stopped"
        known = [each for each in self.open_positions or () if each is not None and each.size != 0]
        return tuple(each.position(managed=managed) for each in known)

    @property
    def waiting_orders(self) -> tuple[WaitingOrder, ...]:
        """The readable orders that are not meant to rest."""
        known = [each for each in self.open_orders or () if each is not None and not each.rests]
        return tuple(WaitingOrder(each.symbol, each.placed_at) for each in known)

    def books(self, now: float) -> Books | None:
        """Return the bot's books, or None if a position is unreadable."""
        if self.positions is None or any(each.quantity is None for each in self.positions):
            return None
        told = self.open_orders
        orders = None if told is None or None in told else tuple(each.order() for each in told if each)
        return Books(
            at=now,
            holdings=held(self.positions),
            orders=orders,
            order_ids=None if self.order_ids is None else frozenset(self.order_ids),
        )


class ClosedTrade(Answer):
    """A closed trade as a bot reports it."""

    id: NeededId
    symbol: Label
    side: Literal["long", "short"]
    opened_at: NeededTime
    closed_at: NeededTime
    profit: Needed
    stake: Positive = None
    size: Positive = None
    entry_price: Positive = None
    entry_price_requested: Positive = None
    exit_price: Positive = None
    exit_price_requested: Positive = None
    fees: Real = None
    corrected_at: Time = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.closed_at < self.opened_at:
            raise PydanticCustomError(
                "order",
                "closed_at {closed} is before opened_at {opened}",
                {"closed": self.closed_at, "opened": self.opened_at},
            )
        return self

    def closed(self) -> Trade:
        """Return the trade as a plain value."""
        key = (self.id, self.opened_at)
        slipped = slippage(
            self.side,
            Leg(self.entry_price_requested, self.entry_price, self.size),
            Leg(self.exit_price_requested, self.exit_price, self.size),
        )
        times = (self.opened_at, self.closed_at)
        return Trade(key, self.symbol, self.side, *times, self.profit, self.stake, slipped, self.fees)


class TradePage(Answer):
    """/trades; None is an unreadable entry."""

    trades: list[Annotated[ClosedTrade | None, Lenient]]
    more: bool = False
