"""Decides what is tried next for an incident, from what was tried, when, and what is allowed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from stack.settings import ActionLimit, Settings
from webhook_actions.store.incidents import Incident, Step

CANNOT = "cannot"  # this bot, adapter or Nightdesk has no way to do it
WOULD_HAVE = "would_have"  # settings do not arm it
NOT_RUN = (CANNOT, WOULD_HAVE)
VERIFIED = "verified"
UNKNOWN = "unknown"  # the verdict where the bot did not say how it stands
_MONEY = "money"
_SPENT = (*NOT_RUN, "failed")  # not tried again in the same incident


@dataclass(frozen=True)
class Act:
    """Run this action now."""

    action: str


@dataclass(frozen=True)
class Wait:
    """Look again then: an action rests after its last success, or the alert after what was done for it."""

    until: datetime
    action: str


@dataclass(frozen=True)
class GiveUp:
    """Nothing is left to try; a person has to."""

    reason: str


@dataclass(frozen=True)
class Record:
    """What happened to one action of a bot lately, over all incidents."""

    attempts: int = 0
    rests_until: datetime | None = None


def ladder_of(settings: Settings, incident: Incident) -> list[str]:
    """Return the actions to try: the alert's own, else its objective's, else its severity's."""
    alert = settings.alerts.get(incident.kind)
    if alert is not None and alert.actions is not None:
        return list(alert.actions)
    if objective := incident.labels.get("objective"):
        of_objective = settings.sla.actions
        return list(of_objective.get(objective, of_objective["default"]))
    return list(getattr(settings.severities, incident.severity).actions)


def decide(
    ladder: Sequence[str],
    steps: Sequence[Step],
    records: Mapping[str, Record],
    limits: Mapping[str, ActionLimit],
    once: Collection[str],
    now: datetime,
) -> Act | Wait | GiveUp:
    """Return the first rung that is not spent: an action is tried until its attempts are, then the next one.

    `steps` are those of this incident, `records` the bot's by action, `limits` by action; the actions in
    `once` are not repeated in an incident, whatever came of them.
    """
    for action in ladder:
        tried = [step for step in steps if step.action == action]
        if any(_is_spent(step) for step in tried) or (action in once and tried):
            continue
        record = records.get(action, Record())
        if record.attempts >= limits[action].attempts:
            continue
        if record.rests_until and record.rests_until > now:
            return Wait(record.rests_until, action)
        return Act(action)
    return GiveUp(_reason(ladder, steps, records))


def _is_spent(step: Step) -> bool:
    """Return whether a step's action is not tried again: it cannot succeed, or money might be moved twice."""
    if step.outcome in _SPENT:
        return True
    return step.effect == _MONEY and step.verdict in (VERIFIED, UNKNOWN)


def _reason(ladder: Sequence[str], steps: Sequence[Step], records: Mapping[str, Record]) -> str:
    if not ladder:
        return "no action helps against this alert"
    parts = []
    for action in ladder:
        parts.append(f"{action}: {_came_to(action, steps, records.get(action, Record()).attempts)}")
    return "; ".join(parts)


def _came_to(action: str, steps: Sequence[Step], attempts: int) -> str:
    tried = [step for step in steps if step.action == action]
    if refusal := next((step.detail for step in tried if step.outcome in _SPENT), None):
        return refusal
    if any(step.verdict == VERIFIED for step in tried):
        return "proven to have worked, yet the alert still fires"
    if any(step.effect == _MONEY and step.verdict == UNKNOWN for step in tried):
        return "the bot does not say what came of it, so it is not done again"
    return f"{attempts} attempts spent, none proven to have helped"
