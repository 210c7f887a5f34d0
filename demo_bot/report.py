"""Reports the simulation's state in the shape of the bot API."""

from dataclasses import asdict
from itertools import pairwise
from math import log
from statistics import pstdev

from demo_bot.account import Position
from demo_bot.indicators import read
from demo_bot.market import Series
from demo_bot.messages import (
    ApiUse,
    MarketState,
    ModelState,
    OpenOrder,
    OpenPosition,
    Process,
    State,
    Times,
)
from demo_bot.simulation import FRESH_SECONDS, Simulation
from demo_bot.strategy import is_risky

MODEL_NAME = "direction"
OUTLIER_DEVIATIONS = 3


def state(bot: Simulation, *, started_at: float, currency: str, pid: int) -> State:
    """Return the bot's whole state."""
    equity = bot.book.equity(bot.prices)
    return State(
        time=bot.now,
        state="paused" if bot.paused else "running",
        started_at=started_at,
        last_activity_at=bot.last_activity_at,
        currency=currency,
        starting_capital=bot.book.starting_capital,
        equity=equity,
        profit_realised=bot.book.realised,
        profit_open=bot.book.profit_open(bot.prices),
        exposure=bot.book.exposure(bot.prices),
        max_exposure=bot.style.max_exposure(equity),
        open_positions=[_position(position, bot) for position in bot.book.positions.values()],
        pending_orders=len(bot.pending),
        open_orders=[OpenOrder(symbol=each.symbol, placed_at=each.placed_at) for each in bot.pending],
        trades_closed=bot.book.last_trade_id,
        last_trade_id=bot.book.last_trade_id,
        api=_api(bot),
        feeds=bot.feeds,
        models={MODEL_NAME: _model(bot)},
        market={symbol: MarketState(**asdict(read(series))) for symbol, series in bot.walk.series.items()},
        process=Process(pid=pid),
    )


def _position(position: Position, bot: Simulation) -> OpenPosition:
    price = bot.prices[position.symbol]
    return OpenPosition(
        id=position.id,
        symbol=position.symbol,
        side=position.side,
        size=position.size,
        entry_price=position.entry_price,
        price=price,
        stake=position.stake,
        profit=position.profit(price),
        risky=is_risky(position, price, bot.style, bot.book.equity(bot.prices)),
        opened_at=position.opened_at,
        stop_price=position.stop_price or None,
        stop_at_exchange=False if position.stop_price else None,
        liquidation_price=position.liquidation_price,
        leverage=position.leverage,
        funding_paid=position.funding_paid,
    )


def _api(bot: Simulation) -> ApiUse:
    exchange = bot.exchange
    buckets = exchange.buckets()
    return ApiUse(
        requests_ok_total=exchange.requests_ok,
        requests_error_total=exchange.requests_error,
        response_seconds=Times(count=buckets["+Inf"], sum=exchange.seconds_sum, buckets=buckets),
    )


def _model(bot: Simulation) -> ModelState:
    model, quality = bot.model, bot.model.quality()
    missing = _missing_ratio(bot)
    outliers = sum(_outlier_ratio(series) for series in bot.walk.series.values()) / len(bot.walk.series)
    buckets = model.buckets()
    known = ModelState(
        loaded=True,
        prediction_times=Times(count=buckets["+Inf"], sum=model.seconds_sum, buckets=buckets),
        last_prediction_at=model.last_prediction_at,
        drift_detected=model.drift_detected,
        drift_score=model.drift_score,
        last_retraining_at=model.retrained_at,
        retrainings_total=model.retrainings,
        data_quality_score=max(0.0, 1 - missing - outliers),
        missing_data_ratio=missing,
        outlier_ratio=outliers,
    )
    if quality is None:
        return known
    return known.model_copy(
        update={
            "accuracy": quality.accuracy,
            "precision": quality.precision,
            "recall": quality.recall,
            "f1_score": quality.f1_score,
            "auc": quality.auc,
            "prediction_confidence": quality.confidence,
            "prediction_uncertainty": quality.uncertainty,
            "prediction_seconds": quality.seconds,
            "predictions_per_hour": quality.per_hour,
        }
    )


def _missing_ratio(bot: Simulation) -> float:
    """Return the share of symbols without a fresh price."""
    late = sum(bot.now - bot.feeds.get(symbol, 0) > FRESH_SECONDS for symbol in bot.prices)
    return late / len(bot.prices)


def _outlier_ratio(series: Series) -> float:
    """Return the share of the last hour's returns that lie beyond three standard deviations."""
    closes = [*list(series.closes)[-60:], series.price]
    returns = [log(after / before) for before, after in pairwise(closes)]
    limit = OUTLIER_DEVIATIONS * pstdev(returns)
    return sum(abs(move) > limit for move in returns) / len(returns)
