"""The facts of a decision, and the possible decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from webhook_actions.store.incidents import Incident
from webhook_actions.store.runs import Run as ActionRun

CANNOT = "cannot"  # this bot, adapter or Nightdesk cannot do it
WOULD_HAVE = "would_have"  # settings do not arm it
DRILL = "it is a drill: no order is sent"
DRY_RUN = "actions.dry_run is set"
SPARED = "spared"  # it could not have worked, and does not count as an attempt
REFUSED = "refused"  # a person's request that is not carried out
OBSERVE, DISRUPTIVE, MONEY = "observe", "disruptive", "money"  # effects of actions
CRITICAL_LOSS = "CriticalLoss"
CLOSES = 3  # the strength of a target that closes everything


class Verdict(StrEnum):
    """The verdict on a run."""

    VERIFIED = "verified"
    NOT_VERIFIED = "not_verified"
    UNKNOWN = "unknown"  # the bot does not say
    NONE = "none"  # nothing to verify
    STOPPED = "stopped"  # before its target was reached; it may be run again
    TAKEN_OVER = "taken_over"  # a person has it now; it is not run again
    REPLACED = "replaced"  # by a stronger target


@dataclass(frozen=True)
class PlannedAction:
    """One action of an incident's remediation plan, with its settings.

    `refusal` says why nobody may run it. `strength` orders targets: closing is stronger than reducing, which
    is stronger than stopping entries; 0 has no target. `paced` actions obey attempts and cooldown.
    """

    name: str
    effect: str
    attempts: int
    cooldown: timedelta
    strength: int = 0
    paced: bool = True
    once: bool = False
    armed: bool = True
    proof: bool = True
    refusal: str | None = None
    useless: str | None = None  # Prometheus's reason against it
    helps: bool = False  # Prometheus shows a fault that it can mend
    waits: str | None = None  # the broken thing that it needs

    @property
    def targeted(self) -> bool:
        """Whether it brings the bot to a target, so that a repeat does no harm."""
        return self.strength > 0


@dataclass(frozen=True)
class Holds:
    """The holds on actions; None means no hold."""

    paused_by: str | None = None
    maintained_until: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_until: datetime | None = None
    halted: bool = False


@dataclass(frozen=True)
class Observed:
    """What Prometheus and the bot report now.

    `verdicts` has an entry for each run that waits for its proof, unless nobody could be asked. `unreachable`
    says why Prometheus could not be asked: then nothing is known.
    """

    fires: bool = False
    gone: bool = False
    unreachable: str | None = None
    verdicts: Mapping[int, tuple[Verdict, str]] = field(default_factory=dict)
    useless: Mapping[str, str] = field(default_factory=dict)  # by action: the reason why it cannot help
    helps: frozenset[str] = frozenset()  # actions that can mend the fault that is measured
    waits: Mapping[str, str] = field(default_factory=dict)  # by action: the reason why it cannot work now
    astray: frozenset[int] = frozenset()  # runs that left their bot in another mode than before
    back: frozenset[int] = frozenset()  # runs whose bot is back in its mode before
    just_began: bool = False  # so recently that a late delivery would open it again after it closes


@dataclass(frozen=True)
class Facts:
    """Everything that a decision depends on. Times are aware; `actions` has each action by its name."""

    now: datetime
    incident: Incident
    plan: tuple[str, ...]
    actions: Mapping[str, PlannedAction]
    runs: tuple[ActionRun, ...]  # all of the incident
    bot_runs: tuple[ActionRun, ...]  # of its bot, over all incidents, as long as they matter
    holds: Holds
    observed: Observed
    fleet_spent: bool = False
    watched: bool = True  # its bot is in the settings, or it has no bot
    alert_cooldown: timedelta = timedelta(0)
    attempts_window: timedelta = timedelta(hours=1)
    look_again: timedelta = timedelta(seconds=5)
    sees_all: timedelta = timedelta(0)  # after the opening, once every Prometheus has seen it
    open_incidents: int = 1  # of its bot and alert, this one included


@dataclass(frozen=True)
class Run:
    """Commit to an attempt of an action now; `run` is the continued run, `replaces` the weaker ones."""

    action: str
    reason: str
    run: int | None = None
    replaces: tuple[int, ...] = ()


@dataclass(frozen=True)
class Judge:
    """Write the verdict on a run.

    It is `refused` if a person's request was not carried out, `spared` if it does not count as an attempt.
    """

    run: ActionRun
    verdict: Verdict
    reason: str
    refused: bool = False
    spared: bool = False


@dataclass(frozen=True)
class Interrupt:
    """Write that an attempt's engine died, or lost its lease."""

    run: ActionRun
    reason: str


@dataclass(frozen=True)
class Skip:
    """Write that a planned action is skipped, and continue with the next one."""

    action: str
    outcome: str
    reason: str


@dataclass(frozen=True)
class Wait:
    """Check again at `until`, or when something happens if it is None."""

    until: datetime | None
    reason: str
    told: bool = False  # in the timeline


@dataclass(frozen=True)
class Blocked:
    """Something holds back an action; a person is notified of each `kind` once.

    If a run (`left`) has left its bot in another state than before, people are notified repeatedly.
    """

    kind: str
    until: datetime | None
    reason: str
    left: ActionRun | None = None


@dataclass(frozen=True)
class GiveUp:
    """Nightdesk can do nothing more; a person must act. `tried`: the plan had an action that could help.

    `again`: an action ran since people were notified that nothing was left. `until`: when to look again.
    """

    reason: str
    tried: bool = True
    again: bool = False
    until: datetime | None = None


@dataclass(frozen=True)
class Close:
    """It no longer fires, and a sample shows that its cause is gone.

    `left` is a run that left its bot in another state than before; it is given up, and people are notified.
    """

    reason: str
    left: ActionRun | None = None


Decision = Run | Judge | Interrupt | Skip | Wait | Blocked | GiveUp | Close
