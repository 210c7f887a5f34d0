"""Reads a bot that answers Nightdesk's bot API (docs/bot-api.md)."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from exporter.catalogue import Histogram, Sample, known, sample
from exporter.reading import ApiCalls, Reading, Trade
from exporter.sources.client import BotApi, read_secret
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
)
from exporter.sources.protocol import SourceError, Surroundings
from stack.settings import HttpBot

_PAGE = 1000
_TRENDS = ("up", "down", "sideways")
_REGIMES = ("calm", "volatile", "trending")


class _Position(Answer):
    symbol: Label


class _ResponseTimes(Answer):
    count: NeededId
    sum: Annotated[Needed, Field(ge=0)]
    buckets: dict[str, NeededId]


class _Api(Answer):
    requests_ok_total: Count = None
    requests_error_total: Count = None
    response_seconds: Annotated[_ResponseTimes | None, Lenient] = None


class _Model(Answer):
    """Fields are named as in the catalogue: each is passed on as it is."""

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

    def samples(self, model: str) -> Iterator[Sample]:
        """Yield what is known of the model."""
        for name in type(self).model_fields:
            yield from known(name, getattr(self, name), model=model)


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


class _State(Answer):
    time: Time = None
    state: Annotated[Literal["running", "paused", "stopped"] | None, Lenient] = None
    started_at: Time = None
    last_activity_at: Time = None
    starting_capital: Positive = None
    equity: Real = None
    profit_realised: Real = None
    profit_open: Real = None
    exposure: Positive = None
    max_exposure: Positive = None
    open_positions: Annotated[list[Annotated[_Position | None, Lenient]] | None, Lenient] = None
    pending_orders: Count = None
    trades_closed: Count = None
    last_trade_id: Count = None
    api: Annotated[_Api | None, Lenient] = None
    feeds: Annotated[dict[Label, Time] | None, Capped, Lenient] = None
    models: Annotated[dict[Label, Annotated[_Model | None, Lenient]] | None, Capped, Lenient] = None
    market: Annotated[dict[Label, Annotated[_Market | None, Lenient]] | None, Capped, Lenient] = None
    process: Annotated[_Process | None, Lenient] = None


class _Trade(Answer):
    id: NeededId
    symbol: Label
    side: Literal["long", "short"]
    opened_at: NeededTime
    closed_at: NeededTime
    profit: Needed
    stake: Positive = None

    def closed(self) -> Trade:
        """Return it as a plain value."""
        key = (self.id, self.opened_at)
        return Trade(key, self.symbol, self.side, self.opened_at, self.closed_at, self.profit, self.stake)


class _TradePage(Answer):
    trades: list[Annotated[_Trade | None, Lenient]]
    more: bool = False


class HttpSource:
    """Polls the state, and the trades after the last id that was read."""

    def __init__(self, settings: HttpBot, surroundings: Surroundings) -> None:
        self._api = BotApi(
            str(settings.url), surroundings, lambda: f"Bearer {read_secret(settings.token_file)}"
        )
        self._clock = surroundings.clock
        self._input = surroundings.input
        self._since = 0

    async def poll(self) -> Reading:
        """Return what the bot says now. Raises SourceError."""
        data = await self._api.get("/api/v1/state")
        try:
            # In a thread: a huge answer must not hold up the other bots.
            state = await asyncio.to_thread(self._input.read, _State, data)
        except ValidationError as error:
            raise SourceError("parse", f"/api/v1/state: {_first(error)}; see docs/bot-api.md") from None
        restarted = state.last_trade_id is not None and state.last_trade_id < self._since
        since = 0 if restarted else self._since
        trades: list[Trade] = []
        if state.last_trade_id is None or state.last_trade_id > since:
            trades, since = await self._trades_after(since)
        self._since = since
        return _reading(state, tuple(trades), restarted, self._clock(), self._input)

    async def _trades_after(self, since: int) -> tuple[list[Trade], int]:
        """Return the trades with a higher id, and the highest id."""
        trades: list[Trade] = []
        while True:
            data = await self._api.get("/api/v1/trades", since_id=since, limit=_PAGE)
            try:
                page = self._input.read(_TradePage, data)
            except ValidationError as error:
                raise SourceError("parse", f"/api/v1/trades: {_first(error)}; see docs/bot-api.md") from None
            found = [trade for trade in page.trades if trade is not None]
            trades += [trade.closed() for trade in found]
            highest = max((trade.id for trade in found), default=since)
            if not page.more:
                return trades, highest
            if highest <= since:
                raise SourceError(
                    "parse", f"/api/v1/trades?since_id={since}: more are said to follow, none came"
                )
            since = highest


def _reading(
    state: _State, trades: tuple[Trade, ...], restarted: bool, clock: float, found: Input
) -> Reading:
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
        samples=tuple(_samples(state, found)),
    )


def _samples(state: _State, found: Input) -> Iterator[Sample]:
    for model, figures in (state.models or {}).items():
        if figures is not None:
            yield from figures.samples(model)
    for symbol, market in (state.market or {}).items():
        if market is not None:
            yield from market.samples(symbol)
    if state.api and state.api.response_seconds:
        histogram = _histogram(state.api.response_seconds, found)
        if histogram is not None:
            yield sample("response_time_seconds", histogram)


def _histogram(times: _ResponseTimes, found: Input) -> Histogram | None:
    """Return the response times, or None after noting what makes them no histogram."""
    try:
        buckets = sorted((float(bound), count) for bound, count in times.buckets.items())
    except ValueError:
        found.reject("malformed", f"api.response_seconds.buckets: {list(times.buckets)}: bounds are numbers")
        return None
    counts = [count for _, count in buckets]
    bounds = [bound for bound, _ in buckets]
    rising = counts == sorted(counts) and all(low < high for low, high in pairwise(bounds))
    if not rising or bounds[-1:] != [float("inf")] or counts[-1] != times.count:
        advice = "counts must rise with the bound up to +Inf, which holds them all"
        found.reject("malformed", f"api.response_seconds: {times.buckets}, count {times.count}: {advice}")
        return None
    return Histogram(tuple(buckets), times.sum)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(step) for step in first["loc"]) or "the answer"
    return f"{where}: {first['msg']}"
