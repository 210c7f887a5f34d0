"""The actions, one file each with the action's name; this file defines what an action gets and returns."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    """An action: its work, its effect on a bot, and the proof that it worked.

    It has either `run` or `target`. `run` does the work. `target` returns the bot's target, computed from the
    bot's state when the action is first committed, or an Outcome if there is no target. The bot itself proves
    a target (`reached`). `proof`, `helps_when` and the values of `useless_when` are PromQL with `$bot` for
    the bot's name, true if they return a sample; `proof` counts if the alert has no `verify` annotation.
    `useless_when` has the faults that the action cannot mend, by their words for people; `helps_when` is true
    of one that it can. `halts`: the bot is halted before
    the action runs, so that only a person lets it trade again. `once`: once per incident. `verbs`: the bot's
    adapter must have one of them. `tells`: the administrator gets the findings, once per incident. A targeted
    action that is not `paced` has no limit of attempts and no cooldown. `needs_exchange`: it waits while the
    exchange is down. `restarts`: it needs the bot's `restart` in the settings.
    """

    name: str
    effect: Effect
    run: Run | None = None
    target: SetTarget | None = None
    verbs: tuple[Verb, ...] = ()
    useless_when: Mapping[str, str] = field(default_factory=dict)
    helps_when: str | None = None
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
        """The action's docstring."""
        return (self.run or self.target).__doc__ or ""

    @property
    def does(self) -> str:
        """The first sentence of the action's docstring."""
        return self.about.partition("\n")[0]


_REGISTRY: dict[str, Action] = {}


def action(
    name: str,
    *,
    effect: Effect,
    verbs: tuple[Verb, ...] = (),
    useless_when: Mapping[str, str] | None = None,
    helps_when: str | None = None,
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
            useless_when=useless_when or {},
            helps_when=helps_when,
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
