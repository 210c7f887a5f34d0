"""Turns the JSON of the bot API, from any source, into a reading."""

from collections.abc import Iterator
from typing import Final

from pydantic import ValidationError

from clients.bot_api import ClosedTrade, Figures, Market, Model, OpenPosition, Quality, State, Times
from clients.input import Input, problems
from clients.trading import Trade
from exporter.catalogue import Histogram, Sample, known, sample
from exporter.reading import ApiCalls, Reading
from exporter.sources.protocol import SourceError

# seconds by which a bot's clock may be ahead; a local time sent as UTC is further off in most zones
AHEAD: Final = 86_400.0
_MONEY: Final = (
    "time", "state", "starting_capital", "equity", "profit_realised", "profit_open", "exposure",
    "open_positions",
)  # fmt: skip
_TRENDS = ("up", "down", "sideways")
_REGIMES = ("calm", "volatile", "trending")


def reading(
    state: State, trades: tuple[Trade, ...], clock: float, *, restarted: bool = False, ahead: float = 0.0
) -> Reading:
    """Return the reading of a state and new trades.

    `clock` is the exporter's unix time; the bot's clock was `ahead` of it when the bot answered.
    """
    now = state.time if state.time is not None else clock
    realised, unrealised, api = state.profit_realised, state.profit_open, state.api
    counts = (api.requests_ok_total, api.requests_error_total) if api else (None, None)
    positions = state.open_positions
    return Reading(
        time=now,
        state=state.state,
        started_at=state.started_at,
        last_activity_at=None if state.last_activity_at is None else state.last_activity_at - ahead,
        starting_capital=state.starting_capital,
        equity=state.equity,
        equity_refused=state.equity is None and "equity" in state.model_fields_set,
        profit_loss=realised + unrealised if realised is not None and unrealised is not None else None,
        pnl={} if realised is None else {"total": realised},
        exposure=state.exposure,
        max_exposure=state.max_exposure,
        open_symbols=_symbols(positions),
        pending_orders=state.pending_orders,
        positions=state.readable_positions,
        orders=state.waiting_orders,
        data_ages={
            feed: max(0.0, now - time) for feed, time in (state.feeds or {}).items() if time is not None
        },
        api=ApiCalls(counts[0], counts[1]) if counts[0] is not None and counts[1] is not None else None,
        pid=state.process.pid if state.process else None,
        trades=trades,
        history_restarted=restarted,
        samples=tuple(_samples(state)),
        books=state.books(clock),
    )


def money(data: object, clock: float) -> Reading:
    """Return only the money of a state; polls report its refused fields. Raises SourceError."""
    if not isinstance(data, dict):
        raise SourceError("parse", "/api/v1/state: is no object; see docs/bot-api.md")
    state = State.model_validate({name: data[name] for name in _MONEY if name in data})
    return reading(state, (), clock)


def _symbols(positions: list[OpenPosition | None] | None) -> tuple[str, ...] | None:
    """Return the open symbols, None if a position is unreadable."""
    known = [each for each in positions or () if each is not None]
    return tuple(each.symbol for each in known) if known == positions else None


def _samples(state: State) -> Iterator[Sample]:
    for model, figures in (state.models or {}).items():
        if figures is not None:
            yield from _of_model(figures, model)
    for symbol, market in (state.market or {}).items():
        if market is not None:
            yield from _of_market(market, symbol)
    if state.api and state.api.response_seconds:
        yield sample("response_time_seconds", _histogram(state.api.response_seconds))


def _of_model(figures: Model, model: str) -> Iterator[Sample]:
    for name in Quality.model_fields:
        yield from known(name, getattr(figures, name), model=model)
    if figures.prediction_times is not None:
        yield sample("prediction_duration_seconds", _histogram(figures.prediction_times), model=model)


def _of_market(market: Market, symbol: str) -> Iterator[Sample]:
    for name in Figures.model_fields:
        yield from known(name, getattr(market, name), symbol=symbol)
    for window, change in (("1h", market.price_change_1h_ratio), ("24h", market.price_change_24h_ratio)):
        yield from known("market_price_change_ratio", change, symbol=symbol, window=window)
    if market.trend is not None:
        for trend in _TRENDS:
            yield sample("market_trend", float(trend == market.trend), symbol=symbol, trend=trend)
    if market.regime is not None:
        for regime in _REGIMES:
            yield sample("market_regime", float(regime == market.regime), symbol=symbol, regime=regime)


def _histogram(times: Times) -> Histogram:
    return Histogram(times.rising(), times.sum)


def closed_trade(row: object, where: str, found: Input, now: float) -> ClosedTrade | None:
    """Return a bot's trade; if it is invalid, note every error and return None.

    A trade that closes more than a day after `now`, the exporter's unix time, is refused: it would stay the
    last trade, outside of every window, until that day.
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
    """Return the state with its clock and ages moved on by the time since it was received."""
    moved = {} if state.time is None else {"time": state.time + max(0.0, seconds)}
    return state.model_copy(update=moved)
