"""`nightdesk alerts --who`: who is notified of each alert, over which channels, when and why."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from stack.settings import Settings, SettingsError, severities_of
from stack.settings.plan import Subject
from stack.settings.rota import to_moment
from stack.settings.timetable import HEAD, Entry, rows, timetable

_ORDER = ("critical", "warning", "info", "meta")
Group = tuple[list[Subject], list[Entry]]


def show(settings: Settings, alert: str, bot: str | None, at: str | None, as_json: bool) -> str:
    """Return the plan of an alert ("" for all) as text. Raises SettingsError for an unknown name."""
    when = _moment(settings, at)
    groups = grouped(settings, _subjects(settings, alert, bot), when)
    if as_json:
        return json.dumps([_data(group) for group in groups], indent=2)
    zone = ZoneInfo(settings.timezone)
    lines = [
        f"profile {settings.profile}, fired at {when.astimezone(zone):%Y-%m-%d %H:%M %Z}, nobody acknowledges"
    ]
    for subjects, entries in groups:
        lines += ["", _title(settings, subjects), *_aligned(entries)]
    return "\n".join(lines)


def grouped(settings: Settings, subjects: Sequence[Subject], when: datetime) -> list[Group]:
    """Return groups of alerts with equal recipients, each with its timetable, the most urgent first."""
    groups: dict[tuple[str, tuple[Entry, ...]], Group] = {}
    for one in subjects:
        entries = timetable(settings, one, when)
        groups.setdefault((one.severity, tuple(entries)), ([], entries))[0].append(one)
    return sorted(groups.values(), key=lambda group: _ORDER.index(group[0][0].severity))


def _moment(settings: Settings, at: str | None) -> datetime:
    if at is None:
        return datetime.now(UTC)
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        raise SettingsError([f"--at: {at} is not a time; write it as 2026-12-24T03:00"]) from None
    try:
        return to_moment(when, ZoneInfo(settings.timezone))
    except ValueError as error:
        raise SettingsError([f"--at: {error}"]) from None


def _subjects(settings: Settings, alert: str, bot: str | None) -> list[Subject]:
    kind = alert.removeprefix("TradingBot")
    for name, known, option in ((kind, settings.alerts, "--who"), (bot, settings.bots, "--bot")):
        if name and name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise SettingsError([f"{option}: {name} is not in the settings; {hint}"])
    return [
        Subject(name, whose, severity)
        for name, one in settings.alerts.items()
        if (name == kind or not kind) and one.enabled
        for severity in severities_of(name)
        for whose in ([bot] if bot else settings.bots or [""])
    ]


def every_subject(settings: Settings) -> list[Subject]:
    """Return every enabled alert of every bot."""
    return _subjects(settings, "", None)


def _title(settings: Settings, subjects: Sequence[Subject]) -> str:
    kinds = list(dict.fromkeys(one.kind for one in subjects))
    bots = list(dict.fromkeys(one.bot for one in subjects))
    of = (
        ""
        if not settings.bots
        else "of every bot"
        if len(bots) == len(settings.bots)
        else f"of {', '.join(bots)}"
    )
    return f"{subjects[0].severity}: {', '.join(kinds)} {of}".rstrip()


def _aligned(entries: Sequence[Entry]) -> Iterator[str]:
    lines = [HEAD, *rows(entries)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _data(group: Group) -> Mapping[str, Any]:
    subjects, entries = group
    return {
        "severity": subjects[0].severity,
        "alerts": list(dict.fromkeys(one.kind for one in subjects)),
        "bots": list(dict.fromkeys(one.bot for one in subjects if one.bot)),
        "told": [asdict(entry) for entry in entries],
    }
