"""Decides what is tried next for an incident, from what was tried, when, and what is allowed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from stack.settings import ActionLimit
from webhook_actions.incidents import Step

CANNOT = "cannot"  # this bot, adapter or Nightdesk has no way to do it
WOULD_HAVE = "would_have"  # settings do not arm it
NOT_RUN = (CANNOT, WOULD_HAVE)
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
        if any(step.outcome in _SPENT for step in tried) or (action in once and tried):
            continue
        record = records.get(action, Record())
        if record.attempts >= limits[action].attempts:
            continue
        if record.rests_until and record.rests_until > now:
            return Wait(record.rests_until, action)
        return Act(action)
    return GiveUp(_reason(ladder, steps, records))


def _reason(ladder: Sequence[str], steps: Sequence[Step], records: Mapping[str, Record]) -> str:
    if not ladder:
        return "no action helps against this alert"
    parts = []
    for action in ladder:
        refusal = next((s.detail for s in steps if s.action == action and s.outcome in _SPENT), None)
        attempts = records.get(action, Record()).attempts
        parts.append(f"{action}: {refusal or f'{attempts} attempts spent, none proven to have helped'}")
    return "; ".join(parts)
