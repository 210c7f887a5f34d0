"""The text of messages about incidents: long for mail and chats, short for SMS, spoken for a phone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from stack.settings import Settings
from webhook_actions.notify.truncate import cut
from webhook_actions.store.incidents import Incident
from webhook_actions.store.runs import Run

_SHORT = 480  # characters of an SMS, which is three parts; its link is never cut
_WHOLE = 5  # incidents that a message describes in full; each other one has a line
_SPOKEN = 3  # incidents that a call names; the others are counted


@dataclass(frozen=True)
class Attachment:
    """A file that is sent with a message."""

    name: str
    kind: str  # its media type
    content: bytes

    @property
    def cid(self) -> str:
        """The name of the file in a mail's HTML."""
        return f"{self.name}@nightdesk"


@dataclass(frozen=True)
class Message:
    """The same message in four lengths; a report also as HTML with its images, and as files.

    `incidents` are its incidents; `link` is the signed link of the first, for an answer.
    """

    subject: str
    text: str
    short: str
    spoken: str
    incidents: tuple[int, ...] = ()
    contact: str = ""  # the recipient
    link: str = ""
    html: str | None = None
    images: tuple[Attachment, ...] = ()
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class IncidentNotice:
    """One incident for one recipient: what was tried, why they are notified, and their link."""

    incident: Incident
    runs: Sequence[Run]
    why: str
    link: str
    contact: str = ""


_SEVEREST = {"critical": 0, "warning": 1, "meta": 2, "info": 3}
# The outcomes of actions, in words.
_OUTCOMES = {"cannot": "not run", "would_have": "not run", "spared": "not run", "retry": "failed"}


def compose(settings: Settings, told: Sequence[IncidentNotice], page: str) -> Message:
    """Return the message about one incident, or about several that are due for someone at once.

    The most severe ones come first: of many, a call names only a few.
    """
    told = sorted(told, key=lambda one: _SEVEREST.get(one.incident.severity, len(_SEVEREST)))
    first = told[0].incident
    if len(told) == 1:
        subject = f"[{first.severity}] {_summary(first)}"
        rest = f"\n{_deadline(settings, first)}\n{first.annotations.get('description', '')}"
        short = _linked(subject + rest, told[0].link)
    else:
        subject = f"[{first.severity}] {len(told)} alerts, first: {_summary(first)}"
        lines = "\n".join(_summary(one.incident) for one in told)
        short = _linked(f"[{first.severity}] {len(told)} alerts\n{lines}", page)
    blocks = [_block(settings, one) for one in told[:_WHOLE]]
    if rest_ := told[_WHOLE:]:
        lines = "\n".join(f"{_summary(one.incident)}: {one.link}" for one in rest_)
        blocks.append(f"And {len(rest_)} more; all of them: {page}\n{lines}")
    text = "\n\n———\n\n".join(blocks)
    about = tuple(one.incident.id for one in told)
    return Message(subject, text, short, _spoken(settings, told), about, told[0].contact, told[0].link)


def _block(settings: Settings, told: IncidentNotice) -> str:
    incident, notes = told.incident, told.incident.annotations
    lines = [
        ("", _summary(incident)),
        ("Bot: ", incident.bot),
        ("Since: ", _clock(settings, incident.starts_at)),
        ("Problem: ", notes.get("description", "")),  # with P&L, win rate, positions and uptime
        ("Priority: ", f"{incident.severity}, {_deadline(settings, incident)}".rstrip(", ")),
        ("Tried: ", "; ".join(map(_tried, told.runs)) or "nothing yet"),
        ("Recommended actions: ", notes.get("recommended_actions", "")),
        ("Why you: ", told.why),
        ("Look and acknowledge: ", told.link),
        ("Runbook: ", notes.get("runbook_url", "")),
        ("Dashboard: ", notes.get("dashboard_url", "")),
    ]
    return "\n".join(name + text for name, text in lines if text)


def _tried(run: Run) -> str:
    told = [_OUTCOMES.get(run.outcome or "running", run.outcome or "running")]
    if run.outcome == "done" and run.verdict != "none":
        told.append((run.verdict or "not judged yet").replace("_", " "))
    elif run.detail:
        told.append(run.detail)
    return f"{run.action}: {', '.join(told)}"


def _spoken(settings: Settings, told: Sequence[IncidentNotice]) -> str:
    named = ". ".join(_summary(one.incident) for one in told[:_SPOKEN])
    more = f". And {len(told) - _SPOKEN} more" if len(told) > _SPOKEN else ""
    return f"This is Nightdesk. {named}{more}. {_deadline(settings, told[0].incident)}. Please acknowledge."


def _summary(incident: Incident) -> str:
    fallback = f"{incident.alert} of {incident.bot}" if incident.bot else incident.alert
    return incident.annotations.get("summary") or fallback


def _deadline(settings: Settings, incident: Incident) -> str:
    return str(getattr(settings.severities, incident.severity).deadline)


def _clock(settings: Settings, at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo(settings.timezone)):%Y-%m-%d %H:%M:%S %Z}"


def _linked(text: str, link: str) -> str:
    """Return a text for an SMS with its link, which is left out if it would leave no room."""
    if len(link) > _SHORT // 2:
        return cut(text, _SHORT)
    return f"{cut(text, _SHORT - len(link) - 1)}\n{link}"
