"""What every adapter offers: orders it carries out, where the bot stands, and the trades it has closed."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Literal, Protocol

from webhook_actions.outcome import Outcome

Scope = Literal["all", "risky", "losing"]


class Verb(StrEnum):
    """What a bot can be told to do, beyond a restart; the names are those of docs/bot-api.md."""

    PAUSE = "pause"
    RESUME = "resume"
    CLOSE_POSITIONS = "close_positions"
    REDUCE_POSITIONS = "reduce_positions"
    RETRAIN_MODEL = "retrain_model"
    SWITCH_ENDPOINT = "switch_endpoint"
    RETRY_CONNECTION = "retry_connection"
    OPTIMIZE_CONNECTIONS = "optimize_connections"
    CLEAR_CACHE = "clear_cache"
    REDUCE_PROCESSING = "reduce_processing"
    ADJUST_STRATEGY = "adjust_strategy"
    ADJUST_PARAMETERS = "adjust_parameters"
    RELOAD = "reload"


@dataclass(frozen=True)
class Order:
    """A verb with what it needs: `factor` is the share that each position keeps, `endpoint` a URL."""

    verb: Verb
    scope: Scope | None = None
    factor: float | None = None
    endpoint: str | None = None

    def arguments(self) -> dict[str, object]:
        """Return what is said beyond the verb."""
        return {name: value for name, value in asdict(self).items() if name != "verb" and value is not None}


@dataclass(frozen=True)
class Position:
    """An open position; `value` is the money in it, 0 while its entry waits to be filled; None is unknown."""

    symbol: str
    side: str
    value: float | None
    profit: float | None


@dataclass(frozen=True)
class Standing:
    """Where a bot stands, as it says itself; None is unknown."""

    state: str
    positions: tuple[Position, ...] | None
    pending: int | None
    locked: bool = False  # it runs, but is locked against entries

    @property
    def enters(self) -> bool:
        """Whether it may open positions."""
        return not self.locked and self.state not in ("paused", "stopped")


@dataclass(frozen=True)
class Trade:
    """A closed trade; times are unix seconds, `profit` is after fees."""

    symbol: str
    side: str
    opened_at: float
    closed_at: float
    profit: float


class Restarter(Protocol):
    """An adapter that can restart a bot."""

    def restart(self, wait: float, key: str) -> Outcome:
        """Stop, wait so many seconds, start. A `key` seen before has no second effect where that can be."""
        ...


class Adapter(Restarter, Protocol):
    """An adapter that reaches the bot itself. Where it has no answer, the Outcome says why not."""

    verbs: frozenset[Verb]

    def answers(self) -> Outcome:
        """Return done when the bot answers, else why not."""
        ...

    def carry_out(self, order: Order, key: str) -> Outcome:
        """Have the bot do something; a verb that is not among `verbs` is answered with cannot."""
        ...

    def standing(self) -> Standing | Outcome:
        """Return where the bot stands."""
        ...

    def trades(self, limit: int) -> tuple[Trade, ...] | Outcome:
        """Return its last closed trades, `limit` at most, oldest first."""
        ...
