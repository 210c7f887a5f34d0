"""The words of the on-call page: times for people, and what an incident is doing now."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from markupsafe import Markup

from clients.trading import Position
from webhook_actions.bots.protocol import BotStatus
from webhook_actions.outcome import Outcome
from webhook_actions.store.holds import Pause
from webhook_actions.store.runs import Run
from webhook_actions.store.search import Case, Entry
from webhook_actions.web.commands import Done

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))
# A link ends at its last letter: punctuation behind it does not belong to it.
_ADDRESS = re.compile(r"""(https?://[^\s<>"'()]*[^\s<>"'().,;:!?])""")
SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True)
class Clock:
    """The time now, in the time zone of the settings."""

    zone: tzinfo
    now: datetime

    def at(self, moment: datetime) -> str:
        """Return the time of day, with the date unless it is today."""
        local, today = moment.astimezone(self.zone), self.now.astimezone(self.zone)
        if local.date() == today.date():
            return f"{local:%H:%M:%S}"
        return f"{local:%a %d %b %H:%M}" if local.year == today.year else f"{local:%d %b %Y %H:%M}"

    def full(self, moment: datetime) -> str:
        """Return date, time and zone."""
        return f"{moment.astimezone(self.zone):%A %d %B %Y, %H:%M:%S %Z}"

    def ago(self, moment: datetime) -> str:
        """Return how long ago it was, or in how long it will be."""
        seconds = (self.now - moment).total_seconds()
        if abs(seconds) < 1:
            return "now"
        return f"{length(seconds)} ago" if seconds > 0 else f"in {length(-seconds)}"


def length(seconds: float) -> str:
    """Return a duration in its two largest units: 2 h 5 min."""
    for index, (unit, size) in enumerate(_UNITS):
        if seconds >= size:
            whole, rest = divmod(int(seconds), size)
            finer, step = _UNITS[index + 1] if index + 1 < len(_UNITS) else ("s", 1)
            more = rest // step
            return f"{whole} {unit} {more} {finer}" if more and whole < 10 else f"{whole} {unit}"
    return f"{int(seconds)} s"


def there(moment: datetime, zone: str) -> str:
    """Return a time by the clocks of a zone."""
    return f"{moment.astimezone(ZoneInfo(zone)):%a %d %b %H:%M}"


def typed(moment: datetime, zone: str) -> str:
    """Return a time by the clocks of a zone, in the format of a form's field."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"


def lasted(case: Case, clock: Clock) -> str:
    """Return how long an incident lasted, or has lasted."""
    return length(((case.closed_at or clock.now) - case.opened_at).total_seconds())


def severity(case: Case) -> str:
    """Return the severity as the style sheet's class."""
    return case.severity if case.severity in SEVERITIES else "none"


def problem(case: Case) -> str:
    """Return the problem, in the alert's words."""
    return case.annotations.get("summary") or case.alert


def linked(text: str) -> Markup:
    """Return a foreign text with its addresses as links; everything else is escaped."""
    parts = _ADDRESS.split(text)
    link = Markup('<a href="{0}" rel="noopener noreferrer" target="_blank">{0}</a>')
    return Markup("").join(link.format(part) if place % 2 else part for place, part in enumerate(parts))


def web(address: str | None) -> str | None:
    """Return a link that is safe for a browser, else None: annotations are not ours."""
    return address if address and address.startswith(("http://", "https://")) else None


def timeline_entries(case: Case) -> list[Entry]:
    """Return the lines about notifications."""
    return [entry for entry in case.timeline if entry.kind == "told"]


def nobody_notified(case: Case) -> Entry | None:
    """Return the last line on why somebody could not be notified, None without one."""
    kinds = ("unreachable", "not_told", "exhausted")
    return next((entry for entry in reversed(case.timeline) if entry.kind in kinds), None)


def answer(case: Case) -> Entry | None:
    """Return the line on who acknowledged or snoozed it; None while nobody has."""
    return next((e for e in reversed(case.timeline) if e.kind in ("acknowledged", "snoozed")), None)


