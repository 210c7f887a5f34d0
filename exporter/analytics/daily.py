"""Figures of daily equity returns: Sharpe, Sortino, Calmar, value at risk, expected shortfall."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final

# The tail in percent of the days, by the confidence of value at risk; whole numbers, since 1 − 0.95 is not
# 0.05.
TAILS: Final = {"0.95": 5, "0.99": 1}
# Rounding leaves this much of a return of 0: a ratio over less would be one of rounding errors.
_ROUNDING: Final = 1e-12
Moves = Sequence[tuple[float, float]]
"""A day as (money transferred, profit with it): one pair for each transfer, and one before the first."""


@dataclass(frozen=True)
class Ratios:
    """The ratios of daily equity returns; None is unknown. `tails` is (VaR, expected shortfall) by
    confidence.
    """

    sharpe: float | None = None
    sortino: float | None = None
    calmar: float | None = None
    tails: tuple[tuple[str, tuple[float, float]], ...] = ()


def ratios(daily: Sequence[float], days_per_year: int, tail_days: int) -> Ratios:
    """Return all figures of the returns, oldest first; tails are of the last `tail_days` only."""
    recent = daily[-tail_days:]
    tails = ((label, tail(recent, percent)) for label, percent in TAILS.items())
    return Ratios(
        sharpe=sharpe(daily, days_per_year),
        sortino=sortino(daily, days_per_year),
        calmar=calmar(daily, days_per_year),
        tails=tuple((label, found) for label, found in tails if found is not None),
    )


def returns(capital: float, days: Iterable[Moves]) -> list[float]:
    """Return each day's profit as a ratio of the equity that it was made with, time-weighted.

    What is put in or taken out is no profit: a day with transfers compounds the returns between them (GIPS
    2020, 2.A). `capital` is the equity before the first day. A day that spends the equity, or has none, has
    no return, and those before it are of an account that is gone: they are dropped.
    """
    equity, found = capital, []
    for moves in days:
        gain = 0.0
        for transferred, profit in moves:
            equity += transferred
            gain = gain + (1 + gain) * profit / equity if equity > 0 else -1.0
            equity += profit
        if gain > -1:
            found.append(gain)
        else:
            found.clear()
    return found


def sharpe(daily: Sequence[float], days_per_year: int) -> float | None:
    """Return mean / sample standard deviation × √days_per_year, without a risk-free rate.

    W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994). None for fewer than two days,
    or if nothing varies.
    """
    if len(daily) < 2 or (deviation := stdev(daily)) <= _ROUNDING:
        return None
    return fmean(daily) / deviation * math.sqrt(days_per_year)


def sortino(daily: Sequence[float], days_per_year: int) -> float | None:
    """Return mean / downside deviation from 0 × √days_per_year.

    F. A. Sortino, L. N. Price, "Performance Measurement in a Downside Risk Framework", Journal of Investing 3
    (1994): the downside deviation is over all days. None for fewer than two days, or without a losing day.
    """
    if len(daily) < 2:
        return None
    downside = math.sqrt(fmean(min(each, 0.0) ** 2 for each in daily))
    return fmean(daily) / downside * math.sqrt(days_per_year) if downside > _ROUNDING else None


def calmar(daily: Sequence[float], days_per_year: int) -> float | None:
    """Return the compound annual return / the maximum drawdown of the daily equity.

    T. W. Young, "Calmar Ratio: A Smoother Tool", Futures 20 (1991). None for fewer than two days, without a
    drawdown, or if the annual return overflows.
    """
    equity = peak = 1.0
    drawdown = 0.0
    for each in daily:
        equity *= 1 + each
        peak = max(peak, equity)
        drawdown = max(drawdown, 1 - equity / peak)
    if len(daily) < 2 or drawdown <= _ROUNDING or equity <= 0:
        return None
    try:
        annual: float = equity ** (days_per_year / len(daily)) - 1
    except OverflowError:
        return None
    return annual / drawdown


def tail(daily: Sequence[float], percent: int) -> tuple[float, float] | None:
    """Return the value at risk and the expected shortfall of a day, as positive ratios of the equity.

    Historical simulation: the `percent` quantile of the returns, linear between order statistics
    (R. J. Hyndman, Y. Fan, "Sample Quantiles in Statistical Packages", 1996, type 7), and the mean of the
    returns up to its place (C. Acerbi, D. Tasche, "On the Coherence of Expected Shortfall", 2002). A tail
    that gains is negative. None below 100 / percent days: fewer cannot show such a day.
    """
    if len(daily) * percent < 100:
        return None
    ordered = sorted(daily)
    place, rest = divmod((len(ordered) - 1) * percent, 100)
    low, high = ordered[place], ordered[min(place + 1, len(ordered) - 1)]
    return -(low + (high - low) * rest / 100), -fmean(ordered[: place + 1])
