"""Outside events and their times, drawn from a seed, each event independently."""

import random
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """An event at a time, in seconds from the start, or while the next order is under way."""

    at: float
    kind: str
    given: dict[str, Any] = field(default_factory=dict)
    amid_order: bool = False

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value}" for name, value in self.given.items())
        return f"{self.kind} {told}".rstrip() + (" amid an order" if self.amid_order else "")


_WEIGHTS = {
    "strike": 14,
    "flap": 3,
    "end": 6,
    "stranger": 1,
    "outage": 1,
    "crash": 5,
    "reboot": 2,
    "freeze": 5,
    "clock": 3,
    "database": 3,
    "commits": 4,
    "no_prometheus": 3,
    "no_channel": 2,
    "bot_fails": 8,
    "owner": 2,
    "click": 6,
    "answer": 3,
    "pause": 3,
    "release": 2,
    "reload": 4,
}
# The events that hurt most in the middle of an action.
_AMID = (
    "crash",
    "reboot",
    "freeze",
    "database",
    "commits",
    "bot_fails",
    "click",
    "answer",
    "pause",
    "release",
    "reload",
)
_CLICKS = ("close_all_positions", "reduce_position_sizes", "restart_bot", "stop_entries", "clear_cache")


def drawn(seed: int, bots: tuple[str, ...], alerts: list[str], length: float) -> list[Event]:
    """Return the events of a seed, in order."""
    dice = random.Random(f"{seed} scenario")
    number = dice.randint(4, 32)
    kinds = dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=number)
    events = [_event(f"{seed} event {index}", kind, bots, alerts, length) for index, kind in enumerate(kinds)]
    return sorted(events, key=lambda event: event.at)


def _event(seed: str, kind: str, bots: tuple[str, ...], alerts: list[str], length: float) -> Event:
    dice = random.Random(seed)
    bot = dice.choice(bots)
    given: dict[str, Any] = {}
    match kind:
        case "strike":
            chosen = dice.choice((*alerts, "CriticalLoss", "Down", "HighDrawdown"))
            given = {"bot": bot, "alert": chosen, "comes_back": dice.random() < 0.6}
            if chosen == "Down" and not given["comes_back"]:
                given["silent"] = round(random.Random(f"{seed} silent").uniform(60, 1500), 2)
        case "flap":
            given = {
                "bot": bot,
                "alert": dice.choice(("HighDrawdown", "CriticalLoss")),
                "times": dice.randint(2, 6),
            }
        case "end" | "release":
            given = {"bot": bot}
        case "crash":
            given = {"engine": dice.randrange(3)}
        case "reboot":
            given = {
                "database": round(dice.uniform(5, 60), 2),
                "prometheus": round(dice.choice((60, 600, 1500)) * dice.random(), 2),
            }
        case "freeze":
            given = {
                "engine": dice.randrange(3),
                "seconds": round(dice.choice((5, 40, 120, 400)) * dice.random(), 2),
            }
        case "clock":
            given = {"engine": dice.randrange(3), "seconds": dice.choice((-300, -30, 30, 300))}
        case "stranger":
            given = {"seconds": round(dice.choice((30, 600, 4000)) * dice.random(), 2)}
        case "database" | "commits":
            given = {"seconds": round(dice.choice((0.4, 4, 30, 120, 600)) * dice.random(), 2)}
        case "no_prometheus" | "no_channel" | "pause":
            given = {"seconds": round(dice.choice((4, 30, 120, 600)) * dice.random(), 2)}
        case "bot_fails":
            given = {"bot": bot, "seconds": round(dice.choice((30, 300, 1200)) * dice.random(), 2)}
        case "owner":
            given = {"bot": bot, "state": dice.choice(("running", "running", "stopped"))}
        case "click":
            given = {
                "action": dice.choice(_CLICKS),
                "bot": bot,
                "times": dice.randint(1, 3),
                "key": dice.random() < 0.5,
            }
        case "answer":
            given = {"bot": bot, "snooze": dice.random() < 0.4}
        case "reload":
            variant = dice.choice(("disarmed", "maintained", "without", "usual"))
            given = {"variant": variant, "seconds": round(dice.uniform(30, 900), 2)}
    at = round(dice.uniform(1, length), 2)
    return Event(at, kind, given, kind in _AMID and dice.random() < 0.4)
