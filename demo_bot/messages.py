"""Types the answers of the bot API."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """An answer; its numbers are finite."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class OpenPosition(Message):
    """An open position."""

    id: int
    symbol: str
    side: Literal["long", "short"]
    size: float
    """In units of the coin."""
    entry_price: float
    price: float
    """As the bot last saw it."""
    stake: float
    """The money put in, without fees."""
    profit: float
    """At that price, less fees already paid."""
    risky: bool
    """Whether it is near its stop, or far larger than usual, as the bot sees it."""
    opened_at: float
    stop_price: float | None = None
    """Of a live stop: at the exchange, or one that the running bot acts on itself. Left out where none is."""
    stop_at_exchange: bool | None = None
    """Whether the stop is an order at the exchange, which outlives the bot."""
    liquidation_price: float | None = None
    """At which the exchange closes the position; left out where it has none."""
    leverage: float | None = None
    """The position's value by the money that is put up for it; 1 without borrowed money."""
    margin_ratio: float | None = None
    """The maintenance margin by the margin that is left: at 1 the exchange liquidates; OKX shows 1 / that."""
    funding_paid: float | None = None
    """In money since it was opened, below 0 where it was received; part of `profit`."""


class OpenOrder(Message):
    """An order that waits at the exchange."""

    symbol: str
    placed_at: float
    rests: bool | None = None
    """Whether it is meant to stay there, as a stop or a take-profit: its age is no trouble then."""


class Times(Message):
    """A histogram of durations."""

    count: int
    sum: float
    buckets: dict[str, int]
    """Cumulative counts by upper bound in seconds, the last one `+Inf`."""


class ApiUse(Message):
    """The bot's calls to its exchange since its start."""

    requests_ok_total: int
    requests_error_total: int
    response_seconds: Times | None = None


class ModelState(Message):
    """A prediction model; figures are over its last predictions."""

    loaded: bool
    accuracy: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1_score: float | None = None
    auc: float | None = None
    prediction_confidence: float | None = None
    prediction_uncertainty: float | None = None
    prediction_seconds: float | None = None
    """The mean time of a prediction."""
    prediction_times: Times | None = None
    """Of all predictions since the bot's start."""
    predictions_per_hour: float | None = None
    last_prediction_at: float | None = None
    drift_detected: bool | None = None
    drift_score: float | None = None
    last_retraining_at: float | None = None
    retrainings_total: int | None = None
    """Since the bot's start."""
    data_quality_score: float | None = None
    missing_data_ratio: float | None = None
    outlier_ratio: float | None = None


class MarketState(Message):
    """The market of a symbol, as the bot sees it."""

    volatility_ratio: float | None = None
    """The standard deviation of returns, hourly."""
    trend: Literal["up", "down", "sideways"] | None = None
    regime: Literal["calm", "volatile", "trending"] | None = None
    liquidity_score: float | None = None
    price_change_1h_ratio: float | None = None
    price_change_24h_ratio: float | None = None
    volume_24h: float | None = None
    """In money."""
    volume_change_24h_ratio: float | None = None
    rsi: float | None = None
    """0 to 100."""
    macd: float | None = None
    """In money."""
    bollinger_position: float | None = None
    """0 at the lower band, 1 at the upper; beyond them below 0 or above 1."""
    support_resistance_strength: float | None = None


class Process(Message):
    """The process that trades."""

    pid: int


class State(Message):
    """The bot's state."""

    time: float
    """When this was true."""
    state: Literal["running", "paused", "stopped"]
    """`paused` enters no positions; `stopped` was stopped by its owner, and knows only what is on disk."""
    started_at: float | None = None
    last_activity_at: float | None = None
    """When the trading loop last went round."""
    currency: str
    starting_capital: float | None = None
    equity: float | None = None
    """Always starting capital + realised profit + open profit."""
    profit_realised: float | None = None
    """Of all closed trades, after fees."""
    profit_open: float | None = None
    exposure: float | None = None
    """Money at work: size times price, over longs and shorts alike."""
    max_exposure: float | None = None
    open_positions: list[OpenPosition] | None = None
    pending_orders: int | None = None
    open_orders: list[OpenOrder] | None = None
    trades_closed: int | None = None
    last_trade_id: int | None = None
    """0 before the first trade."""
    trades_revision: int | None = None
    """Raised where a trade that was told before has other figures now."""
    api: ApiUse | None = None
    feeds: dict[str, float] | None = None
    """By symbol, when its last price came."""
    models: dict[str, ModelState] | None = None
    """By name."""
    market: dict[str, MarketState] | None = None
    """By symbol."""
    process: Process | None = None


class Trade(Message):
    """A closed position, or a closed part of one. Its id is never used again."""

    id: int
    symbol: str
    side: Literal["long", "short"]
    size: float
    entry_price: float
    exit_price: float
    stake: float
    opened_at: float
    closed_at: float
    profit: float
    """After all fees."""
    fees: float
    entry_price_requested: float | None = None
    """What the entry's order asked for; null where that is not known any more."""
    exit_price_requested: float | None = None
    """What the exit's order asked for."""


class Trades(Message):
    """A page of closed trades, ids ascending."""

    trades: list[Trade]
    more: bool
    """Whether there are newer ones than the last of this page."""


class Done(Message):
    """The result of a control verb, after its changes are on disk."""

    done: Literal[True] = True
    verb: str
    detail: str


class Error(Message):
    """Why a request was not carried out, and the way out."""

    error: str
    known: list[str] | None = None
    """What could have been asked instead."""


class FaultState(Message):
    """A fault that can be switched on."""

    does: str
    ends: str
    momentary: bool
    """It happens once, so that there is nothing to switch off."""
    active: bool | None = None
    """Absent where the trading process has it and does not answer."""
    arguments: dict[str, Any] | None = None
    """What an active fault was given."""


class Faults(Message):
    """All faults by name."""

    faults: dict[str, FaultState]


class FaultDone(Message):
    """A fault was switched on or off."""

    done: Literal[True] = True
    fault: str
    active: bool
