"""Settings of loss limits: how much a bot or account may lose, from which value, in which day."""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, StrictBool, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from stack.settings.observability import LocalTime
from stack.settings.types import Between, Number, Plain, Section, TimeZone

LimitName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Amount = Annotated[float, Between(0.01, 1e12), Plain]
Part = Annotated[float, Between(0.0001, 1.0), Plain]


class Day(Section):
    """When a day begins; without a time zone, in that of the settings.

    If a clock change skips the time, the first instant after the gap counts; if it repeats the time, the
    first.
    """

    start: LocalTime = "00:00"
    timezone: TimeZone | None = None


class KnownMark(Section):
    """The mark from the firm's own page; it replaces what Nightdesk saw before."""

    at: AwareDatetime
    mark: Number


class LossLimit(Section):
    """The loss allowed from a mark: the day's start (`daily`), the capital or a trailing mark (`maximum`).

    `money` or `ratio` (`of` the mark or the capital) is the amount. The mark is a value of the equity, of the
    balance (closed trades) or of the higher of both. A mark that `trails` follows the highest of `day_end` or
    `intraday`, until the limit is `locks_at` above the capital. Without `open_positions` only closed trades
    count as lost. Deposits and withdrawals move the limit if it `follows_transfers`; a firm's limit does not
    move. `acts_at` is the used share at which the alert fires, by default
    `thresholds.critical.loss_limit_used`.
    """

    name: LimitName
    kind: Literal["daily", "maximum"]
    money: Amount | None = None
    ratio: Part | None = None
    of: Literal["mark", "capital"] = "mark"
    mark: Literal["equity", "balance", "higher"] = "equity"
    trails: Literal["never", "day_end", "intraday"] = "never"
    open_positions: StrictBool = True
    locks_at: Number | None = None
    follows_transfers: StrictBool = True
    acts_at: Annotated[float, Between(0.1, 1.0), Plain] | None = None
    known: KnownMark | None = None

    @model_validator(mode="after")
    def _has_an_effect(self) -> Self:
        for wrong, says in (
            ((self.money is None) == (self.ratio is None), "write exactly one of money, ratio"),
            (self.of == "capital" and self.ratio is None, "of: capital has no effect with money; remove it"),
            (
                self.kind == "daily" and self.trails == "day_end",
                "trails: day_end has no effect, a daily limit restarts each day; write never or intraday",
            ),
            (
                self.kind == "maximum" and self.trails == "never" and self.mark != "equity",
                f"mark: {self.mark} has no effect: without trails the capital is the mark; remove it",
            ),
            (
                self.locks_at is not None and (self.kind == "daily" or self.trails == "never"),
                f"locks_at: {self.locks_at} has no effect on a limit that does not trail; remove it",
            ),
        ):
            if wrong:
                raise PydanticCustomError("effect", "{name}: {says}", {"name": self.name, "says": says})
        return self

    @property
    def needs_capital(self) -> bool:
        """Whether it needs a known capital; a daily limit in money does not."""
        return self.kind == "maximum" or self.ratio is not None
