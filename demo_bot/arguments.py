"""Lists the bot API's control verbs and faults, and types the arguments of each."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class NoArguments(BaseModel):
    """A verb or fault without arguments."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
    needed: ClassVar[bool] = False  # whether a body is required, although each argument is optional

    @property
    def repeatable(self) -> bool:
        """Whether a repeat changes nothing more, so that a stored answer would only be outdated."""
        return False


class Restart(NoArguments):
    """How to restart."""

    wait: Annotated[float, Field(ge=0, le=300)] = 0
    """Seconds between the stop and the start."""


class ClosePositions(NoArguments):
    """Which positions to close: exactly one of the two, so that an omission closes nothing."""

    needed = True
    scope: Literal["all", "risky", "losing"] | None = None
    """`all` also cancels pending orders; `losing` have an open loss; what is `risky` the bot decides."""
    symbols: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = None
    """Close all positions in these symbols."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.scope is None) == (self.symbols is None):
            raise ValueError('give either "scope": "all" | "risky" | "losing" or "symbols": ["BTC/USDT", …]')
        return self


class WantedSize(BaseModel):
    """The most that a position may keep."""

    model_config = NoArguments.model_config
    symbol: str
    side: Literal["long", "short"]
    size: Annotated[float, Field(ge=0)]
    """In units of the coin, for all positions of this symbol and side; one that holds less stays as it is."""


class ReducePositions(NoArguments):
    """How far to reduce: to `positions` if given, else by `factor`."""

    positions: Annotated[list[WantedSize], Field(max_length=1000)] | None = None
    """The sizes to bring positions to; others stay.

    Carried out for each request, whatever its key: a position that already has the size stays unchanged. A
    bot without sizes uses `factor` instead, once for a key.
    """
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """The share of its size that each open position keeps; ignored if `positions` are given."""

    @property
    def repeatable(self) -> bool:
        """Whether the bot need not remember the key."""
        return self.positions is not None


class SwitchEndpoint(NoArguments):
    """The new endpoint."""

    endpoint: Annotated[str, Field(pattern="^https?://", max_length=1000)] | None = None
    """The URL to use from now on; without it, the next one that the bot knows."""


class ApiErrors(NoArguments):
    """How often calls to the exchange fail."""

    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of all calls."""


class SlowApi(NoArguments):
    """How slow the exchange is."""

    seconds: Annotated[float, Field(gt=0, le=60)] = 6
    """Added to each call."""


class Drawdown(NoArguments):
    """How much is lost."""

    ratio: Annotated[float, Field(gt=0, le=0.5)] = 0.2
    """Of the equity now."""


class Unprotected(NoArguments):
    """A position without a stop."""


class LiquidationNear(NoArguments):
    """How near the position is to its liquidation."""

    distance: Annotated[float, Field(gt=0, le=0.5)] = 0.02
    """Of the price now."""


class FundingDrain(NoArguments):
    """How much funding the position has paid."""

    ratio: Annotated[float, Field(gt=0, le=0.5)] = 0.02
    """Of its value."""


Peril = Unprotected | LiquidationNear | FundingDrain


class Drift(NoArguments):
    """How far the market has moved away from the model's training data."""

    score: Annotated[float, Field(gt=0, le=1)] = 0.4
    """The drift score to show; the model's skill falls with it."""


class MemoryGrowth(NoArguments):
    """How much memory the process takes."""

    megabytes: Annotated[int, Field(ge=1, le=4096)] = 200
    """In all; it grows by a tenth of that per second."""


class LogErrors(NoArguments):
    """How much the process writes."""

    per_second: Annotated[float, Field(gt=0, le=100)] = 5
    """Error lines; every fifth carries a traceback."""


class WorseFills(NoArguments):
    """How much worse the exchange fills orders."""

    basis_points: Annotated[float, Field(gt=0, le=1000)] = 50
    """Of the ordered price."""


@dataclass(frozen=True)
class Verb:
    """What a control verb does, its arguments, and whether supervisor or trading process handles it."""

    does: str
    arguments: type[NoArguments] = NoArguments
    by_supervisor: bool = False


