"""Finds why people would not get an alert: who has no reachable address, and what nothing uses."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from stack.routes import SEVERITIES
from stack.settings import Settings, severities_of
from stack.settings.plan import CHANNELS, CLIMB, Step, Subject, carrying, step_recipients
from stack.settings.timetable import WATCHDOG, Entry, timetable

_LINKS = ("webhook_actions", "grafana", "runbooks")  # the links in messages about alerts
_CHANNELS_OF = {
    "email": ("email",),
    "phone": ("phone", "sms"),
    "telegram": ("telegram",),
}  # by the kind of address
Plans = dict[Subject, list[Entry]]
_ONLY_HERE = (".localhost", ".internal")


@dataclass(frozen=True)
class Findings:
    """Faults in who is notified: errors refuse the settings, warnings are printed.

    `used` maps each channel that notifies somebody to the severities it carries.
    """

    errors: list[str]
    warnings: list[str]
    used: dict[str, list[str]]


def findings(settings: Settings, now: datetime | None = None) -> Findings:
    """Return why people would not get an alert that fires now, or at any other time.

    Faults that concern only the demo bots, and links outside `production`, are warnings.
    """
    plans = _plans(settings, now or datetime.now(UTC))
    silent = [*_silent(settings, plans), *_unused(settings, plans)]
    links = list(_links(settings))
    playing = set(settings.bots) <= set(settings.demo_bots)
    errors = ([] if playing else silent) + (links if settings.profile == "production" else [])
    warnings = [line for line in silent + links if line not in errors]
    warnings += [*_news(settings), *_passed_over(settings), *_unused_addresses(settings)]
    return Findings(errors, warnings, _used(plans))


def _used(plans: Plans) -> dict[str, list[str]]:
    used: dict[str, dict[str, None]] = {}
    for severity in SEVERITIES:
        for subject, entries in plans.items():
            for entry in notified(entries) if subject.severity == severity else ():
                used.setdefault(entry.channel, {})[severity] = None
    return {channel: list(severities) for channel, severities in used.items()}


def _plans(settings: Settings, now: datetime) -> Plans:
    """Return the timetable of every alert of every bot; one bot stands for all with the same recipients."""
    alike = {(bot.team, *_windows(settings, name)): name for name, bot in settings.bots.items()}
    subjects = [
        Subject(kind, bot, severity)
        for kind, alert in settings.alerts.items()
        if alert.enabled
        for severity in severities_of(kind)
        for bot in (alike.values() or ("",))
    ]
    return {one: timetable(settings, one, now) for one in subjects}


def _windows(settings: Settings, bot: str) -> tuple[int, ...]:
    windows = enumerate(settings.routing.maintenance)
    return tuple(index for index, window in windows if not window.bots or bot in window.bots)


def notified(entries: list[Entry]) -> list[Entry]:
    """Return the entries of a timetable that notify somebody."""
    return [one for one in entries if one.channel]


def _silent(settings: Settings, plans: Plans) -> Iterator[str]:
    """Yield a line for each alert that reaches nobody; alerts with the same reason share a line."""
    if not carrying(settings, "critical"):
        yield (
            "channels: none is enabled, so nobody would get any alert; "
            "set channels.email (or telegram, slack, sms, phone) and enable it"
        )
        return
    if not carrying(settings, "meta"):
        yield (
            "channels: Alertmanager itself sends the alerts about Nightdesk, over email, Slack or Telegram "
            "chats that are numbers, and none of these is configured; configure one beside "
            f"{', '.join(carrying(settings, 'critical'))}"
        )
    reasons: dict[str, list[str]] = {}
    for subject, entries in plans.items():
        if subject.severity == "info" or subject.kind == WATCHDOG or notified(entries):
            continue
        if subject.severity == "meta" and not carrying(settings, "meta"):
            continue
        names = reasons.setdefault(entries[0].why, [])
        name = f"{subject.kind} of {subject.bot}" if subject.bot else subject.kind
        names.append(name)
    for why, names in reasons.items():
        yield (
            f"{_some(names)}: nobody would get it: {why}; name a channel, or turn it off "
            "(alerts.….enabled: false)"
        )


def _news(settings: Settings) -> Iterator[str]:
    """Yield a line if no channel carries news, for which Nightdesk calls nobody."""
    able = carrying(settings, "critical")
    if able and not carrying(settings, "info"):
        yield f"summaries and milestones are sent to nobody: news does not go over {', '.join(able)}"


def _unused(settings: Settings, plans: Plans) -> Iterator[str]:
    used = {entry.channel for entries in plans.values() for entry in entries}
    used.update(settings.reports.channels, settings.escalation.repeated_alerts.channels)
    for channel in CHANNELS:
        if getattr(settings.channels, channel).enabled and channel not in used:
            yield (
                f"channels.{channel}: is enabled, but nothing uses it; name it in severities, alerts or "
                f"escalation, or set channels.{channel}.enabled to false"
            )


def _passed_over(settings: Settings) -> Iterator[str]:
    """Yield a line for each escalation level that is skipped, because no channel of it reaches anyone."""
    now, escalation = datetime.now(UTC), settings.escalation
    if not carrying(settings, "critical"):
        return
    for index, level in enumerate(escalation.levels):
        rota = escalation.rotas.get(level.contact)
        for name in rota.people if rota else [level.contact]:
            alone = level.model_copy(update={"contact": name})
            asked = settings.model_copy(
                update={"escalation": escalation.model_copy(update={"levels": [alone]})}
            )
            whom = step_recipients(asked, Subject("", "", "critical"), Step(CLIMB, 1, 0.0, ""), now)
            if not whom.recipients:
                way_out = "and is skipped; add an address, or another channel"
                yield f"escalation.levels[{index}]: {whom.why}, {way_out}"


def _unused_addresses(settings: Settings) -> Iterator[str]:
    """Yield a line for each address of a contact whose channel is not enabled."""
    if not carrying(settings, "critical"):
        return
    for kind, channels in _CHANNELS_OF.items():
        if any(getattr(settings.channels, channel).enabled for channel in channels):
            continue
        way_out = f"enable {' or '.join(f'channels.{one}' for one in channels)}, or remove the address"
        for name, contact in settings.contacts.items():
            if getattr(contact, kind):
                yield f"contacts.{name}.{kind}: Nightdesk sends nothing there; {way_out}"


def _links(settings: Settings) -> Iterator[str]:
    """Yield a line for each link in messages that opens only on this machine or between containers."""
    if not carrying(settings, "critical"):
        return
    for service in _LINKS:
        given = getattr(settings.links, service)
        if service == "runbooks" and given is None:
            continue  # those of webhook_actions
        host = urlsplit(settings.link(service)).hostname or ""
        if _opens_here_only(host):
            yield (
                f"links.{service}: messages would link to {settings.link(service)}, which no phone can open; "
                "write the address that your phone opens (docs/who.md)"
            )


def _opens_here_only(host: str) -> bool:
    """Return whether a name or address means something else, or nothing, on another machine."""
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_ONLY_HERE)
    return address.is_loopback or address.is_unspecified or address.is_link_local


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
