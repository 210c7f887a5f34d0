"""Decides who is notified of an alert, over which channels, when and why, in pure functions.

Alertmanager's routes, the engine's steps, `nightdesk alerts --who`, `check` and docs are made from them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from stack.settings.drill import real_bot
from stack.settings.model import Settings
from stack.settings.response import Contact
from stack.settings.rota import on_call

CLIMB = "climb"  # the rule that notifies one person after the other
REPEATED, DOWN, LOSS = "repeated_alerts", "system_down", "critical_loss"
NOTICE, INSIST = "notice", "insist"  # first words of the rules about something that cannot be done
NO_NEWS = "told"  # the kind of a repeated first notice, for people who have not received it

ESCALATED = ("critical", "warning")  # the engine sends these; only Alertmanager sends info and meta
PUT_OFF = ("warning",)  # in quiet hours; news has its own hours, and meta says that Nightdesk is broken
APPRISE = "apprise"  # the channel of a contact's apprise_files
CHANNELS = ("phone", "sms", "telegram", "email", "slack")
QUIET = ("email", "telegram", "slack")  # channels without a sound; the others ring
DESK = "the desk"  # the readers of the channels' own addresses


@dataclass(frozen=True)
class Subject:
    """The facts of an incident that decide who is notified; `kind` is the alert's name in the settings."""

    kind: str
    bot: str
    severity: str


@dataclass(frozen=True)
class Recipient:
    """A recipient: a contact and the address on a channel (email address, Apprise file, Slack channel)."""

    channel: str
    address: str
    contact: str

    @property
    def place(self) -> tuple[str, str]:
        """The address and its channel. The same place in two roles is one person."""
        return self.channel, self.address


@dataclass(frozen=True)
class Step:
    """One escalation step: its rule, its level, its delay in seconds, and why."""

    rule: str
    level: int
    after: float
    why: str

    @property
    def is_notice(self) -> bool:
        """Whether it says that something cannot be done, rather than that an alert fires."""
        return self.rule.startswith((NOTICE, INSIST))

    @property
    def is_opening(self) -> bool:
        """Whether it is an incident's first notice."""
        return self.rule == CLIMB and self.level == 0


@dataclass(frozen=True)
class Choice:
    """The channels of a message, and the setting that chose them."""

    channels: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class StepRecipients:
    """The recipients of a step; `why` names the setting, or the reason why there are none.

    `told_already`: another step notifies all of them at the same moment.
    """

    contact: str
    recipients: tuple[Recipient, ...]
    why: str
    told_already: bool = False


def own_addresses(settings: Settings, channel: str) -> tuple[str, ...]:
    """Return the addresses that are a channel's own: the desk's."""
    every = settings.channels
    own: dict[str, Iterable[object]] = {
        "email": every.email.to,
        "sms": every.sms.to,
        "phone": every.phone.to,
        "telegram": every.telegram.chats,
        "slack": [every.slack.channel],
    }
    return tuple(map(str, own[channel]))


