"""The interface of every adapter: orders, targets, the bot's status and its trades."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, cast

from clients.trading import Position, Trade
from webhook_actions.outcome import Outcome

Guard = Callable[[], None]
"""Called right before each request that may change something; raises OrderRefused."""

_ROUNDING = 0.01  # ratio of a target: exchanges round sizes to their lots
_DUST = 1e-9  # units that no order could sell


class OrderRefused(Exception):
    """The guard forbids the order; the text is the reason for people."""


def orders_nothing() -> None:
    """Refuse every order: the guard of observing actions."""
    raise OrderRefused("an observing action sends no orders")


class Mode(StrEnum):
    """The mode of a bot's trading loop: everything, everything but entries, or nothing."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


def mode_of(state: str, *, enters: bool) -> Mode | Outcome:
    """Return the mode for a bot's own state; an Outcome while it starts or stops."""
    if state not in set(Mode):
        return Outcome.retry(f"its state is {state}")
    return Mode.PAUSED if state == Mode.RUNNING and not enters else Mode(state)


class Verb(StrEnum):
    """What a bot can be ordered to do, beyond a restart; the names are those of docs/bot-api.md."""

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
    """An order by a verb that is no target; `endpoint` is a URL."""

    verb: Verb
    endpoint: str | None = None

    def arguments(self) -> dict[str, object]:
        """Return the order's arguments beside the verb."""
        return {} if self.endpoint is None else {"endpoint": self.endpoint}


@dataclass(frozen=True)
class BotStatus:
    """A bot's own report of its state; None is unknown. `pending` counts waiting entry orders."""

    state: str
    positions: tuple[Position, ...] | None
    pending: int | None
    locked: bool = False  # it runs, but is locked against entries

    @classmethod
    def unknown(cls) -> "BotStatus":
        """Return the status of a bot that does not report."""
        return cls("unknown", None, None)

    @property
    def enters(self) -> bool:
        """Whether it may open positions."""
        return not self.locked and self.state not in ("paused", "stopped")


@dataclass(frozen=True)
class ExcessPosition:
    """A position above its target; `keep` is the quantity that it keeps, in units of the asset."""

    position: Position
    keep: float


@dataclass(frozen=True)
class Target:
    """The target of a bot: the largest quantity of each position, in units of its asset."""

    positions: Mapping[str, float] = field(default_factory=dict)  # by Position.key; the named positions
    others: float | None = None  # 0.0: unnamed positions are closed too; None: they stay
    paused: bool = False  # entries are stopped first, and stay stopped

    def to_json(self) -> dict[str, object]:
        """Return it as JSON takes it."""
        return {"positions": dict(self.positions), "others": self.others, "paused": self.paused}

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> "Target":
        """Return what to_json gave."""
        positions = cast(Mapping[str, float], stored["positions"])
        return cls(dict(positions), cast(float | None, stored["others"]), bool(stored["paused"]))

    @property
    def closes_all(self) -> bool:
        """Whether nothing may stay open."""
        return self.others == 0 and not any(self.positions.values())

    def limit(self, key: str) -> float:
        """Return the largest quantity of a position: infinity if it stays as it is."""
        return self.positions.get(key, math.inf if self.others is None else self.others)

    def is_weaker_than(self, other: "Target") -> bool:
        """Return whether reaching `other` also reaches this target; true for equal targets."""
        mine, theirs = (math.inf if each.others is None else each.others for each in (self, other))
        keys = self.positions.keys() | other.positions.keys()
        return (
            (other.paused or not self.paused)
            and theirs <= mine
            and all(other.limit(key) <= self.limit(key) for key in keys)
        )

    def excess(self, positions: Sequence[Position]) -> list[ExcessPosition | None]:
        """Return the positions above the target, None if there are none.

        Positions with one key share its quantity, the first ones first. An unknown quantity is above each
        target but infinity.
        """
        left: dict[str, float] = {}
        found: list[ExcessPosition | None] = []
        for position in positions:
            keep = left.get(position.key, self.limit(position.key))
            found.append(ExcessPosition(position, keep) if _is_above(position.quantity, keep) else None)
            left[position.key] = max(0.0, keep - (position.quantity or 0.0))
        return found


