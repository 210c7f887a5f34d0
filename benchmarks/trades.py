"""One more trade among a million: the exporter's running statistics compared with empyrical.

`python benchmarks/trades.py [--trades 1000000]` makes trades of several years, lets the exporter's ledger
take them as at a start, then one by one, and prints a table. The peer has its trades already in pandas, and
computes only empyrical's figures: the returns by trade and by day, and from them eight of ours. Seconds are
CPU seconds, so a busy machine does not change them.
"""

import argparse
import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice
from zoneinfo import ZoneInfo

import empyrical
import pandas as pd
import psutil

from clients.trading import Trade
from exporter.analytics.ledger import Conventions, Ledger

CAPITAL = 100_000.0
DAYS_PER_YEAR = 365
TAIL = 365 * 86_400.0
YEARS = 5
FIRST = 1_600_000_000.0
ONE_MORE = 2000
LATE = 1000
PAGE = 1000  # trades in one answer of a bot


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trades", type=int, default=1_000_000)
    count = parser.parse_args().trades
    ledger = Ledger(Conventions(ZoneInfo("Europe/Berlin"), DAYS_PER_YEAR, TAIL, 500, 86_400.0, 30 * 86_400.0))
    replayed, held = replay(ledger, made(count))
    rows = list(made(count))
    library = of_library(rows)
    one_more = median(ONE_MORE, lambda n: take(ledger, after(rows[-1], n + 1)))
    late = median(9, lambda n: take(ledger, after(rows[-LATE - n], -0.5)))
    new_day = median(9, lambda n: take(ledger, after(rows[-1], (n + 1) * 86_400.0)))
    print(f"{count} trades of {YEARS} years; taking a trade means all figures after it\n")
    print(f"{'what':<46}{'seconds':>12}{'than the library':>24}")
    for what, seconds in (
        ("pandas and empyrical: all anew", library),
        ("one more trade", one_more),
        (f"one more trade, {LATE} trades late", late),
        ("the first trade of a day, which ends the last", new_day),
    ):
        ratio = "" if seconds is library else f"{library / seconds:,.0f} × faster"
        print(f"{what:<46}{seconds:>12.6f}{ratio:>24}")
    print(f"\nreplay of all at a start: {replayed:.2f} s, {replayed / count * 1e6:.2f} µs a trade")
    print(f"memory: {held / 1e6:.0f} MB, {held / count:.0f} bytes a trade")


def made(count: int) -> Iterator[Trade]:
    """Yield the same trades each time, in the order of their closing."""
    dice = random.Random(7)  # noqa: S311 - makes trades, not secrets
    closed_at = FIRST
    for number in range(count):
        closed_at += dice.expovariate(count / (YEARS * 365 * 86_400))
        opened_at = closed_at - dice.uniform(60, 7200)
        symbol = dice.choice(("BTC/USDT", "ETH/USDT", "SOL/USDT", "ADA/USDT"))
        side = "long" if dice.random() < 0.5 else "short"
        profit = round(dice.gauss(0.02, 3), 8)
        yield Trade((number, opened_at), symbol, side, opened_at, closed_at, profit, 100.0)


def after(trade: Trade, seconds: float) -> Trade:
    """Return another trade that closed this much later."""
    closed_at = trade.closed_at + seconds
    key = (trade.key[0] + 1_000_000_000, closed_at)
    return Trade(key, trade.symbol, trade.side, closed_at - 60, closed_at, 1.5, 100.0)


def replay(ledger: Ledger, trades: Iterator[Trade]) -> tuple[float, int]:
    """Return the ledger's seconds for all trades, page by page, and its bytes."""
    spent = 0.0
    gc.collect()
    before = psutil.Process().memory_info().rss
    while batch := list(islice(trades, PAGE)):
        began = time.process_time()
        ledger.add(batch, CAPITAL)
        spent += time.process_time() - began
    gc.collect()
    return spent, psutil.Process().memory_info().rss - before


def take(ledger: Ledger, trade: Trade) -> float:
    """Return the seconds for one more trade and every figure after it."""
    now = trade.closed_at + 1
    began = time.process_time()
    ledger.add((trade,), CAPITAL)
    equity = CAPITAL + (ledger.profit or 0.0)
    (
        ledger.win_rate, ledger.expectancy, ledger.profit_factor, ledger.recovery_factor, ledger.max_drawdown,
        ledger.longest_wins, ledger.longest_losses, ledger.mean_stake, ledger.mean_duration,
        ledger.drawdown(now, equity, ledger.profit), ledger.last_closed_at(now), ledger.per_hour(now),
        ledger.per_day(now), ledger.pnl(now), ledger.ratios(now),
    )  # fmt: skip
    return time.process_time() - began


def of_library(trades: list[Trade]) -> float:
    """Return the seconds of pandas and empyrical for their figures of all trades."""
    closed = pd.to_datetime([trade.closed_at for trade in trades], unit="s", utc=True)
    profits = pd.Series([trade.profit for trade in trades], closed)

    def figures(_: int) -> float:
        began = time.process_time()
        by_trade = profits / (CAPITAL + profits.cumsum() - profits)
        by_day = profits.resample("D").sum()
        daily = by_day / (CAPITAL + by_day.cumsum() - by_day)
        empyrical.max_drawdown(by_trade)
        empyrical.sharpe_ratio(daily, annualization=DAYS_PER_YEAR)
        empyrical.sortino_ratio(daily, annualization=DAYS_PER_YEAR)
        empyrical.calmar_ratio(daily, annualization=DAYS_PER_YEAR)
        for cutoff in (0.05, 0.01):
            empyrical.value_at_risk(daily[-365:], cutoff)
            empyrical.conditional_value_at_risk(daily[-365:], cutoff)
        return time.process_time() - began

    return median(9, figures)


def median(times: int, measure: Callable[[int], float]) -> float:
    """Return the median of several measurements; each gets its number."""
    return statistics.median(measure(n) for n in range(times))


if __name__ == "__main__":
    main()