def doing(case: Case, paused: Pause | None, clock: Clock) -> str:
    """Return what Nightdesk does about an incident now, in a sentence."""
    if case.closed_at is not None:
        return f"Closed: {case.close_reason}"
    if under_way := next((run for run in case.runs if run.verdict is None), None):
        return _trying(under_way, clock)
    if case.resolved_at is not None:
        return "Alertmanager says it is resolved; Nightdesk closes it once a sample shows that."
    if paused is not None:
        return "Nothing: all actions are paused."
    if case.severity == "info":
        return "For information: nothing to do."
    if case.handed_over_at is not None:
        return "Nightdesk may try nothing more: it waits for a person."
    if case.waits_for:
        return f"Waiting: {case.waits_for}."
    if case.runs and case.runs[-1].verdict == "verified":
        return f"{case.runs[-1].action} is verified; the incident closes when the alert ends."
    return "Looking at it."


def _trying(run: Run, clock: Clock) -> str:
    match run.state:
        case "wanted":
            return f"{run.asked_by} requested {run.action}."
        case "running" if run.started_at is not None:
            return f"Running {run.action}, for {length((clock.now - run.started_at).total_seconds())} now."
        case "open":
            return (
                f"{run.action}: its target is not reached yet, {run.attempts} attempts so far: {run.detail}"
            )
    limit = f", until {clock.at(run.verify_until)}" if run.verify_until else ""
    return f"{run.action} was run; checking whether it helped{limit}."


def snoozes(clock: Clock) -> list[tuple[str, str]]:
    """Return the page's choices of a snooze, as (value, words)."""
    morning = clock.now.astimezone(clock.zone).replace(hour=8, minute=0, second=0, microsecond=0)
    if morning - clock.now < timedelta(minutes=1):
        morning += timedelta(days=1)
    minutes = int((morning - clock.now).total_seconds() // 60)
    return [
        ("15m", "15 minutes"),
        ("1h", "1 hour"),
        ("4h", "4 hours"),
        (f"{minutes}m", f"until 08:00 ({length(minutes * 60)})"),
    ]


LENGTHS = (
    ("1h", "1 hour"),
    ("2h", "2 hours"),
    ("4h", "4 hours"),
    ("8h", "8 hours"),
    ("12h", "12 hours"),
    ("1d", "1 day"),
    ("2d", "2 days"),
    ("7d", "7 days"),
)

NOTICES = {
    Done.ACKNOWLEDGED: "Acknowledged: Nightdesk wakes nobody else for it.",
    Done.SNOOZED: "Snoozed: Nightdesk wakes nobody else until the snooze ends.",
    Done.NOT_SILENCED: "Done, but Alertmanager created no silence and keeps sending; the log says why.",
    Done.COMMENTED: "Comment added to the timeline.",
    Done.ASKED: "Requested: the timeline shows the progress.",
    Done.RESUMED: "Actions run again.",
    Done.RELEASED: "Released: Nightdesk undoes what it did to the bot.",
    Done.OVERRIDDEN: "Changed: the people concerned get a message.",
    Done.SWAPPED: "Swapped: both people get a message.",
    Done.CANCELLED: "Taken back: the people concerned get a message.",
}


def notice(done: str) -> str:
    """Return what was just done in a sentence, or ''."""
    return next((text for one, text in NOTICES.items() if one == done), "")


def positions(held: BotStatus | Outcome | None) -> list[Position] | str:
    """Return a bot's positions, or why they are unknown; '' if no bot was asked."""
    if held is None:
        return ""
    if isinstance(held, Outcome):
        return held.detail
    return "it does not say" if held.positions is None else list(held.positions)


def level(price: float | None, distance: float | None) -> str:
    """Return a stop or a liquidation price with its distance as a ratio of the price."""
    if price is None:
        return "none known"
    if distance is None:
        return f"{price:.6g}"
    return f"{price:.6g} ({distance:.1%})" if distance >= 0 else f"{price:.6g}, beyond it"


FILTERS: dict[str, Callable[..., object]] = {
    "linked": linked,
    "lasted": lasted,
    "there": there,
    "typed": typed,
    "severity": severity,
    "problem": problem,
    "web": web,
    "told": timeline_entries,
    "nobody_notified": nobody_notified,
    "answer": answer,
    "doing": doing,
    "positions": positions,
    "level": level,
}
