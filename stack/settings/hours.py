"""Quiet hours, in which warnings wait, and maintenance, in which Nightdesk sends and does nothing."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from stack.settings.drill import real_bot
from stack.settings.model import Settings
from stack.settings.response import Hours, Maintenance


def quiet_until(settings: Settings, now: datetime) -> datetime | None:
    """Return the end of the present quiet hours, in UTC and after `now`; None outside quiet hours."""
    hours = settings.escalation.quiet_hours
    return quiet_end(hours, ZoneInfo(settings.timezone), now) if hours else None


def maintained_until(settings: Settings, bot: str, now: datetime) -> datetime | None:
    """Return the end of a bot's present maintenance, in UTC and after `now`; None outside maintenance."""
    return maintenance_end(settings.routing.maintenance, ZoneInfo(settings.timezone), real_bot(bot), now)


def quiet_end(hours: Hours, zone: ZoneInfo, now: datetime) -> datetime | None:
    """Return the end of the hours, in UTC, if `now` is in them, else None."""
    return _end(zone, now, lambda local: _began(hours, local) is not None, hours)


def maintenance_end(
    windows: Sequence[Maintenance], zone: ZoneInfo, bot: str, now: datetime
) -> datetime | None:
    """Return the latest end of a bot's windows that `now` is in, in UTC; None outside all of them."""
    ends = [
        _end(zone, now, partial(_is_within, window), window)
        for window in windows
        if not window.bots or bot in window.bots
    ]
    return max((end for end in ends if end is not None), default=None)


def _began(hours: Hours, local: datetime) -> date | None:
    """Return the day on which the present hours began; None outside them.

    Like Alertmanager: hours that a clock change repeats happen twice, hours that it skips do not happen.
    """
    start, end, shown = time.fromisoformat(hours.from_), time.fromisoformat(hours.to), local.time()
    if start < end:
        return local.date() if start <= shown < end else None
    if shown >= start:
        return local.date()
    return local.date() - timedelta(days=1) if shown < end else None


def moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return when a zone's clock shows this time, in UTC: times of one zone do not compare as moments.

    A repeated time is its first occurrence; a skipped time is later by the length of the gap.
    """
    return datetime.combine(day, clock, zone).astimezone(UTC)


def _end(
    zone: ZoneInfo, now: datetime, is_within: Callable[[datetime], bool], hours: Hours
) -> datetime | None:
    """Return the next moment, in UTC, at which the zone's clock is outside these hours; None if it is now."""
    local = now.astimezone(zone)
    began = _began(hours, local)
    if began is None or not is_within(local):
        return None
    day = began + timedelta(days=1) if hours.to <= hours.from_ else began
    clock = time.fromisoformat(hours.to)
    ends = [datetime.combine(day, clock.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1)]
    ends.append(_change(zone, now, max(ends)))
    return min(end for end in ends if end > now and _began(hours, end.astimezone(zone)) != began)


def _change(zone: ZoneInfo, now: datetime, until: datetime) -> datetime:
    """Return when, within a day, the zone's clocks change; `until` if they do not."""
    before, after = now.astimezone(UTC), until
    if now.astimezone(zone).utcoffset() == until.astimezone(zone).utcoffset():
        return until
    while after - before > _SECOND:
        half = before + (after - before) / 2
        same = half.astimezone(zone).utcoffset() == now.astimezone(zone).utcoffset()
        before, after = (half, after) if same else (before, half)
    return after.replace(second=0, microsecond=0)  # clocks change at whole minutes


def _is_within(window: Maintenance, local: datetime) -> bool:
    day = _began(window, local)
    if day is None:
        return False
    if window.date is not None:
        return day.isoformat() == window.date
    return not window.weekdays or f"{day:%A}".lower() in window.weekdays


_SECOND = timedelta(seconds=1)
