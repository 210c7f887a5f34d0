"""The arithmetic of one loss limit: from one observation after the other to the loss that is left."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Literal

GAP: Final = 300.0  # seconds without an observation that may hide a new mark; polls come each minute
_SATOSHI: Final = 8  # decimals of money: sums of binary fractions have rounding noise


def money(value: float) -> Decimal:
    """Return money rounded to eight decimals."""
    return Decimal(repr(round(float(value), _SATOSHI)))


@dataclass(frozen=True)
class Terms:
    """One limit; `amount` is money or, if `is_ratio`, a ratio of the mark or the capital.

    `stack.settings.limits` defines `kind`, `trails`, `mark` and the rest. `known` is a unix time and the mark
    that a person wrote down for it.
    """

    kind: Literal["daily", "maximum"]
    amount: Decimal
    is_ratio: bool = False
    of: Literal["mark", "capital"] = "mark"
    mark: Literal["equity", "balance", "higher"] = "equity"
    trails: Literal["never", "day_end", "intraday"] = "never"
    open_positions: bool = True
    locks_at: Decimal | None = None
    follows_transfers: bool = True
    known: tuple[float, Decimal] | None = None


@dataclass(frozen=True)
class Observation:
    """The figures at a unix time of the day that began at `day`; None is unknown.

    `capital` is the money before the first trade and all transfers, `moved` the sum of the transfers;
    `balance` and `equity` contain both. `opened_at_balance` is the balance at the day's begin, if closed
    trades show it.
    """

    time: float
    day: float
    capital: Decimal
    moved: Decimal
    balance: Decimal | None
    equity: Decimal | None
    opened_at_balance: Decimal | None = None


@dataclass(frozen=True)
class State:
    """The stored state: the mark, its origin, and the last observation that counted.

    `base` is the capital, plus transfers if the limit follows them, from which mark, balance and equity
    count. `unseen` is the last span, in unix time, in which the mark may have been missed; `known_at` is the
    time of the last mark that a person gave.
    """

    day: float
    time: float
    base: Decimal
    mark: Decimal
    balance: Decimal | None
    equity: Decimal | None
    unseen: tuple[float, float] | None = None
    known_at: float | None = None


@dataclass(frozen=True)
class Left:
    """The rest of a limit, in money; `used` is a ratio, 1 or more when the limit is reached.

    `threshold` is the value at which the limit is reached, `allowed` its distance below the mark before it
    was locked.
    """

    mark: Decimal
    threshold: Decimal
    allowed: Decimal
    now: Decimal
    left: Decimal
    used: Decimal
    locked: bool


def step(terms: Terms, state: State | None, seen: Observation) -> State | None:
    """Return the state after an observation; the old state if the observation lacks a needed value."""
    here, worth = _of(terms.mark, seen.balance, seen.equity), _measured(terms, seen.balance, seen.equity)
    if here is None or worth is None:
        return state
    base = seen.capital + (seen.moved if terms.follows_transfers else Decimal(0))
    before = None if state is None else _on(base, state)
    day = seen.day if before is None else max(seen.day, before.day)
    time = seen.time if before is None else max(seen.time, before.time)
    if before is None or (day > before.day and terms.kind == "daily"):
        mark, unseen = _begin(terms, before, seen, base, here)
    else:
        mark, unseen = _trail(terms, before, seen, here)
    known_at = None if before is None else before.known_at
    if terms.known is not None and terms.known[0] != known_at and terms.known[0] <= time:
        known_at = terms.known[0]
        mark, unseen = _told(terms, terms.known, seen, here, mark, unseen)
    return State(day, time, base, mark, seen.balance, seen.equity, unseen, known_at)


def left(terms: Terms, state: State) -> Left:
    """Return the rest at the last observation that counted. Raises ValueError for a state of other terms."""
    now = _measured(terms, state.balance, state.equity)
    if now is None:
        raise ValueError(f"the state lacks the measured value: {state}")
    base = state.base if terms.of == "capital" else state.mark
    # Without capital no ratio can be lost.
    allowed = max(Decimal(0), terms.amount * base) if terms.is_ratio else terms.amount
    trailing = state.mark - allowed
    locked_at = None if terms.locks_at is None else state.base + terms.locks_at
    locked = locked_at is not None and trailing >= locked_at
    threshold = locked_at if locked and locked_at is not None else trailing
    rest = now - threshold
    used = max(Decimal(0), 1 - rest / allowed) if allowed else Decimal(rest <= 0)
    return Left(state.mark, threshold, allowed, now, rest, used, locked)


def _begin(
    terms: Terms, before: State | None, seen: Observation, base: Decimal, here: Decimal
) -> tuple[Decimal, tuple[float, float] | None]:
    """Return the mark of a new day or limit, and the span without observations."""
    if terms.kind == "daily":
        return _at_start(terms, before, seen)
    if terms.trails == "never":
        return base, None
    # The value may have been higher before the first observation, unless the bot has made nothing yet.
    traded = seen.balance != seen.capital + seen.moved
    first = here if terms.trails == "intraday" else base
    return max(base, first), ((0.0, seen.time) if traded else None)


def _trail(
    terms: Terms, before: State, seen: Observation, here: Decimal
) -> tuple[Decimal, tuple[float, float] | None]:
    """Return the mark after an observation, and the last span without observations."""
    if terms.trails == "intraday":
        gap = (before.time, seen.time) if seen.time - before.time > GAP else before.unseen
        return max(before.mark, here), gap
    if terms.trails == "day_end" and seen.day > before.day:
        mark, unseen = _at_start(terms, before, seen)
        return max(before.mark, mark), unseen or before.unseen
    if (
        terms.kind == "daily"
        and terms.mark == "balance"
        and before.unseen
        and seen.opened_at_balance is not None
    ):
        return seen.opened_at_balance, None  # trades reported later show the day's first balance
    return before.mark, before.unseen


def _at_start(
    terms: Terms, before: State | None, seen: Observation
) -> tuple[Decimal, tuple[float, float] | None]:
    """Return the mark at the start of a day: the higher of the values before and after the start.

    `seen` is the day's first observation. If there is a gap around the start, the higher of its ends counts,
    and the gap is returned.
    """
    if seen.time == seen.day:
        return _highest(terms, [(seen.balance, seen.equity)]), None
    around = [(seen.time, seen.balance, seen.equity)]
    if before is not None:
        around.append((before.time, before.balance, before.equity))
    near = [each for each in around if abs(each[0] - seen.day) <= GAP]
    told, missed = seen.opened_at_balance, _misses_a_day(terms, before, seen)
    counted = around if missed or not near else near
    mark = _highest(terms, [(each[1] if told is None else told, each[2]) for each in counted])
    if not missed and (near or (terms.mark == "balance" and told is not None)):
        return mark, None
    return mark, (seen.day if before is None else before.time, seen.time)


def _misses_a_day(terms: Terms, before: State | None, seen: Observation) -> bool:
    """Return whether a whole day passed without observations, so that the mark may lack that day's end."""
    return terms.kind == "maximum" and before is not None and seen.day - before.day > 1.5 * 86_400


