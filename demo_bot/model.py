"""Simulates a model that predicts where prices go, and measures how good its predictions were."""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from itertools import accumulate
from math import log2
from random import Random
from statistics import fmean, median

from demo_bot.conditions import Conditions

WINDOW = 200  # the number of predictions in the figures
ENOUGH = 20  # predictions before a figure means anything
SKILL = 0.88  # share of right predictions while the market resembles the training data
DRIFTED = 0.1  # a higher drift score sets the flag
BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.5)  # seconds of a prediction


@dataclass(frozen=True)
class Prediction:
    """One prediction: the probability of a rise, whether it rose, when, and how long the model took."""

    rise: float
    rose: bool
    at: float
    seconds: float

    @property
    def up(self) -> bool:
        """Whether a rise was predicted."""
        return self.rise > 0.5

    @property
    def confidence(self) -> float:
        """The probability of what was predicted, 0.5 to 1."""
        return max(self.rise, 1 - self.rise)

    @property
    def entropy(self) -> float:
        """The uncertainty in bits, 0 (sure) to 1 (a coin's throw). Source: Shannon 1948."""
        return -sum(p * log2(p) for p in (self.rise, 1 - self.rise) if p > 0)


@dataclass(frozen=True)
class Quality:
    """Figures over the last predictions; None if unknown."""

    accuracy: float
    precision: float | None
    recall: float | None
    f1_score: float | None
    auc: float | None
    confidence: float
    uncertainty: float
    seconds: float
    per_hour: float


class Model:
    """Knows the true direction as often as its skill allows; drift lowers the skill. It starts trained."""

    def __init__(self, rng: Random, conditions: Conditions, trained_at: float) -> None:
        self._rng = rng
        self._conditions = conditions
        self._recent: deque[Prediction] = deque(maxlen=WINDOW)
        self._wobble = 0.0
        self._least_confidence = 0.0
        self.retrainings = 0
        self.retrained_at = trained_at
        self.seconds_sum = 0.0
        self._counts = [0] * (len(BUCKETS) + 1)

    @property
    def drift_score(self) -> float:
        """How far the input has moved away from the training data, 0 to 1."""
        drift = self._conditions.drift
        return drift.score if drift else 0.02 + self._wobble

    @property
    def drift_detected(self) -> bool:
        """Whether the score is above the model's own limit."""
        return self.drift_score > DRIFTED

    @property
    def last_prediction_at(self) -> float | None:
        """When the last prediction was made, or None before the first."""
        kept = self._kept()
        return kept[-1].at if kept else None

    def predict(self, rises: bool, now: float) -> bool | None:
        """Return whether the model expects a rise, or None if its confidence is too low."""
        drift = self._conditions.drift
        self._wobble = self._rng.uniform(0, 0.02)
        skill = max(0.3, SKILL - drift.score * 1.1) if drift else SKILL
        right = self._rng.random() < skill
        sureness = self._rng.betavariate(4, 2.2 if right else 4) * (0.3 if drift else 1)
        confidence = 0.5 + sureness / 2
        expects_rise = rises if right else not rises
        chance = confidence if expects_rise else 1 - confidence
        seconds = self._rng.lognormvariate(-3.9, 0.3)
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds_sum += seconds
        self._recent.append(Prediction(chance, rises, now, seconds))
        return expects_rise if confidence >= self._least_confidence else None

    def buckets(self) -> dict[str, int]:
        """Return the cumulative count of prediction times since the start, by upper bound in seconds."""
        bounds = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
        return dict(zip(bounds, accumulate(self._counts), strict=True))

    def retrain(self, now: float) -> None:
        """Start over with a model that fits today's market, and with empty figures."""
        self._conditions.drift = None
        self._recent.clear()
        self._least_confidence = 0.0
        self.retrainings += 1
        self.retrained_at = now

    def abstain(self) -> float:
        """Make only predictions as sure as the surer half of the last ones, and return that confidence.

        The figures then are over those too: fewer and better.
        """
        if self._recent:
            self._least_confidence = median(prediction.confidence for prediction in self._recent)
        return self._least_confidence

    def _kept(self) -> list[Prediction]:
        return [p for p in self._recent if p.confidence >= self._least_confidence]

    def quality(self) -> Quality | None:
        """Return the figures over the last predictions, or None before there are enough."""
        recent = self._kept()
        if len(recent) < ENOUGH:
            return None
        hit = sum(p.up and p.rose for p in recent)
        predicted, actual = sum(p.up for p in recent), sum(p.rose for p in recent)
        precision = hit / predicted if predicted else None
        recall = hit / actual if actual else None
        hours = (recent[-1].at - recent[0].at) / 3600
        return Quality(
            accuracy=sum(p.up == p.rose for p in recent) / len(recent),
            precision=precision,
            recall=recall,
            f1_score=2 * hit / (predicted + actual) if predicted + actual else None,
            auc=_auc([p.rise for p in recent if p.rose], [p.rise for p in recent if not p.rose]),
            confidence=fmean(p.confidence for p in recent),
            uncertainty=fmean(p.entropy for p in recent),
            seconds=fmean(p.seconds for p in recent),
            per_hour=(len(recent) - 1) / hours if hours else 0.0,
        )


def _auc(risen: list[float], fallen: list[float]) -> float | None:
    """Return the chance that a rise got a higher probability than a fall (Mann and Whitney 1947)."""
    if not risen or not fallen:
        return None
    above = sum((up > down) + (up == down) / 2 for up in risen for down in fallen)
    return above / (len(risen) * len(fallen))
