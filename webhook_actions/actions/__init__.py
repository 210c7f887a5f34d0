"""The actions, a file each named as the action; this file is what an action may know and must say."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident

Run = Callable[[BotControl, Incident], Outcome]
Proof = Callable[[BotControl], Outcome]


class Effect(StrEnum):
    """What an action can do to a bot, which decides when it may run."""

    OBSERVE = "observe"
    DISRUPTIVE = "disruptive"
    MONEY = "money"


@dataclass(frozen=True)
class Action:
    """An action: what it does, what it can do to a bot, and how it shows that it worked.

    `useless_when` and `proof` are PromQL with `$bot` for the bot's name, true where they return a sample;
    `proof` is asked where the alert has no `verify` annotation of its own. `proof_at_bot` is asked instead
    of both: what touches money is proven at the bot, never by the alert clearing. `halts` latches the bot
    before it runs, so that nothing but a person lets it trade again. `once` is once per incident. `verbs`
    are what the bot's adapter must be able to order; one of them is enough. `tells` has the administrator
    told what was found, once per incident.
    """

    name: str
    effect: Effect
    run: Run
    verbs: tuple[Verb, ...] = ()
    useless_when: str | None = None
    proof: str | None = None
    proof_at_bot: Proof | None = None
    halts: bool = False
    once: bool = False
    tells: bool = False

    @property
    def does(self) -> str:
        """What it does, in a sentence: the first of its docstring."""
        return (self.run.__doc__ or "").partition("\n")[0]


_REGISTRY: dict[str, Action] = {}


def action(
    name: str,
    *,
    effect: Effect,
    verbs: tuple[Verb, ...] = (),
    useless_when: str | None = None,
    proof: str | None = None,
    proof_at_bot: Proof | None = None,
    halts: bool = False,
    once: bool = False,
    tells: bool = False,
) -> Callable[[Run], Run]:
    """Register the decorated function as the action `name`; see Action for the rest."""

    def register(run: Run) -> Run:
        _REGISTRY[name] = Action(
            name, effect, run, verbs, useless_when, proof, proof_at_bot, halts, once, tells
        )  # fmt: skip
        return run

    return register


def load_actions() -> dict[str, Action]:
    """Return every action by name, importing the files beside this one."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(_REGISTRY)
