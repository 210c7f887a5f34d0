"""The edge watch: false alarms of a bot-year, how soon a lost edge is found, and what one more trade costs.

`python benchmarks/edge.py [--paths 10000]` makes references of 500 trades, some as crypto bots have them and
some better, and prints a table (docs/edge.md). Null paths draw their trades from the reference; each is five
years long. An edge is lost after 100 trades of the reference, on paths on which nothing alarms then: either
every trade makes less (costs rise), or wins turn into losses. The seconds of one more trade are of the CPU.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clients.backtest import TradeResult
from exporter.analytics.edge import ALARMS, Alarm, Limits, LiveTrades
from exporter.analytics.edge_limits import FALSE_A_YEAR, calibrated

Floats = NDArray[np.float64]
YEARS: Final = 5
BEFORE: Final = 100  # trades of the reference before the edge is lost
BARS: Final = {"halved": 60, "none": 40}  # trades until it is found, in the median
ONE_MORE: Final = 50e-6  # seconds


@dataclass(frozen=True)
class Kind:
    """How a bot trades: wins of all, the mean win by the mean loss, trades a year."""

    name: str
    wins: float
    payoff: float
    a_year: int

    def trades(self, count: int = 500) -> Floats:
        """Return profits as ratios; the mean loss is 1% of the stake."""
        dice = np.random.default_rng(7)
        won, size = dice.random(count) < self.wins, 0.01 * dice.gamma(4.0, 0.25, count)
        return np.where(won, self.payoff * size, -size)


KINDS: Final = (
    Kind("trend follower", 0.42, 1.9, 300),
    Kind("crypto, busy", 0.57, 1.2, 3000),
    Kind("crypto, 3 a day", 0.57, 1.2, 1000),
    Kind("crypto, good", 0.60, 1.3, 365),
    Kind("swing, weekly", 0.60, 1.3, 52),
    Kind("scalper", 0.75, 1.0, 2000),
    Kind("grid, steady", 0.85, 1.0, 1000),
    Kind("market maker", 0.90, 1.0, 5000),
    Kind("arbitrage", 0.95, 1.0, 1000),
)


class Paths:
    """Many paths at once, each as LiveTrades takes it; `alarms` and `began` are by path."""

    def __init__(self, limits: Limits, count: int) -> None:
        self._limits = limits
        self._sums = {key: np.zeros(count) for key in limits.cusums}
        self._on = {key: np.zeros(count, bool) for key in limits.cusums}
        self.alarms = {alarm: np.zeros(count, bool) for alarm in ALARMS}
        self.began = dict(self.alarms)

    def add(self, profits: Floats) -> None:
        """Give each path its next trade."""
        won = (profits > 0).astype(float)
        for key, limit in self._limits.cusums.items():
            value = profits if key[0] == "expectancy" else won
            summed = self._sums[key] + (limit.expected - limit.allowed - value)
            self._sums[key] = summed = np.clip(summed, 0.0, limit.limit)
            self._on[key] = (summed >= limit.limit) | (self._on[key] & (summed > 0.0))
        for alarm in ALARMS:
            on = np.logical_or.reduce([is_on for key, is_on in self._on.items() if key[1] == alarm])
            self.began[alarm] = on & ~self.alarms[alarm]
            self.alarms[alarm] = on


def false_alarms(trades: Floats, a_year: int, paths: int) -> dict[Alarm, float]:
    """Return the false alarms of a bot-year."""
    limits = calibrated(tuple(trades), a_year)
    dice, many, counted = np.random.default_rng(11), Paths(limits, paths), dict.fromkeys(ALARMS, 0)
    for _ in range(YEARS * a_year):
        many.add(dice.choice(trades, paths))
        for alarm in ALARMS:
            counted[alarm] += int(many.began[alarm].sum())
    return {alarm: count / paths / YEARS for alarm, count in counted.items()}


def costlier(trades: Floats, left: float) -> Callable[[np.random.Generator, int], Floats]:
    """Return what draws trades that each make less, until this share of the expectancy is left."""
    less = (1 - left) * trades.mean()
    return lambda dice, count: dice.choice(trades, count) - less


def unluckier(trades: Floats, left: float) -> Callable[[np.random.Generator, int], Floats]:
    """Return what draws trades whose wins turn into losses, until this share of the expectancy is left."""
    wins, losses = trades[trades > 0], trades[trades <= 0]
    share = (left * trades.mean() - losses.mean()) / (wins.mean() - losses.mean())
    return lambda dice, count: np.where(
        dice.random(count) < share, dice.choice(wins, count), dice.choice(losses, count)
    )


def found_after(
    trades: Floats, a_year: int, draw: Callable[[np.random.Generator, int], Floats], most: int = 3000
) -> float:
    """Return in how many trades either alarm finds it, in the median of 2000 paths."""
    limits, count = calibrated(tuple(trades), a_year), 2000
    dice, many = np.random.default_rng(13), Paths(limits, count)
    for _ in range(BEFORE):
        many.add(dice.choice(trades, count))
    calm = ~(many.alarms["fading"] | many.alarms["gone"])
    after = np.full(count, np.inf)
    for number in range(1, most + 1):
        many.add(draw(dice, count))
        alarm = many.alarms["fading"] | many.alarms["gone"]
        after[alarm & np.isinf(after)] = number
        if np.isfinite(after[calm]).mean() > 0.5:
            break
    return float(np.median(after[calm]))


def one_more(trades: Floats) -> float:
    """Return the seconds that one more trade takes, with all figures after it."""
    live, spent = LiveTrades(calibrated(tuple(trades), 1000.0)), list[float]()
    for number, profit in enumerate(chain.from_iterable(repeat(trades.tolist(), 20))):
        began = time.process_time()
        live.add(TradeResult(60.0 * number, profit, 60.0 * number - 50, 0.001, 0.0002))
        _ = (live.expectancy, live.win_rate, live.per_day, *live.cone, *live.drawdowns, *live.used)
        _ = [live.alarms(alarm) for alarm in ALARMS]
        spent.append(time.process_time() - began)
    return statistics.median(spent)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--paths", type=int, default=10_000)
    paths = parser.parse_args().paths
    print(f"false alarms of a bot-year over {paths} null paths of {YEARS} years; trades until it is found\n")
    print("| reference | wins | payoff | trades a year | Sharpe of a trade | false EdgeFading a year | "
          "false EdgeGone a year | halved: costs, wins | none: costs, wins |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        trades = kind.trades()
        wrong = false_alarms(trades, kind.a_year, paths)
        cells = [f"{kind.wins:.0%}", f"{kind.payoff:g}", str(kind.a_year)]
        cells += [f"{trades.mean() / trades.std():.2f}"]
        cells += [f"{wrong[alarm]:.2f}" + met(wrong[alarm], FALSE_A_YEAR[alarm]) for alarm in ALARMS]
        for left, bar in ((0.5, BARS["halved"]), (0.0, BARS["none"])):
            found = [found_after(trades, kind.a_year, way(trades, left)) for way in (costlier, unluckier)]
            cells.append(", ".join(f"{each:.0f}" for each in found) + met(max(found), bar))
        print(f"| {kind.name} | {' | '.join(cells)} |", flush=True)
    seconds = one_more(KINDS[1].trades())
    print(f"\none more trade and all figures after it: {seconds * 1e6:.1f} µs{met(seconds, ONE_MORE)}")
    began = time.process_time()
    calibrated(tuple(KINDS[1].trades(5000)), 1000.0)
    print(f"calibration of a reference of 5000 trades, once: {time.process_time() - began:.1f} s")


def met(value: float, bar: float) -> str:
    """Return what marks a bar that is not met."""
    return "" if value <= bar else f" (bar {bar:g} missed)"


if __name__ == "__main__":
    main()
