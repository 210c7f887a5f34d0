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
    """The last price that the bot saw."""
    stake: float
    """The money put in, without fees."""
    profit: float
    """At that price, less fees already paid."""
    risky: bool
    """Whether it is near its stop, or far larger than usual, as the bot sees it."""
    opened_at: float
    stop_price: float | None = None
    """The price of a live stop: at the exchange, or one that the running bot handles itself.

    Left out without one.
    """
    stop_at_exchange: bool | None = None
    """Whether the stop is an order at the exchange, which outlives the bot."""
    liquidation_price: float | None = None
    """The price at which the exchange closes the position; left out without one."""
    leverage: float | None = None
    """The position's value divided by its own money; 1 without borrowed money."""
    margin_ratio: float | None = None
    """The maintenance margin divided by the margin that is left: at 1 the exchange liquidates.

    OKX shows the inverse.
    """
    funding_paid: float | None = None
    """In money since the opening, below 0 if received; part of `profit`."""


class OpenOrder(Message):
    """An order that waits at the exchange."""

    symbol: str
    placed_at: float
    rests: bool | None = None
    """Whether it is meant to wait, like a stop or a take-profit: then its age does not matter."""


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
    """The time of this state."""
    state: Literal["running", "paused", "stopped"]
    """`paused` enters no positions; `stopped` was stopped by its owner, and knows only what is on disk."""
    started_at: float | None = None
    last_activity_at: float | None = None
    """When the trading loop last ran."""
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
    """Raise it when an earlier trade has changed."""
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
    """The ordered entry price; null if it is no longer known."""
    exit_price_requested: float | None = None
    """The ordered exit price."""


class Trades(Message):
    """A page of closed trades, ids ascending."""

    trades: list[Trade]
    more: bool
    """Whether there are newer trades than this page's last one."""


class Done(Message):
    """The result of a control verb, after its changes are on disk."""

    done: Literal[True] = True
    verb: str
    detail: str


class Error(Message):
    """Why a request was not carried out, and the way out."""

    error: str
    known: list[str] | None = None
    """The known alternatives."""


class FaultState(Message):
    """A fault that can be switched on."""

    does: str
    ends: str
    momentary: bool
    """It happens once, so it cannot be switched off."""
    active: bool | None = None
    """Absent if the trading process does not answer."""
    arguments: dict[str, Any] | None = None
    """The arguments of an active fault."""


class Faults(Message):
    """All faults by name."""

    faults: dict[str, FaultState]


class FaultDone(Message):
    """A fault was switched on or off."""

    done: Literal[True] = True
    fault: str
    active: bool
