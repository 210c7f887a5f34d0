"""Simulates the market: prices and volumes of a few symbols, as a seeded random walk with changing drift."""

from collections import deque
from collections.abc import Mapping
from math import exp, floor, log, sqrt
from random import Random

BASE_PRICES = {"BTC": 65_000.0, "ETH": 3_150.0, "SOL": 140.0, "BNB": 570.0, "ADA": 0.43}
BAR_SECONDS = 60
HISTORY_BARS = 48 * 60  # two days, so that a day can be compared with the day before

VOLATILITY = 0.02 / sqrt(3600)  # standard deviation of log returns per square root of a second: 2 % an hour
# Drift in log returns a second, up or down with the mood: so small that a bot whose model knows the mood
# loses on nearly every other day, and has a drawdown now and then that need not wake its owner.
DRIFT = 5e-7
MOOD_SECONDS = 120.0  # mean time between two changes of mood
PULL = 1 / (6 * 3600)  # pull to the base price, per second: a demo that runs for months stays near it
BAR_TURNOVER = 250_000.0  # typical turnover of a symbol in a minute


class Series:
    """One symbol's price now, its direction, and its closed one-minute bars, oldest first."""

    def __init__(self, rng: Random, base: float, price: float) -> None:
        self.base = base
        self.price = price
        self.mood = rng.choice((-1, 1))
        self.closes: deque[float] = deque(maxlen=HISTORY_BARS)
        self.volumes: deque[float] = deque(maxlen=HISTORY_BARS)
        level = 0.0
        levels = [level := level + rng.gauss(0, VOLATILITY * sqrt(BAR_SECONDS)) for _ in range(HISTORY_BARS)]
        # Shifted as a whole, so that the invented past ends at the price where trading starts.
        self.closes.extend(price * exp(at - levels[-1]) for at in levels)
        self.volumes.extend(_volume(rng) for _ in self.closes)

    def advance(self, rng: Random, seconds: float) -> None:
        """Move the price over a time, which may be zero."""
        if rng.random() < 1 - exp(-seconds / MOOD_SECONDS):
            self.mood = -self.mood
        drift = self.mood * DRIFT - PULL * log(self.price / self.base)
        self.price *= exp(drift * seconds + rng.gauss(0, VOLATILITY * sqrt(seconds)))

    def close_bar(self, rng: Random) -> None:
        """Make the current price the close of a bar."""
        self.closes.append(self.price)
        self.volumes.append(_volume(rng))


class Walk:
    """The market of all symbols; `advance` moves it to a unix time, and nothing else reads a clock."""

    def __init__(
        self, rng: Random, now: float, currency: str, prices: Mapping[str, float] | None = None
    ) -> None:
        """Start each symbol at its price in `prices`, else at its base price."""
        self._rng = rng
        self._now = now
        known = prices or {}
        self.series = {
            symbol: Series(rng, base, known.get(symbol, base))
            for symbol, base in ((f"{coin}/{currency}", price) for coin, price in BASE_PRICES.items())
        }

    @property
    def prices(self) -> dict[str, float]:
        """The price of each symbol now, in money for one unit."""
        return {symbol: series.price for symbol, series in self.series.items()}

    def advance(self, now: float) -> None:
        """Move every price to the unix time `now`; a clock that went backwards moves nothing."""
        seconds = max(0.0, now - self._now)
        bars = floor(now / BAR_SECONDS) - floor(self._now / BAR_SECONDS)
        for series in self.series.values():
            series.advance(self._rng, seconds)
            for _ in range(min(bars, HISTORY_BARS)):
                series.close_bar(self._rng)
        self._now = now

    def gap(self, symbol: str, ratio: float) -> None:
        """Let a price jump by a ratio: -0.3 takes 30 % off it at once."""
        self.series[symbol].price *= 1 + ratio


def _volume(rng: Random) -> float:
    """Return the turnover of a bar."""
    return BAR_TURNOVER * exp(rng.gauss(0, 0.4))