@dataclass(frozen=True)
class Fault:
    """What a fault does and how it ends, its arguments, and whether supervisor or trading process has it."""

    does: str
    ends: str
    arguments: type[NoArguments] = NoArguments
    by_supervisor: bool = False
    momentary: bool = False


VERBS = {
    "start": Verb("Start the trading process; it begins in state running.", by_supervisor=True),
    "stop": Verb("End the trading process. Open positions stay open, unmanaged.", by_supervisor=True),
    "restart": Verb("Stop, wait, start.", Restart, by_supervisor=True),
    "pause": Verb(
        "Enter no new positions and cancel pending entries; exits go on. Lasts until resume or a start."
    ),
    "resume": Verb("Enter positions again."),
    "close_positions": Verb("Close positions at the market.", ClosePositions),
    "reduce_positions": Verb("Reduce positions to a size, or every position by a factor.", ReducePositions),
    "retrain_model": Verb("Train the models again. Ends drift; their figures start again."),
    "switch_endpoint": Verb(
        "Use another endpoint of the exchange. Ends API errors and slow answers.", SwitchEndpoint
    ),
    "retry_connection": Verb("Reconnect to the exchange. Ends API errors, frozen feeds and stuck orders."),
    "optimize_connections": Verb(
        "Keep connections open and use the fastest. Ends slow answers, halves normal ones."
    ),
    "clear_cache": Verb("Free cached memory."),
    "reduce_processing": Verb("Poll the exchange and the models less often, to use less CPU."),
    "adjust_strategy": Verb("Trade with half the stake and a nearer target."),
    "adjust_parameters": Verb("Let models abstain when they are unsure: fewer and better predictions."),
}

_RESTART = "by DELETE or a restart"
_CLOSED = "when the position is closed, by close_positions"
FAULTS = {
    "crash": Fault(
        "The trading process dies by SIGKILL now.", "by start or restart", by_supervisor=True, momentary=True
    ),
    "stay_down": Fault(
        "A start exits at once. Does not end a process that runs.",
        "by DELETE only: it outlasts restarts of the supervisor too",
        by_supervisor=True,
    ),
    "hang": Fault("The trading process neither trades nor answers (SIGSTOP).", _RESTART, by_supervisor=True),
    "loop_hang": Fault("The trading loop stands still, yet the bot answers.", _RESTART),
    "api_errors": Fault(
        "Calls to the exchange fail.", f"{_RESTART}, switch_endpoint, retry_connection", ApiErrors
    ),
    "slow_api": Fault(
        "The exchange answers slowly.", f"{_RESTART}, switch_endpoint, optimize_connections", SlowApi
    ),
    "drawdown": Fault(
        "The market crashes while the bot is heavily long: half the loss is realised, half stays open.",
        "never: the money is lost",
        Drawdown,
        momentary=True,
    ),
    "unprotected": Fault(
        "A position is opened without a stop, and held.",
        "by DELETE, which sets one, or close_positions",
        Unprotected,
    ),
    "liquidation_near": Fault(
        "A leveraged position is opened close to its liquidation, and held.",
        _CLOSED,
        LiquidationNear,
        momentary=True,
    ),
    "funding_drain": Fault(
        "A position is opened, pays funding, and is held.", _CLOSED, FundingDrain, momentary=True
    ),
    "stuck_orders": Fault("Orders are placed and never filled.", f"{_RESTART}, retry_connection, pause"),
    "drift": Fault("The models' predictions go bad.", f"{_RESTART}, retrain_model", Drift),
    "stale_data": Fault("Market data freezes while calls succeed.", f"{_RESTART}, retry_connection"),
    "memory_growth": Fault("Memory grows.", f"{_RESTART}, clear_cache", MemoryGrowth),
    "log_errors": Fault("Error lines and tracebacks flood the log.", _RESTART, LogErrors),
    "worse_fills": Fault("Entries and exits are filled at worse prices than ordered.", _RESTART, WorseFills),
}
