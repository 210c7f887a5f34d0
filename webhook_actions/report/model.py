"""What a report says, as data: every way of showing it reads this and computes nothing more."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Unit = Literal["money", "count", "ratio", "number", "seconds"]
Points = tuple[tuple[float, float], ...]
"""A series as (unix time, value), oldest first."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True)


class Figure(_Said):
    """One figure of the period and of the one before; None is not known."""

    name: str
    unit: Unit
    value: float | None
    before: float | None = None
    best: Literal["high", "low"] | None = None


class Part(_Said):
    """A part of the performance score, 0 to 1, with its weight."""

    name: str
    score: float
    weight: float


class Benchmark(_Said):
    """A figure beside what the settings want of it; `at_least` says on which side it should be."""

    name: str
    unit: Unit
    value: float
    limit: float
    at_least: bool
    met: bool


class Objective(_Said):
    """An objective of the service level: in which share of the period it was met, and whether it is now."""

    name: str
    share: float
    met: bool


class Happened(_Said):
    """An incident of the period and what was done about it."""

    id: int
    alert: str
    severity: str
    summary: str
    opened_at: float
    closed_at: float | None
    done: tuple[str, ...]
    answered_after: float | None = None  # seconds until a person answered or asked for an action


class Responses(_Said):
    """How soon people answered the incidents of a severity, and within which time they should.

    `late` counts also those that nobody has answered so long after; times are in seconds.
    """

    severity: str
    wanted: float
    within: int
    late: int
    median: float | None  # of those that were answered


class Done(_Said):
    """What Nightdesk did with an action: how often, and how often it was proven to have helped, or was not.

    The others failed, were stopped, taken over or replaced, or nobody knows what became of them.
    """

    action: str
    times: int
    helped: int
    not_helped: int


class WakeUps(_Said):
    """How often people were called or got an SMS, about any bot; `at_night` is from 22:00 to 07:00."""

    calls: int
    sms: int
    at_night: int


class Open(_Said):
    """An open position at the period's end; `unprotected` where no live stop is known. None is not known."""

    symbol: str
    side: str = ""
    value: float | None = None
    profit: float | None = None
    unprotected: bool | None = None


class Hold(_Said):
    """What kept Nightdesk or the bot from acting at the period's end: since when (unix time), and why."""

    kind: Literal["halted", "entries stopped", "all actions paused"]
    since: float
    reason: str


class Proposal(_Said):
    """Something to think about, with the number that led to it and its limit."""

    says: str
    priority: str
    category: str
    action: str
    unit: Unit
    value: float | None
    limit: float


class Group(_Said):
    """Trades that have something in common: a symbol, an hour, a day."""

    name: str
    trades: int
    won: int
    profit: float


class Report(_Said):
    """A report. Times are unix seconds, money is in `currency`; `notes` say what is missing and why."""

    bot: str
    period: str
    start: float
    end: float
    zone: str
    currency: str
    known_from: float | None  # when Prometheus first saw the bot in the period
    notes: tuple[str, ...]
    figures: tuple[Figure, ...]
    score: Figure
    parts: tuple[Part, ...]
    benchmarks: tuple[Benchmark, ...]
    objectives: tuple[Objective, ...]
    proposals: tuple[Proposal, ...]
    symbols: tuple[Group, ...]  # most profitable first
    hours: tuple[Group, ...]  # most profitable first
    bars: tuple[Group, ...]  # by day, of a day by hour, in their order
    equity: Points
    drawdown: Points
    incidents: tuple[Happened, ...] = ()
    responses: tuple[Responses, ...] = ()  # to this bot's incidents, and those of no single one
    desk_responses: tuple[Responses, ...] = ()  # to those of all bots
    done: tuple[Done, ...] = ()
    wake_ups: WakeUps | None = None
    state: str | None = None  # running, paused, …, down or unknown, at the end; reports kept before have none
    positions: tuple[Open, ...] | None = None  # at the end
    holds: tuple[Hold, ...] = ()

    def figure(self, name: str) -> Figure:
        """Return a figure by its name."""
        return next(figure for figure in self.figures if figure.name == name)
