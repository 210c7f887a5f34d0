"""What a bot says in the JSON of the bot API (docs/bot-api.md), whichever way it comes, and its reading."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from exporter.catalogue import Histogram, Sample, known, sample
from exporter.reading import ApiCalls, Reading, Trade
from exporter.sources.input import (
    Answer,
    Capped,
    Count,
    Flag,
    Input,
    Label,
    Lenient,
    Needed,
    NeededId,
    NeededTime,
    Positive,
    Ratio,
    Real,
    Time,
    problems,
)

AHEAD: Final = 86_400.0  # seconds that a bot's clock may be ahead: a local time sent as UTC is less
_TRENDS = ("up", "down", "sideways")
_REGIMES = ("calm", "volatile", "trending")


class _Position(Answer):
    symbol: Label


class _Times(Answer):
    """Durations as a histogram: cumulative counts by upper bound, in seconds."""

    count: NeededId
    sum: Annotated[Needed, Field(ge=0)]
    buckets: dict[str, NeededId]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        try:
            buckets = self.histogram().buckets
        except ValueError:
            raise PydanticCustomError("histogram", "bounds are numbers, as 0.5 or +Inf") from None
        counts = [count for _, count in buckets]
        rising = counts == sorted(counts) and all(low < high for (low, _), (high, _) in pairwise(buckets))
        if not rising or not buckets or buckets[-1] != (float("inf"), self.count):
            raise PydanticCustomError(
                "histogram", "counts must rise with the bound up to +Inf, which holds them all"
            )
        return self

    def histogram(self) -> Histogram:
        """Return it as a plain value. Raises ValueError for a bound that is no number."""
        return Histogram(
            tuple(sorted((float(bound), count) for bound, count in self.buckets.items())), self.sum
        )


class _Api(Answer):
    requests_ok_total: Count = None
    requests_error_total: Count = None
    response_seconds: Annotated[_Times | None, Lenient] = None


class _Quality(Answer):
    """What a bot says of a model as plain numbers; fields are named as in the catalogue."""

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


class _Model(_Quality):
    prediction_times: Annotated[_Times | None, Lenient] = None

    def samples(self, model: str) -> Iterator[Sample]:
        """Yield what is known of the model."""
        for name in _Quality.model_fields:
            yield from known(name, getattr(self, name), model=model)
        if self.prediction_times is not None:
            yield sample("prediction_duration_seconds", self.prediction_times.histogram(), model=model)


class _Figures(Answer):
    """What a bot says of a market as plain numbers; fields are named as in the catalogue."""

    market_volatility_ratio: Positive = Field(None, alias="volatility_ratio")
    market_liquidity_score: Ratio = Field(None, alias="liquidity_score")
    market_volume_24h: Positive = Field(None, alias="volume_24h")
    market_volume_change_24h_ratio: Real = Field(None, alias="volume_change_24h_ratio")
    market_rsi: Annotated[Annotated[Needed, Field(ge=0, le=100)] | None, Lenient] = Field(None, alias="rsi")
    market_macd: Real = Field(None, alias="macd")
    market_bollinger_position: Real = Field(None, alias="bollinger_position")
    market_support_resistance_strength: Ratio = Field(None, alias="support_resistance_strength")


class _Market(_Figures):
    trend: Annotated[Literal["up", "down", "sideways"] | None, Lenient] = None
    regime: Annotated[Literal["calm", "volatile", "trending"] | None, Lenient] = None
    price_change_1h_ratio: Real = None
    price_change_24h_ratio: Real = None

    def samples(self, symbol: str) -> Iterator[Sample]:
        """Yield what is known of the market."""
        for name in _Figures.model_fields:
            yield from known(name, getattr(self, name), symbol=symbol)
        for window, change in (("1h", self.price_change_1h_ratio), ("24h", self.price_change_24h_ratio)):
            yield from known("market_price_change_ratio", change, symbol=symbol, window=window)
        if self.trend is not None:
            for trend in _TRENDS:
                yield sample("market_trend", float(trend == self.trend), symbol=symbol, trend=trend)
        if self.regime is not None:
            for regime in _REGIMES:
                yield sample("market_regime", float(regime == self.regime), symbol=symbol, regime=regime)


class _Process(Answer):
    pid: Annotated[Annotated[int, Field(strict=True, gt=0, le=2**31)] | None, Lenient] = None


class Measured(Answer):
    """The figures that a bot measures as it goes."""

    api: Annotated[_Api | None, Lenient] = None
    feeds: Annotated[dict[Label, Time] | None, Capped, Lenient] = None
    models: Annotated[dict[Label, Annotated[_Model | None, Lenient]] | None, Capped, Lenient] = None
    market: Annotated[dict[Label, Annotated[_Market | None, Lenient]] | None, Capped, Lenient] = None


class State(Measured):
    """All that a bot says of itself; only its trades are told apart from it."""

    time: Time = None
    state: Annotated[Literal["running", "paused", "stopped"] | None, Lenient] = None
    started_at: Time = None
    last_activity_at: Time = None
    starting_capital: Real = None
    equity: Real = None
    profit_realised: Real = None
    profit_open: Real = None
    exposure: Positive = None
    max_exposure: Positive = None
    open_positions: Annotated[list[Annotated[_Position | None, Lenient]] | None, Lenient] = None
    pending_orders: Count = None
    trades_closed: Count = None
    last_trade_id: Count = None
    trades_revision: Count = None
    process: Annotated[_Process | None, Lenient] = None


class ClosedTrade(Answer):
    """A closed trade as a bot tells it."""

    id: NeededId
    symbol: Label
    side: Literal["long", "short"]
    opened_at: NeededTime
    closed_at: NeededTime
    profit: Needed
    stake: Positive = None
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
        """Return it as a plain value."""
        key = (self.id, self.opened_at)
        return Trade(key, self.symbol, self.side, self.opened_at, self.closed_at, self.profit, self.stake)


def reading(state: State, trades: tuple[Trade, ...], clock: float, *, restarted: bool = False) -> Reading:
    """Return what the state and the trades that are new say; `clock` is the exporter's unix time."""
    now = state.time if state.time is not None else clock
    realised, unrealised, api = state.profit_realised, state.profit_open, state.api
    counts = (api.requests_ok_total, api.requests_error_total) if api else (None, None)
    positions = state.open_positions
    return Reading(
        time=now,
        state=state.state,
        started_at=state.started_at,
        last_activity_at=state.last_activity_at,
        starting_capital=state.starting_capital,
        equity=state.equity,
        equity_refused=state.equity is None and "equity" in state.model_fields_set,
        profit_loss=realised + unrealised if realised is not None and unrealised is not None else None,
        pnl={} if realised is None else {"total": realised},
        exposure=state.exposure,
        max_exposure=state.max_exposure,
        open_symbols=None if positions is None else tuple(each.symbol for each in positions if each),
        pending_orders=state.pending_orders,
        data_ages={
            feed: max(0.0, now - time) for feed, time in (state.feeds or {}).items() if time is not None
        },
        api=ApiCalls(counts[0], counts[1]) if counts[0] is not None and counts[1] is not None else None,
        pid=state.process.pid if state.process else None,
        trades=trades,
        history_restarted=restarted,
        samples=tuple(_samples(state)),
    )