def _is_above(quantity: float | None, keep: float) -> bool:
    """Return whether a position is above its quantity; a waiting entry is above nothing at all."""
    if quantity is None:
        return keep < math.inf
    return quantity > keep * (1 + _ROUNDING) + _DUST or (quantity == 0 and keep == 0)


def reached(target: Target, standing: BotStatus) -> Outcome:
    """Return done at the target, retry with what is missing, cannot if the bot does not report."""
    if target.paused and standing.enters:
        return Outcome.retry(f"it is {standing.state} and may enter positions")
    how = "it is locked against entries" if standing.locked else f"it is {standing.state}"
    if not target.positions and target.others is None:
        return Outcome.ok(how)
    if standing.positions is None:
        return Outcome.cannot(f"{how} and does not say its positions")
    above = [each for each in target.excess(standing.positions) if each]
    if unsized := [each.position.key for each in above if each.position.quantity is None and each.keep > 0]:
        return Outcome.cannot(f"{how} and does not say how large {', '.join(unsized)} is")
    left = [_told(each) for each in above]
    if target.closes_all and standing.pending:
        left.append(f"{standing.pending} pending entry orders")
    if left:
        return Outcome.retry(f"it still holds {', '.join(left)}")
    held = "no position" if target.closes_all else "no more than its target"
    return Outcome.ok(f"{how} and holds {held}")


def _told(excess: ExcessPosition) -> str:
    quantity = excess.position.quantity
    held = "an unknown quantity" if quantity is None else f"{quantity:.6g}"
    return f"{excess.position.key} ({held}, {excess.keep:.6g} at most)"


class Restarter(Protocol):
    """An adapter that can restart a bot."""

    def longest_restart(self, wait: float) -> float:
        """Return the longest seconds of a restart with this wait."""
        ...

    def restart(self, wait: float, key: str) -> Outcome:
        """Stop, wait the seconds, start. If possible, a repeated `key` has no second effect.

        Raises OrderRefused.
        """
        ...


class Adapter(Restarter, Protocol):
    """An adapter that reaches the bot itself. If there is no answer, the Outcome says why."""

    verbs: frozenset[Verb]
    timeout: float
    """The longest seconds of one call."""
    longest: float
    """The longest seconds to bring it to a target."""
    longest_back: float
    """The longest seconds to bring it back to a mode."""
    longest_reload: float
    """The longest seconds to reconnect."""

    def mode(self) -> Mode | Outcome:
        """Return the trading loop's mode."""
        ...

    def bring_back(self, mode: Mode) -> Outcome:
        """Order the return of its trading loop to the mode before. Raises OrderRefused."""
        ...

    def lacks(self, verbs: Collection[Verb]) -> Outcome | None:
        """Return why the bot's version can do none of the verbs; None if it can, or none is named."""
        ...

    def version(self) -> str | Outcome:
        """Return the version that the bot reports."""
        ...

    def answers(self) -> Outcome:
        """Return done if the bot answers, else why not."""
        ...

    def carry_out(self, order: Order, key: str) -> Outcome:
        """Carry out an order; the answer to a verb that is not in `verbs` is `cannot`.

        Raises OrderRefused.
        """
        ...

    def bring_to(self, target: Target, key: str) -> Outcome:
        """Order what is missing to the target; repeated calls never go beyond it.

        `key` is the same for all attempts of one run. Raises OrderRefused.
        """
        ...

    def standing(self) -> BotStatus | Outcome:
        """Return the bot's status."""
        ...

    def trades(self, limit: int) -> tuple[Trade, ...] | Outcome:
        """Return its last closed trades, `limit` at most, oldest first."""
        ...
