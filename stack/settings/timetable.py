"""The whole plan of one unacknowledged alert: who is notified, over which channels, when and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from stack.settings.hours import maintained_until, quiet_end, quiet_until
from stack.settings.model import Settings
from stack.settings.plan import (
    APPRISE,
    ESCALATED,
    PUT_OFF,
    Recipient,
    Subject,
    at_opening,
    by_alertmanager,
    ends_a_round,
    following,
    of_alert,
    opening,
    passed_on,
    step_recipients,
)
from stack.settings.types import Duration

ALERTMANAGER, ENGINE = "Alertmanager", "webhook_actions"
WATCHDOG = "Watchdog"
HEAD = ("when", "who", "over", "address", "sent by", "why")
_FOR_EVER = timedelta(days=15)  # hours that repeat weekly have ended by then, or never do


@dataclass(frozen=True)
class Entry:
    """One person notified over one channel; or, without a channel, why nobody is notified.

    `after` is in seconds, None for never; `sender` is the part of Nightdesk that sends.
    """

    after: float | None
    who: str
    channel: str
    address: str
    sender: str
    why: str


def timetable(settings: Settings, subject: Subject, at: datetime, *, repeated: bool = False) -> list[Entry]:
    """Return who is notified, in order, of a bot's alert that fires at a time and that nobody acknowledges.

    Times count from the first notice: Alertmanager and the engine both wait for routing.group_wait. The
    timetable ends after one round. `repeated`: the alert has fired again and again.
    """
    entries = list(_alertmanagers(settings, subject, at))
    if subject.severity in ESCALATED:
        entries += _engines(settings, subject, at, repeated)
    if not entries:
        entries = [Entry(None, "nobody", "", "", "", _why_nobody(settings, subject))]
    return sorted(_merged(entries), key=lambda one: float("inf") if one.after is None else one.after)


def rows(entries: Sequence[Entry]) -> Iterator[tuple[str, ...]]:
    """Yield a timetable for people: a row for one person at a time, a cell for each column of HEAD."""
    messages: dict[tuple[object, ...], list[Entry]] = {}
    for one in entries:
        messages.setdefault((one.after, one.who, one.sender, one.why), []).append(one)
    for same in messages.values():
        one = same[0]
        when = "never" if one.after is None else str(Duration(one.after)) if one.after else "at once"
        over = ", ".join(dict.fromkeys(each.channel for each in same)) or "-"
        address = ", ".join(dict.fromkeys(map(_shown, same))) or "-"
        yield when, one.who, over, address, one.sender or "-", one.why


def _shown(entry: Entry) -> str:
    """Return an address; for a file with a secret, its name."""
    return Path(entry.address).name if entry.channel in (APPRISE, "webhook") else entry.address


def _merged(entries: list[Entry]) -> list[Entry]:
    """Return the entries of one sender, place and time merged into one, as they are one message."""
    messages: dict[tuple[object, ...], Entry] = {}
    for one in entries:
        key = (one.after, one.channel, one.address, one.sender, "" if one.channel else one.why)
        known = messages.get(key)
        messages[key] = replace(known, why=f"{known.why}; and {one.why}") if known else one
    return list(messages.values())


def _why_nobody(settings: Settings, subject: Subject) -> str:
    if subject.kind == WATCHDOG:
        return "it always fires, for a dead man's switch, but routing.watchdog_url_file names none"
    return of_alert(settings, subject.kind, subject.severity).why


def _alertmanagers(settings: Settings, subject: Subject, at: datetime) -> Iterator[Entry]:
    if subject.kind == WATCHDOG and (file := settings.routing.watchdog_url_file):
        yield Entry(0.0, "dead man's switch", "webhook", str(file), ALERTMANAGER, "routing.watchdog_url_file")
    sent = by_alertmanager(settings, subject)
    if not sent:
        return
    due, held = _free(settings, subject, at)
    first = opening(settings, subject, due or at)
    told = [one for one in first.recipients if one.place in sent]
    after = None if due is None else (due - at).total_seconds()
    yield from _told(told, after, ALERTMANAGER, first.why + held)


def _engines(settings: Settings, subject: Subject, at: datetime, repeated: bool) -> Iterator[Entry]:
    waiting = [(at + timedelta(seconds=one.after), one) for one in at_opening(settings, subject, repeated)]
    sent = by_alertmanager(settings, subject)
    while waiting:
        when, step = waiting.pop(min(range(len(waiting)), key=lambda index: waiting[index][0]))
        if ends_a_round(settings, step):
            again = f"{step.why}; the next round begins {settings.escalation.no_response} later"
            yield Entry((when - at).total_seconds(), "nobody is left", "", "", "", again)
            continue
        due, held = _free(settings, subject, when)
        if due is None:
            yield Entry(None, "nobody", "", "", "", f"{step.why}{held}")
            continue
        whom, after = step_recipients(settings, subject, step, due), (due - at).total_seconds()
        told = [one for one in whom.recipients if not (step.is_opening and one.place in sent)]
        yield from _told(told, after, ENGINE, f"{step.why}; {whom.why}{held}")
        after_it = following(settings, subject, step)
        if not whom.recipients and not whom.told_already:
            yield Entry(after, "nobody", "", "", "", f"{step.why}; but {whom.why}")
            after_it = passed_on(settings, after_it, whom.why)
        if after_it:
            waiting.append((due + timedelta(seconds=after_it.after), after_it))


def _told(recipients: list[Recipient], after: float | None, sender: str, why: str) -> Iterator[Entry]:
    for one in recipients:
        if after is None:
            yield Entry(None, "nobody", "", "", "", why)
            return
        yield Entry(after, one.contact, one.channel, one.address, sender, why)


def _free(settings: Settings, subject: Subject, when: datetime) -> tuple[datetime | None, str]:
    """Return when a due message may leave, None for never; and what holds it back."""
    due, held = when, ""
    while due - when < _FOR_EVER:
        end, reason = _held_until(settings, subject, due)
        if end is None:
            return due, held
        due, held = end, f", once {reason}"
    return None, f"{held}, which never happens"


def _held_until(settings: Settings, subject: Subject, when: datetime) -> tuple[datetime | None, str]:
    if end := maintained_until(settings, subject.bot, when):
        return end, "maintenance is over"
    if subject.severity in PUT_OFF:
        return quiet_until(settings, when), "escalation.quiet_hours are over"
    hours = settings.routing.info_hours
    if subject.severity != "info" or hours is None:
        return None, ""
    closed = hours.model_copy(update={"from_": hours.to, "to": hours.from_})
    return quiet_end(closed, ZoneInfo(settings.timezone), when), "routing.info_hours begin"
