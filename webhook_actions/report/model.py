"""A report as data: every format reads it and computes nothing more."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Unit = Literal["money", "count", "ratio", "number", "seconds"]
Verdict = Literal["intact", "fading", "gone"]
Points = tuple[tuple[float, float], ...]
"""A series as (unix time, value), oldest first."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True)


class Figure(_Said):
    """One figure of the period and of the one before; None is unknown."""

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
    """A figure and the settings' value for it; `at_least` says on which side it should be."""

    name: str
    unit: Unit
    value: float
    limit: float
    at_least: bool
    met: bool


class Objective(_Said):
    """A service level objective: the share of the period in which it was met, and whether it is now."""

    name: str
    share: float
    met: bool


class Happened(_Said):
    """An incident of the period and the actions against it."""

    id: int
    alert: str
    severity: str
    summary: str
    opened_at: float
    closed_at: float | None
    done: tuple[str, ...]
    answered_after: float | None = None  # seconds until a person answered or asked for an action


class Responses(_Said):
    """How soon people answered the incidents of a severity, and the time in which they should.

    `late` also counts those that are unanswered after that time; times are in seconds.
    """

    severity: str
    wanted: float
    within: int
    late: int
    median: float | None  # of the answered ones


class Done(_Said):
    """How often an action ran, was proven to have helped, or was proven not to have helped.

    The others failed, were stopped, taken over or replaced, or their result is unknown.
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
    """An open position at the period's end; `unprotected` if no live stop is known. None is unknown."""

    symbol: str
    side: str = ""
    value: float | None = None
    profit: float | None = None
    unprotected: bool | None = None


class Hold(_Said):
    """What held Nightdesk or the bot back at the period's end: since when (unix time), and why."""

    kind: Literal["halted", "entries stopped", "all actions paused"]
    since: float
    reason: str


class Proposal(_Said):
    """A suggestion, with the figure that led to it and its limit."""

    says: str
    priority: str
    category: str
    action: str
    unit: Unit
    value: float | None
    limit: float


class Compared(_Said):
    """A figure of live trades and of their reference; None is unknown."""

    name: str
    unit: Unit
    live: float | None
    reference: float | None


class Edge(_Said):
    """How the live trades that are compared with a reference stand at the period's end."""

    verdict: Verdict
    trades: int
    figures: tuple[Compared, ...]


class Group(_Said):
    """Trades with something in common: a symbol, an hour, a day."""

    name: str
    trades: int
    won: int
    profit: float


class Report(_Said):
    """A report. Times are in unix seconds, money in `currency`; `notes` say what is missing and why."""

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
    bars: tuple[Group, ...]  # by day, or for a day by hour, in their order
    equity: Points
    drawdown: Points
    incidents: tuple[Happened, ...] = ()
    responses: tuple[Responses, ...] = ()  # to this bot's incidents, and those of no single one
    desk_responses: tuple[Responses, ...] = ()  # to those of all bots
    done: tuple[Done, ...] = ()
    wake_ups: WakeUps | None = None
    # running, paused, …, down or unknown, at the end; older stored reports have none
    state: str | None = None
    positions: tuple[Open, ...] | None = None  # at the end
    holds: tuple[Hold, ...] = ()
    edge: Edge | None = None

    def figure(self, name: str) -> Figure:
        """Return a figure by its name."""
        return next(figure for figure in self.figures if figure.name == name)
