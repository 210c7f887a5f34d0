"""The edge watch: false alarms of a bot-year, how soon a lost edge is found, and what one more trade costs.

`python benchmarks/edge.py [--paths 10000]` makes references of 500 trades, some as crypto bots have them and
some better, and prints a table (docs/edge.md). Null paths draw their trades from the reference; each is five
years long. An edge is lost after 100 trades of the reference, on paths on which nothing alarms then: either
every trade makes less (costs rise), or wins turn into losses. A second table has references that are only a
sample of how the bot trades, as every backtest is at best. The seconds of one more trade are of the CPU.
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
from exporter.analytics.edge import ALARMS, OVER, Alarm, Limits, LiveTrades
from exporter.analytics.edge_limits import FALSE_A_YEAR, calibrated

Floats = NDArray[np.float64]
YEARS: Final = 5
BEFORE: Final = 100  # trades of the reference before the edge is lost
BARS: Final = {"halved": 60, "none": 40}  # trades until it is found, in the median
REFERENCES: Final = 20
SAMPLES: Final = (100, 500, 2000)  # trades of them, beside all of what the bot does
ONE_MORE: Final = 50e-6  # seconds


@dataclass(frozen=True)
class Kind:
    """How a bot trades: wins of all, the mean win by the mean loss, trades a year."""

    name: str
    wins: float
    payoff: float
    a_year: int

    def trades(self, count: int = 500, seed: int = 7) -> Floats:
        """Return profits as ratios; the mean loss is 1% of the stake."""
        dice = np.random.default_rng(seed)
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
            self._on[key] = (summed >= limit.limit) | (self._on[key] & (summed > OVER * limit.limit))
        for alarm in ALARMS:
            on = np.logical_or.reduce([is_on for key, is_on in self._on.items() if key[1] == alarm])
            self.began[alarm] = on & ~self.alarms[alarm]
            self.alarms[alarm] = on


@dataclass(frozen=True)
class Wrong:
    """How often a bot is wrongly told of in a year, and for which share of the time."""

    a_year: float
    of_time: float


def false_alarms(trades: Floats, a_year: int, paths: int, live: Floats | None = None) -> dict[Alarm, Wrong]:
    """Return the false alarms of null paths; their trades are drawn from the reference, or from `live`."""
    limits, drawn = calibrated(tuple(trades), a_year), trades if live is None else live
    dice, many = np.random.default_rng(11), Paths(limits, paths)
    began, lasted = dict.fromkeys(ALARMS, 0), dict.fromkeys(ALARMS, 0)
    for _ in range(YEARS * a_year):
        many.add(dice.choice(drawn, paths))
        for alarm in ALARMS:
            began[alarm] += int(many.began[alarm].sum())
            lasted[alarm] += int(many.alarms[alarm].sum())
    years = paths * YEARS
    return {alarm: Wrong(began[alarm] / years, lasted[alarm] / years / a_year) for alarm in ALARMS}


def of_short_backtests(kind: Kind) -> None:
    """Print the false alarms of bots that trade as ever, where the reference is only a sample of it."""
    print(f"\n{kind.name}: means of {REFERENCES} references, samples of how the bot trades; null paths\n")
    print("| trades of the reference | EdgeFading a year | of the time | EdgeGone a year | of the time |")
    print("|---|---|---|---|---|")
    live = kind.trades(1_000_000, seed=1)
    for count in SAMPLES:
        samples = (kind.trades(count, seed) for seed in range(100, 100 + REFERENCES))
        found = [false_alarms(each, kind.a_year, 50, live) for each in samples if each.mean() > 0]
        cells = [
            f"{statistics.mean(one[alarm].a_year for one in found):.2f} | "
            f"{statistics.mean(one[alarm].of_time for one in found):.0%}"
            for alarm in ALARMS
        ]
        print(f"| {count} | {' | '.join(cells)} |", flush=True)


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
        cells += [
            f"{wrong[alarm].a_year:.2f}" + met(wrong[alarm].a_year, FALSE_A_YEAR[alarm]) for alarm in ALARMS
        ]
        for left, bar in ((0.5, BARS["halved"]), (0.0, BARS["none"])):
            found = [found_after(trades, kind.a_year, way(trades, left)) for way in (costlier, unluckier)]
            cells.append(", ".join(f"{each:.0f}" for each in found) + met(max(found), bar))
        print(f"| {kind.name} | {' | '.join(cells)} |", flush=True)
    of_short_backtests(KINDS[3])
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
