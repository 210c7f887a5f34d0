"""Simulates the exchange's API: calls that succeed, fail or take long, all counted."""

import logging
from bisect import bisect_left
from itertools import accumulate
from random import Random

from demo_bot.conditions import Conditions, Diary

BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
TYPICAL_SECONDS = 0.06
SPREAD = 0.5  # standard deviation of the logarithm of the seconds
SLOW_SECONDS = 1.0
ENDPOINTS = ("https://api1.exchange.example", "https://api2.exchange.example")


class Exchange:
    """Counts each call and its response time. It never waits: times are drawn at random."""

    def __init__(self, rng: Random, conditions: Conditions, diary: Diary) -> None:
        self._rng = rng
        self._conditions = conditions
        self._diary = diary
        self._counts = [0] * (len(BUCKETS) + 1)
        self.endpoint = ENDPOINTS[0]
        self.typical_seconds = TYPICAL_SECONDS
        self.requests_ok = 0
        self.requests_error = 0
        self.seconds_sum = 0.0

    def call(self, operation: str, symbol: str) -> bool:
        """Return whether a call succeeded."""
        failing, slow = self._conditions.api_errors, self._conditions.slow_api
        seconds = self.typical_seconds * self._rng.lognormvariate(0, SPREAD) + (slow.seconds if slow else 0)
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds_sum += seconds
        if seconds > SLOW_SECONDS:
            text = f"Slow operation: {operation}({symbol}) took {seconds * 1000:.0f} ms"
            self._diary.note("exchange", logging.WARNING, text)
        if failing and self._rng.random() < failing.share:
            self.requests_error += 1
            text = f"API error: {operation}({symbol}) at {self.endpoint} returned 503 Service Unavailable"
            self._diary.note("exchange", logging.ERROR, text)
            return False
        self.requests_ok += 1
        return True

    def switch(self, endpoint: str | None = None) -> str:
        """Use this endpoint, or another than the present one, and return it."""
        self.endpoint = endpoint or next(known for known in ENDPOINTS if known != self.endpoint)
        return self.endpoint

    def buckets(self) -> dict[str, int]:
        """Return the cumulative count of response times by upper bound in seconds."""
        bounds = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
        return dict(zip(bounds, accumulate(self._counts), strict=True))
