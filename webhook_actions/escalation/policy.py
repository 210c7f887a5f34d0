"""Decides the result of a due step: the notified people, and the next step."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from stack.settings import Settings
from stack.settings.hours import maintained_until, quiet_until
from stack.settings.plan import (
    CLIMB,
    INSIST,
    NOTICE,
    PUT_OFF,
    Recipient,
    Step,
    Subject,
    anew,
    by_alertmanager,
    ends_a_round,
    following,
    passed_on,
    step_recipients,
)
from webhook_actions.store.escalation_steps import Taken

TELL_AGAIN = 300.0  # seconds until an undeliverable message is sent again
KNOWN_TO_PEOPLE = ("maintenance", "acknowledged")  # holds on actions that a person set


def notice(kind: str) -> str:
    """Return the rule that notifies the administrator that something cannot be done.

    The fate of a bot's positions also goes to the person who acknowledged, and its end too.
    """
    return f"{INSIST if kind.startswith(('target', 'stopped')) else NOTICE}: {kind}"


def take(settings: Settings, subject: Subject, step: Step, round_: int, now: datetime) -> Taken:
    """Return the result of a due step; `round_` counts the earlier snoozes."""
    if ends_a_round(settings, step):
        said = ("exhausted", f"everyone has been notified, so escalation starts again: {step.why}")
        return Taken(entry=said, next=anew(settings), exhausted=True)
    quiet = quiet_until(settings, now) if subject.severity in PUT_OFF else None
    if end := maintained_until(settings, subject.bot, now) or quiet:
        return Taken(postponed_to=end)
    whom, after = step_recipients(settings, subject, step, now), following(settings, subject, step)
    if whom.told_already:
        said = ("escalated", f"to {whom.contact}, already notified: {step.why}")
        return Taken(whom.contact, entry=said, next=after)
    if not whom.recipients:
        # Running out of actions is an escalation, even if nobody can be notified of it.
        spent = ("escalated", f"to {whom.contact}: {step.why}; but {whom.why}")
        said = spent if step.is_notice else ("unreachable", whom.why)
        return Taken(whom.contact, entry=said, next=passed_on(settings, after, whom.why))
    if not step.is_opening:
        text = f"to {whom.contact} over {_names(whom.recipients)}: {step.why}"
        return Taken(whom.contact, whom.recipients, ("escalated", text), after)
    sent = by_alertmanager(settings, subject) if round_ == 0 else frozenset()
    told = [one for one in whom.recipients if one.place in sent]
    entry = ("told", f"{_people(told)} by Alertmanager over {_names(told)}") if told else None
    return Taken(whom.contact, tuple(one for one in whom.recipients if one not in told), entry, after)


def undelivered(settings: Settings, taken: Taken) -> Taken:
    """Return the end of a round of which no message arrived: the next one starts sooner."""
    why = "no message of the last round arrived"
    after = min(TELL_AGAIN, float(settings.escalation.no_response))
    said = ("exhausted", "no message of this round arrived, so escalation starts again")
    return replace(taken, entry=said, next=Step(CLIMB, 0, after, why))


def _names(recipients: Iterable[Recipient]) -> str:
    return ", ".join(dict.fromkeys(one.channel for one in recipients))


def _people(recipients: Iterable[Recipient]) -> str:
    return ", ".join(dict.fromkeys(one.contact for one in recipients))
