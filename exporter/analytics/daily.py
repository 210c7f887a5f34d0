"""Figures of daily equity returns: Sharpe, Sortino, Calmar, value at risk, expected shortfall."""

import math
from collections.abc import Iterable, Sequence
from statistics import fmean, stdev


def returns(capital: float, profits: Iterable[float]) -> list[float] | None:
    """Return each day's profit as a ratio of the equity that the day began with.

    `capital` is the equity before the first day. None once the equity is spent: a return of nothing is
    undefined.
    """
    equity, found = capital, []
    for profit in profits:
        if equity <= 0:
            return None
        found.append(profit / equity)
        equity += profit
    return found


def sharpe(daily: Sequence[float], days_per_year: int) -> float | None:
    """Return mean / sample standard deviation × √days_per_year, without a risk-free rate.

    W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994). None below two days or
    where nothing varies.
    """
    if len(daily) < 2 or (deviation := stdev(daily)) == 0:
        return None
    return fmean(daily) / deviation * math.sqrt(days_per_year)


def sortino(daily: Sequence[float], days_per_year: int) -> float | None:
    """Return mean / downside deviation from 0 × √days_per_year.

    F. A. Sortino, L. N. Price, "Performance Measurement in a Downside Risk Framework", Journal of Investing 3
    (1994): the downside deviation is taken over all days. None below two days or without a losing one.
    """
    if len(daily) < 2:
        return None
    downside = math.sqrt(fmean(min(each, 0.0) ** 2 for each in daily))
    return fmean(daily) / downside * math.sqrt(days_per_year) if downside else None


def calmar(daily: Sequence[float], days_per_year: int) -> float | None:
    """Return the compound annual return / the maximum drawdown of the daily equity.

    T. W. Young, "Calmar Ratio: A Smoother Tool", Futures 20 (1991). None below two days, without a drawdown,
    or where the annual return is beyond any number.
    """
    equity = peak = 1.0
    drawdown = 0.0
    for each in daily:
        equity *= 1 + each
        peak = max(peak, equity)
        drawdown = max(drawdown, 1 - equity / peak)
    if len(daily) < 2 or not drawdown or equity <= 0:
        return None
    try:
        annual: float = equity ** (days_per_year / len(daily)) - 1
    except OverflowError:
        return None
    return annual / drawdown


def tail(daily: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """Return the value at risk and the expected shortfall of a day, as positive ratios of the equity.

    Historical simulation: the (1 − confidence) quantile of the returns, linear between order statistics
    (R. J. Hyndman, Y. Fan, "Sample Quantiles in Statistical Packages", 1996, type 7), and the mean of the
    returns at or below it (C. Acerbi, D. Tasche, 2002). A tail that gains is negative. None below
    1 / (1 − confidence) days: fewer cannot show such a day.
    """
    if len(daily) < round(1 / (1 - confidence)):
        return None
    ordered = sorted(daily)
    place = (len(ordered) - 1) * (1 - confidence)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    quantile = ordered[low] + (ordered[high] - ordered[low]) * (place - low)
    return -quantile, -fmean(each for each in ordered if each <= quantile)
