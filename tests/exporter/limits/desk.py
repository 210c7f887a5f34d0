"""Plays the values of a bot or an account into the limits, restarts them, and returns the rest."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from exporter.limits.arithmetic import Left
from exporter.limits.figures import Clock, Figures
from exporter.limits.state_file import LimitStateStore
from exporter.limits.tracker import Holder, LimitStatus, rule
from stack.settings.limits import LossLimit

SHARE = 0.8


def at(text: str, zone: str) -> float:
    """Return the unix time of a local time; one that ends in `b` is the second of two."""
    second = text.endswith("b")
    local = datetime.fromisoformat(text.rstrip("b")).replace(tzinfo=ZoneInfo(zone), fold=int(second))
    return local.timestamp()


@dataclass
class Desk:
    """One limit of one bot `a`, or of an account of several; `play` is one poll of all."""

    limit: dict[str, Any]
    folder: Path
    capital: float | None = 100_000
    zone: str = "UTC"
    day: str = "00:00"
    moved: float = 0.0
    bots: tuple[str, ...] = ("a",)
    holder: Holder = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Start again from the files on disk."""
        kept = LimitStateStore(self.folder / "limits.json")
        rules = [rule(LossLimit(**{"name": "it"} | self.limit), SHARE)]
        account = "main" if len(self.bots) > 1 else ""
        clock = Clock(self.day, self.zone)
        self.holder = Holder("a", account, self.bots, rules, clock, kept, "here")

    def play(self, when: str, balance: float, equity: float, **more: Any) -> LimitStatus:
        """Poll the only bot, which has these values; returns the limit."""
        base = float(Decimal(repr(self.capital or 0)) + Decimal(repr(self.moved)))
        made = Figures(self.capital, self.moved, balance - base, equity - base, **more)
        return self.poll(when, {"a": made})

    def poll(self, when: str, figures: dict[str, Figures | None]) -> LimitStatus:
        """Take each bot's values, and store them."""
        self.holder.take(figures, at(when, self.zone))
        asyncio.run(self.holder.kept.write())
        return self.standing()

    def standing(self) -> LimitStatus:
        """Return the limit's present state."""
        [found] = self.holder.standings()
        return found


def known(found: LimitStatus) -> Left:
    """Return the rest of the limit, if it is known."""
    assert found.left is not None
    return found.left


def marks(found: LimitStatus) -> set[str]:
    """Return the words for a limit's state beside its numbers."""
    left = known(found)
    return {
        word
        for word, so in {
            "acts": left.used >= Decimal(repr(found.rule.acts_at)),
            "reached": left.used >= 1,
            "locked": left.locked,
            "gap": bool(found.gap),
        }.items()
        if so
    }
