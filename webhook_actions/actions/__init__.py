"""The actions, one file each with the action's name; this file defines what an action gets and returns."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import BotStatus, Target, Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident

Run = Callable[[BotControl, Incident], Outcome]
SetTarget = Callable[[BotControl, BotStatus], Target | Outcome]


class Effect(StrEnum):
    """What an action can do to a bot, which decides when it may run."""

    OBSERVE = "observe"
    DISRUPTIVE = "disruptive"
    MONEY = "money"


@dataclass(frozen=True)
class Action:
    """An action: what it does, what it can do to a bot, and how it shows that it worked.

    It has either `run`, which does it, or `target`, which returns what the bot is to be brought to, by how it
    stands when that is first committed; an Outcome where there is no target to set. A targeted action is
    proven at the bot by `reached`. `useless_when` and `proof` are PromQL with `$bot` for the bot's name, true
    where they return a sample; `proof` is asked where the alert has no `verify` annotation of its own.
    `halts` latches the bot before it runs, so that nothing but a person lets it trade again. `once` is once
    per incident. `verbs` are what the bot's adapter must be able to order; one of them is enough. `tells` has
    the administrator told what was found, once per incident. A targeted action that is not `paced` chooses
    nothing anew: no attempt count and no cooldown holds it back. What `needs_exchange` waits while that is
    out. What `restarts` needs the bot's `restart` of the settings.
    """

    name: str
    effect: Effect
    run: Run | None = None
    target: SetTarget | None = None
    verbs: tuple[Verb, ...] = ()
    useless_when: str | None = None
    proof: str | None = None
    halts: bool = False
    once: bool = False
    tells: bool = False
    paced: bool = True
    needs_exchange: bool = False
    restarts: bool = False

    @property
    def keeps_mode(self) -> bool:
        """Whether the bot's trading loop must be in the same mode after it as before."""
        return self.effect is Effect.DISRUPTIVE and self.target is None

    @property
    def about(self) -> str:
        """Its docstring."""
        return (self.run or self.target).__doc__ or ""

    @property
    def does(self) -> str:
        """What it does, in a sentence: the first of its docstring."""
        return self.about.partition("\n")[0]


_REGISTRY: dict[str, Action] = {}


def action(
    name: str,
    *,
    effect: Effect,
    verbs: tuple[Verb, ...] = (),
    useless_when: str | None = None,
    proof: str | None = None,
    once: bool = False,
    tells: bool = False,
    needs_exchange: bool = False,
    restarts: bool = False,
) -> Callable[[Run], Run]:
    """Register the decorated function as the action `name`; see Action for the rest."""

    def register(run: Run) -> Run:
        _REGISTRY[name] = Action(
            name,
            effect,
            run,
            verbs=verbs,
            useless_when=useless_when,
            proof=proof,
            once=once,
            tells=tells,
            needs_exchange=needs_exchange,
            restarts=restarts,
        )
        return run

    return register


def target_action(
    name: str,
    *,
    effect: Effect,
    verbs: tuple[Verb, ...],
    halts: bool = False,
    once: bool = False,
    paced: bool = False,
) -> Callable[[SetTarget], SetTarget]:
    """Register the decorated function as the one that sets the target of the action `name`; see Action."""

    def register(target: SetTarget) -> SetTarget:
        _REGISTRY[name] = Action(
            name, effect, target=target, verbs=verbs, halts=halts, once=once, paced=paced
        )
        return target

    return register


def load_actions() -> dict[str, Action]:
    """Return every action by name; imports the files beside this one."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(_REGISTRY)
