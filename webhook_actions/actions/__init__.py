"""The actions, a file each named as the action; this file is what an action may know and must say."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from webhook_actions.bots import BotControl
from webhook_actions.incidents import Incident
from webhook_actions.outcome import Outcome

Run = Callable[[BotControl, Incident], Outcome]


class Effect(StrEnum):
    """What an action can do to a bot, which decides when it may run."""

    OBSERVE = "observe"
    DISRUPTIVE = "disruptive"
    MONEY = "money"


@dataclass(frozen=True)
class Action:
    """An action: its effect, the PromQL under which it would be useless, and what it does.

    `useless_when` and `proof` are PromQL with `$bot` for the bot's name, true where they return a sample.
    `proof` says that it worked, where the alert has no `verify` annotation of its own.
    """

    name: str
    effect: Effect
    run: Run
    useless_when: str | None = None
    proof: str | None = None


_REGISTRY: dict[str, Action] = {}


def action(
    name: str, *, effect: Effect, useless_when: str | None = None, proof: str | None = None
) -> Callable[[Run], Run]:
    """Register the decorated function as the action `name`."""

    def register(run: Run) -> Run:
        _REGISTRY[name] = Action(name, effect, run, useless_when, proof)
        return run

    return register


def load_actions() -> dict[str, Action]:
    """Return every action by name, importing the files beside this one."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(_REGISTRY)