def of_alertmanager(channel: str, addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses to which Alertmanager itself can send; for Telegram, only numeric chats."""
    if channel not in QUIET:
        return ()
    return tuple(one for one in addresses if channel != "telegram" or not one.startswith("@"))


def carrying(settings: Settings, severity: str) -> tuple[str, ...]:
    """Return the enabled channels for alerts of a severity; only Alertmanager carries info and meta."""
    return tuple(
        channel
        for channel in CHANNELS
        if getattr(settings.channels, channel).enabled
        and (severity in ESCALATED or of_alertmanager(channel, own_addresses(settings, channel)))
    )


def of_alert(settings: Settings, kind: str, severity: str) -> Choice:
    """Return the channels of an alert's first notice: its own, else its severity's."""
    alert = settings.alerts.get(kind)
    if alert and alert.channels is not None:
        return _over(settings, severity, alert.channels, "its own channels")
    usual = getattr(settings.severities, severity, None)
    return _over(settings, severity, usual.channels if usual else (), "its severity's channels")


def _over(settings: Settings, severity: str, wanted: Iterable[str], source: str) -> Choice:
    """Return the wanted channels that are configured, or else others, so that no alert is silent.

    Critical alerts then use all channels, the rest quiet ones; news never rings.
    """
    wanted, able = tuple(wanted), carrying(settings, severity)
    if not wanted:
        return Choice((), f"{source} is empty")
    if chosen := tuple(channel for channel in wanted if channel in able):
        return Choice(chosen, source)
    quiet = tuple(channel for channel in able if channel in QUIET)
    instead = able if severity == "critical" or (severity != "info" and not quiet) else quiet
    if not instead:
        return Choice(
            (), f"none of {source} ({', '.join(wanted)}) is configured, nor another that can send it"
        )
    return Choice(instead, f"none of {source} ({', '.join(wanted)}) is configured, so another channel")


def first(settings: Settings, bot: str) -> str:
    """Return the first recipient for a bot: its team, else `escalation.first`; a contact or a rota."""
    known = settings.bots.get(real_bot(bot))
    return (known and known.team) or settings.escalation.first


def _of_contact(contact: Contact, channel: str) -> tuple[str, ...]:
    addresses: dict[str, Iterable[object]] = {
        "email": contact.email,
        "sms": contact.phone,
        "phone": contact.phone,
        "telegram": contact.telegram,
        "slack": (),
    }
    return tuple(map(str, addresses[channel]))


def is_owner(contact: Contact) -> bool:
    """Return whether a contact has no address: it then stands for the channels' own addresses."""
    return not contact.has_address


def shared_addresses(settings: Settings, bot: str, channel: str) -> tuple[str, ...]:
    """Return a channel's first recipients for a bot: its team if it has an address there, else the desk.
    Alertmanager cannot follow a rota, so for a rota the desk is notified, too.
    """
    known = settings.bots.get(real_bot(bot))
    team = settings.contacts.get(known.team) if known and known.team else None
    theirs = _of_contact(team, channel) if team else ()
    sendable = of_alertmanager(channel, theirs) if channel in QUIET else theirs
    return theirs if sendable else own_addresses(settings, channel)


def by_alertmanager(settings: Settings, subject: Subject) -> frozenset[tuple[str, str]]:
    """Return the addresses to which Alertmanager sends an alert."""
    return frozenset(
        (channel, address)
        for channel in of_alert(settings, subject.kind, subject.severity).channels
        for address in of_alertmanager(channel, shared_addresses(settings, subject.bot, channel))
    )


def opening(settings: Settings, subject: Subject, now: datetime) -> StepRecipients:
    """Return the first notice: on each channel its own addresses, and those of the first person."""
    name = on_call(settings, first(settings, subject.bot), now)
    contact = settings.contacts[name]
    desk = name if is_owner(contact) else DESK
    choice = of_alert(settings, subject.kind, subject.severity)
    found = [
        Recipient(channel, address, whose)
        for channel in choice.channels
        for whose, addresses in (
            (name, _of_contact(contact, channel)),
            (desk, shared_addresses(settings, subject.bot, channel)),
        )
        for address in addresses
    ]
    found += _by_apprise(contact, name)
    return StepRecipients(name, _once(found), choice.why if found else f"{name} has no address: {choice.why}")


def _by_apprise(contact: Contact, name: str) -> list[Recipient]:
    return [Recipient(APPRISE, str(file), name) for file in contact.apprise_files]


def _once(found: Iterable[Recipient], but: frozenset[tuple[str, str]] = frozenset()) -> tuple[Recipient, ...]:
    """Return each place once, under the first name that has it."""
    places: dict[tuple[str, str], Recipient] = {}
    for one in found:
        if one.place not in but:
            places.setdefault(one.place, one)
    return tuple(places.values())


def at_opening(settings: Settings, subject: Subject, repeated: bool) -> list[Step]:
    """Return an incident's first steps; `repeated`: its alert fires again and again."""
    if subject.severity not in ESCALATED:
        return []
    rules = settings.escalation
    steps = [Step(CLIMB, 0, 0.0, "it fires")]
    if subject.kind == "CriticalLoss":
        again = rules.critical_loss.again_after
        steps.append(Step(LOSS, 0, 0.0, "critical loss"))
        steps.append(Step(LOSS, 1, float(again), f"critical loss, again after {again}"))
    if subject.kind == "Down":
        steps.append(Step(DOWN, 0, float(rules.system_down.after), f"down for {rules.system_down.after}"))
    if repeated:
        often = f"it fired {rules.repeated_alerts.count} times within {rules.repeated_alerts.window}"
        steps.append(Step(REPEATED, 0, 0.0, often))
    return steps


def following(settings: Settings, subject: Subject, step: Step) -> Step | None:
    """Return the next escalation step, after the delay of the alert, its severity or the policy.

    A warning for which neither the alert nor the severity has a delay does not escalate.
    """
    if step.rule != CLIMB:
        return None
    delay = settings.escalation.no_response
    if step.level == 0:
        alert = settings.alerts.get(subject.kind)
        own = (alert and alert.escalate) or getattr(settings.severities, subject.severity).escalate
        if own is None and (subject.severity != "critical" or not settings.escalation.levels):
            return None
        delay = delay if own is None else own
    return Step(CLIMB, step.level + 1, float(delay), f"nobody has answered within {delay}")


def climbs(settings: Settings, kind: str, severity: str) -> Step | None:
    """Return the step after the first notice of an alert, None if it does not escalate."""
    first_step = Step(CLIMB, 0, 0.0, "")
    return following(settings, Subject(kind, "", severity), first_step) if severity in ESCALATED else None


def ends_a_round(settings: Settings, step: Step) -> bool:
    """Return whether a step comes after the last level: everyone has been notified."""
    return step.rule == CLIMB and step.level > len(settings.escalation.levels)


def anew(settings: Settings) -> Step:
    """Return the first step of another round."""
    why = "nobody answered in the last round"
    return Step(CLIMB, 0, float(settings.escalation.no_response), why)


def passed_on(settings: Settings, after: Step | None, reason: str) -> Step | None:
    """Return the next step, due at once; but the end of a policy without levels keeps its time."""
    if after is None or (after.level == 1 and not settings.escalation.levels):
        return after
    return Step(CLIMB, after.level, 0.0, reason)


def step_recipients(settings: Settings, subject: Subject, step: Step, now: datetime) -> StepRecipients:
    """Return the recipients of a step. One person gets one message at a time, whatever their roles."""
    if step.is_opening:
        return opening(settings, subject, now)
    role, wanted, source = _role(settings, subject, step)
    name = on_call(settings, role, now)
    choice = _over(settings, subject.severity, wanted, source)
    found = reached(settings, name, choice.channels)
    if not found and step.rule != CLIMB:  # nobody is left after this step: use any address rather than none
        every = carrying(settings, subject.severity)
        found = reached(settings, name, every) or _shared(settings, name, every)
        choice = Choice(every, f"{name} has no address for {', '.join(wanted) or 'any channel'}")
    if not found:
        reason = f"{name} has no address for {', '.join(wanted) or 'any configured channel'}"
        return StepRecipients(name, (), reason)
    left = _once(found, _told_beside(settings, subject, step, now))
    if step.rule == DOWN:
        left = _news(left, opening(settings, subject, now))
    return StepRecipients(name, left, choice.why, told_already=not left)


def _news(found: tuple[Recipient, ...], said: StepRecipients) -> tuple[Recipient, ...]:
    """Return who is notified again: phones ring again, other channels do not repeat a message.

    If that leaves nobody, return all of them.
    """
    heard = {one.place for one in said.recipients}
    return tuple(one for one in found if one.channel == "phone" or one.place not in heard) or found


def _role(settings: Settings, subject: Subject, step: Step) -> tuple[str, list[str], str]:
    """Return a step's person, its channels, and the path of the setting that names them."""
    rules = settings.escalation
    if step.rule == CLIMB:
        level = rules.levels[step.level - 1]
        return level.contact, list(level.channels), f"escalation.levels[{step.level - 1}]"
    if step.is_notice:
        spent = rules.spent_attempts
        whose = spent.contact or first(settings, subject.bot)
        return whose, list(spent.channels), "escalation.spent_attempts"
    level = getattr(rules, step.rule)
    return level.contact, list(level.channels), f"escalation.{step.rule}"


def reached(settings: Settings, name: str, channels: Iterable[str]) -> list[Recipient]:
    """Return a contact's addresses; if there are none, the channels' own."""
    contact = settings.contacts[name]
    if is_owner(contact):
        return _shared(settings, name, channels)
    return [
        Recipient(channel, address, name if channel != "slack" else DESK)
        for channel in channels
        for address in (
            own_addresses(settings, channel) if channel == "slack" else _of_contact(contact, channel)
        )
    ] + _by_apprise(contact, name)


def _shared(settings: Settings, name: str, channels: Iterable[str]) -> list[Recipient]:
    return [Recipient(channel, to, name) for channel in channels for to in own_addresses(settings, channel)]


def _told_beside(
    settings: Settings, subject: Subject, step: Step, now: datetime
) -> frozenset[tuple[str, str]]:
    """Return the places that other steps notify at the same moment."""
    if step.rule == f"{NOTICE}: {NO_NEWS}":
        return frozenset(one.place for one in opening(settings, subject, now).recipients)
    if step.rule == CLIMB or step.is_notice:
        return frozenset()
    at = {
        (one.rule, one.level): (index, after)
        for index, (after, one) in enumerate(_moments(settings, subject))
    }
    index, moment = at.get((step.rule, step.level), (len(at), 0.0))
    return frozenset(
        one.place
        for after, beside in list(_moments(settings, subject))[:index]
        if abs(after - moment) < _SAME and not ends_a_round(settings, beside)
        for one in step_recipients(settings, subject, beside, now).recipients
    )


_SAME = 1e-6  # seconds: two settings have the same wait


def _moments(settings: Settings, subject: Subject) -> Iterator[tuple[float, Step]]:
    """Yield the steps of an unanswered incident, each with its seconds after the first notice."""
    beginning, *others = at_opening(settings, subject, repeated=True)
    climbing: Step | None = beginning
    after = 0.0
    while climbing is not None and not ends_a_round(settings, climbing):
        after += climbing.after
        yield after, climbing
        climbing = following(settings, subject, climbing)
    for one in others:
        yield one.after, one