def _samples(state: State) -> Iterator[Sample]:
    for model, figures in (state.models or {}).items():
        if figures is not None:
            yield from figures.samples(model)
    for symbol, market in (state.market or {}).items():
        if market is not None:
            yield from market.samples(symbol)
    if state.api and state.api.response_seconds:
        yield sample("response_time_seconds", state.api.response_seconds.histogram())


def told(row: object, where: str, found: Input, now: float) -> ClosedTrade | None:
    """Return the trade that a bot told, None after noting all that is wrong with it.

    One that closes more than a day after `now`, the exporter's unix time, is refused: it would be the last
    trade and outside of every window until that day comes.
    """
    try:
        trade = found.read(ClosedTrade, row)
    except ValidationError as error:
        for problem in problems(error, where):
            found.reject(problem.reason, problem.text)
        return None
    if trade.closed_at > now + AHEAD:
        days = (trade.closed_at - now) / 86_400
        advice = "send unix seconds, and set the bot's clock"
        found.reject("ahead", f"{where}.closed_at: {trade.closed_at!r} is {days:.1f} days ahead; {advice}")
        return None
    return trade


def later(state: State, seconds: float) -> State:
    """Return the state with its clock moved on: it was told so long ago, and ages have grown since."""
    moved = {} if state.time is None else {"time": state.time + max(0.0, seconds)}
    return state.model_copy(update=moved)
