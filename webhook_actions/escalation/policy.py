"""Decides who is told of what and when, and over which addresses: the escalation policy of the settings."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from stack.settings import Contact, Settings
from webhook_actions.escalation.schedule import on_call
from webhook_actions.hours import maintained_until, quiet_until
from webhook_actions.notify import APPRISE
from webhook_actions.store.escalation_steps import CLIMB, INSIST, NOTICE, Address, Plan, Subject, Taken

REPEATED, DOWN, LOSS = "repeated_alerts", "system_down", "critical_loss"
KNOWN_TO_PEOPLE = ("maintenance", "acknowledged")  # what holds actions back by a person's own doing
ESCALATED = ("critical", "warning")  # info wakes nobody


def notice(kind: str) -> str:
    """Return the rule by which the administrator is told that something cannot be done.

    What a bot's positions are left at is told also to whoever has answered, and when it is over.
    """
    return f"{INSIST if kind.startswith(('target', 'stopped')) else NOTICE}: {kind}"


def at_opening(settings: Settings, subject: Subject, repeated: bool) -> list[Plan]:
    """Return the steps that an incident begins with."""
    if subject.severity not in ESCALATED:
        return []
    rules = settings.escalation
    plans = [Plan(CLIMB, 0, 0.0, "it fires")]
    if repeated:
        often = f"it fired {rules.repeated_alerts.count} times within {rules.repeated_alerts.window}"
        plans.append(Plan(REPEATED, 0, 0.0, often))
    if subject.kind == "Down":
        plans.append(Plan(DOWN, 0, float(rules.system_down.after), f"down for {rules.system_down.after}"))
    if subject.kind == "CriticalLoss":
        again = rules.critical_loss.again_after
        plans.append(Plan(LOSS, 0, 0.0, "critical loss"))
        plans.append(Plan(LOSS, 1, float(again), f"critical loss, {again} later still"))
    return plans


def take(settings: Settings, subject: Subject, step: Plan, round_: int, now: datetime) -> Taken:
    """Return what a step that is due means; `round_` counts the snoozes that went before."""
    levels = settings.escalation.levels
    if step.rule == CLIMB and step.level > len(levels):
        said = ("exhausted", f"nobody is left to be told, so it begins anew: {step.why}")
        again = Plan(
            CLIMB, 0, float(settings.escalation.no_response), "nobody has answered in the round before"
        )
        return Taken(entry=said, next=again, exhausted=True)
    quiet = None if subject.severity == "critical" else quiet_until(settings, now)
    if end := maintained_until(settings, subject.bot, now) or quiet:
        return Taken(postponed_to=end)
    name, channels = _level(settings, subject, step)
    contact = on_call(settings, name, now)
    addresses = tuple(_addresses(settings, settings.contacts[contact], channels))
    following = _following(settings, subject, step)
    opening = step.rule == CLIMB and step.level == 0
    if not addresses:
        reason = f"{contact} has no address over {', '.join(channels) or 'any channel'} that is set"
        # That nothing is left to try is an escalation, also where nobody can be told of it.
        spent = ("escalated", f"to {contact}: {step.why}; but {reason}")
        said = spent if step.is_notice else ("unreachable", reason)
        return Taken(contact, entry=said, next=_passed_on(settings, following, reason))
    if not opening:
        text = f"to {contact} over {_names(addresses)}: {step.why}"
        return Taken(contact, addresses, ("escalated", text), following)
    told = [one for one in addresses if round_ == 0 and _alertmanager_tells(settings, one)]
    entry = ("told", f"{contact} by Alertmanager over {_names(told)}") if told else None
    return Taken(contact, tuple(one for one in addresses if one not in told), entry, following)


def _level(settings: Settings, subject: Subject, step: Plan) -> tuple[str, list[str]]:
    rules = settings.escalation
    if step.rule != CLIMB:
        level = rules.spent_attempts if step.is_notice else getattr(rules, step.rule)
        return level.contact, list(level.channels)
    if step.level:
        return rules.levels[step.level - 1].contact, list(rules.levels[step.level - 1].channels)
    alert = settings.alerts.get(subject.kind)
    own = alert.channels if alert else None
    return rules.first, list(getattr(settings.severities, subject.severity).channels if own is None else own)


def _following(settings: Settings, subject: Subject, step: Plan) -> Plan | None:
    """Return the climb's next step: after the alert's own time, its severity's, then the policy's."""
    if step.rule != CLIMB:
        return None
    rules = settings.escalation
    delay = rules.no_response
    if step.level == 0:
        alert = settings.alerts.get(subject.kind)
        own = (alert and alert.escalate) or getattr(settings.severities, subject.severity).escalate
        if own is None and not rules.levels:
            return None  # told, and not taken further
        delay = delay if own is None else own
    return Plan(CLIMB, step.level + 1, float(delay), f"nobody has answered within {delay}")


def _passed_on(settings: Settings, following: Plan | None, reason: str) -> Plan | None:
    """Return the next step at once; that nobody is left after the opening is said at its time."""
    if following is None or (following.level == 1 and not settings.escalation.levels):
        return following
    return Plan(CLIMB, following.level, 0.0, reason)


def _addresses(settings: Settings, contact: Contact, channels: Iterable[str]) -> Iterator[Address]:
    """Yield where a contact is reached; one without any address is the owner, whom the channels reach."""
    every = settings.channels
    owner = not (contact.email or contact.phone or contact.telegram or contact.apprise_files)
    known = {
        "email": every.email.to if owner else contact.email,
        "sms": every.sms.to if owner else contact.phone,
        "phone": every.phone.to if owner else contact.phone,
        "telegram": every.telegram.chats if owner else contact.telegram,
        "slack": [every.slack.channel],
    }
    for channel in channels:
        if getattr(every, channel).enabled:
            yield from (Address(channel, str(one)) for one in known[channel])
    yield from (Address(APPRISE, str(file)) for file in contact.apprise_files)


def _alertmanager_tells(settings: Settings, one: Address) -> bool:
    """Return whether Alertmanager, which delivered the alert, has told this address of it as well."""
    every = settings.channels
    told = {
        "email": every.email.to,
        "telegram": [str(chat) for chat in every.telegram.chats if isinstance(chat, int)],
        "slack": [every.slack.channel],
    }
    return one.address in told.get(one.channel, [])


def _names(addresses: Iterable[Address]) -> str:
    return ", ".join(dict.fromkeys(one.channel for one in addresses))