def _told(
    terms: Terms, known: tuple[float, Decimal], seen: Observation, here: Decimal,
    mark: Decimal, unseen: tuple[float, float] | None,
) -> tuple[Decimal, tuple[float, float] | None]:  # fmt: skip
    """Return the mark that a person wrote down, with later observations.

    A daily mark counts only on its own day.
    """
    at, value = known
    if terms.kind == "daily":
        return (value, None) if at >= seen.day else (mark, unseen)
    gap = (at, seen.time) if terms.trails == "intraday" and seen.time - at > GAP else None
    return (max(value, here) if terms.trails == "intraday" else value), gap


def _on(base: Decimal, state: State) -> State:
    """Return the state on another base: a transfer is neither profit nor loss."""
    moved = base - state.base
    if not moved:
        return state
    return replace(
        state,
        base=base,
        mark=state.mark + moved,
        balance=None if state.balance is None else state.balance + moved,
        equity=None if state.equity is None else state.equity + moved,
    )


def _highest(terms: Terms, seen: Iterable[tuple[Decimal | None, Decimal | None]]) -> Decimal:
    return max(value for each in seen if (value := _of(terms.mark, *each)) is not None)


def _of(mark: str, balance: Decimal | None, equity: Decimal | None) -> Decimal | None:
    """Return the value that the mark follows, None if unknown."""
    if mark == "higher":
        return None if balance is None or equity is None else max(balance, equity)
    return balance if mark == "balance" else equity


def _measured(terms: Terms, balance: Decimal | None, equity: Decimal | None) -> Decimal | None:
    """Return the value that is compared with the limit, None if unknown."""
    return equity if terms.open_positions else balance
