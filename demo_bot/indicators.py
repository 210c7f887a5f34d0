"""Computes market indicators: volatility, trend, RSI, MACD, Bollinger position and others."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from math import log, sqrt
from statistics import fmean, pstdev
from typing import Literal

from demo_bot.market import BAR_SECONDS, BAR_TURNOVER, Series

HOUR_BARS = 3600 // BAR_SECONDS
DAY_BARS = 24 * HOUR_BARS
TREND_RATIO = 0.005  # a larger distance from the hourly mean is a trend
VOLATILE_RATIO = 0.05  # a higher hourly volatility is a volatile regime
NEAR_RATIO = 0.0025  # a close as near as this to an extreme touches it

Trend = Literal["up", "down", "sideways"]
Regime = Literal["calm", "volatile", "trending"]


@dataclass(frozen=True)
class Indicators:
    """One symbol's figures; ratios are 0 to 1, `macd` and `volume_24h` are in money."""

    volatility_ratio: float
    trend: Trend
    regime: Regime
    liquidity_score: float
    price_change_1h_ratio: float
    price_change_24h_ratio: float
    volume_24h: float
    volume_change_24h_ratio: float
    rsi: float
    macd: float
    bollinger_position: float
    support_resistance_strength: float


def read(series: Series) -> Indicators:
    """Return the figures of a symbol from its one-minute closes and its price now."""
    day = [*islice(series.closes, len(series.closes) - DAY_BARS, None), series.price]
    hour = day[-HOUR_BARS - 1 :]
    volumes = list(series.volumes)
    today, yesterday = sum(volumes[-DAY_BARS:]), sum(volumes[-2 * DAY_BARS : -DAY_BARS])
    turnover = fmean(volumes[-HOUR_BARS:])
    volatility = hourly_volatility(hour)
    direction = trend(hour)
    return Indicators(
        volatility_ratio=volatility,
        trend=direction,
        regime=regime(volatility, direction),
        liquidity_score=min(1.0, turnover / (2 * BAR_TURNOVER)),
        price_change_1h_ratio=series.price / hour[0] - 1,
        price_change_24h_ratio=series.price / day[0] - 1,
        volume_24h=today,
        volume_change_24h_ratio=today / yesterday - 1,
        rsi=rsi(day[-15:]),
        macd=ema(day[-120:], 12) - ema(day[-120:], 26),
        bollinger_position=bollinger_position(day[-20:]),
        support_resistance_strength=touches(hour),
    )


def hourly_volatility(closes: Sequence[float]) -> float:
    """Return the standard deviation of the bars' log returns, scaled to an hour by the root of time."""
    returns = [log(after / before) for before, after in pairwise(closes)]
    return pstdev(returns) * sqrt(HOUR_BARS)


def trend(closes: Sequence[float]) -> Trend:
    """Return the distance of the last close from the mean of all."""
    beyond = closes[-1] / fmean(closes) - 1
    if abs(beyond) <= TREND_RATIO:
        return "sideways"
    return "up" if beyond > 0 else "down"


def regime(volatility: float, direction: Trend) -> Regime:
    """Return `volatile` before `trending` before `calm`."""
    if volatility > VOLATILE_RATIO:
        return "volatile"
    return "calm" if direction == "sideways" else "trending"


def rsi(closes: Sequence[float]) -> float:
    """Return the relative strength index, 0 to 100, with simple means (Cutler's form of Wilder's, 1978)."""
    moves = [after - before for before, after in pairwise(closes)]
    gains, losses = sum(move for move in moves if move > 0), -sum(move for move in moves if move < 0)
    if gains + losses == 0:
        return 50.0
    return 100 * gains / (gains + losses)


def ema(closes: Sequence[float], bars: int) -> float:
    """Return the exponential moving average with the usual weight 2 / (bars + 1)."""
    weight = 2 / (bars + 1)
    average = closes[0]
    for close in closes[1:]:
        average += weight * (close - average)
    return average


def bollinger_position(closes: Sequence[float]) -> float:
    """Return the last close's place between Bollinger's bands of two deviations: 0 lower, 1 upper."""
    width = pstdev(closes)
    if width == 0:
        return 0.5
    return (closes[-1] - fmean(closes) + 2 * width) / (4 * width)


def touches(closes: Sequence[float]) -> float:
    """Return the share of closes within NEAR_RATIO of the lowest or the highest one."""
    low, high = min(closes) * (1 + NEAR_RATIO), max(closes) * (1 - NEAR_RATIO)
    return sum(close <= low or close >= high for close in closes) / len(closes)
