"""Hours at which little is said, or nothing is sent or done: quiet hours, and maintenance."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from stack.settings.acting import Hours, Maintenance
from stack.settings.drill import real_bot
from stack.settings.model import Settings


def quiet_until(settings: Settings, now: datetime) -> datetime | None:
    """Return when the quiet hours that it is now end, in UTC and after `now`; None outside them."""
    hours = settings.escalation.quiet_hours
    return quiet_end(hours, ZoneInfo(settings.timezone), now) if hours else None


def maintained_until(settings: Settings, bot: str, now: datetime) -> datetime | None:
    """Return when the maintenance of a bot that it is now ends, in UTC and after `now`; None outside it."""
    return maintenance_end(settings.routing.maintenance, ZoneInfo(settings.timezone), real_bot(bot), now)


def quiet_end(hours: Hours, zone: ZoneInfo, now: datetime) -> datetime | None:
    """Return the end of the hours that it is now, in UTC; None outside them."""
    return max((end for _, end in _within(hours, zone, now)), default=None)


def maintenance_end(
    windows: Sequence[Maintenance], zone: ZoneInfo, bot: str, now: datetime
) -> datetime | None:
    """Return the last end of the windows for a bot that it is now, in UTC; None outside all of them."""
    ends = [
        end
        for window in windows
        if not window.bots or bot in window.bots
        for day, end in _within(window, zone, now)
        if _begins_on(window, day)
    ]
    return max(ends, default=None)


def _within(hours: Hours, zone: ZoneInfo, now: datetime) -> Iterator[tuple[date, datetime]]:
    """Give the day on which the hours began that it is now, and their end in UTC.

    Two days give some where a change of the clocks lengthens the one before.
    """
    start, end = time.fromisoformat(hours.from_), time.fromisoformat(hours.to)
    today = now.astimezone(zone).date()
    for first in (today - timedelta(days=1), today):
        last = first + timedelta(days=1) if end <= start else first
        ends = moment(last, end, zone)
        if moment(first, start, zone) <= now < ends:
            yield first, ends


def moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return when a clock of a zone shows this, in UTC: times of one zone do not compare as moments.

    A time that a change of the clocks repeats is its first; one that it skips is that much later.
    """
    return datetime.combine(day, clock, zone).astimezone(UTC)


def _begins_on(window: Maintenance, day: date) -> bool:
    if window.date is not None:
        return day.isoformat() == window.date
    return not window.weekdays or f"{day:%A}".lower() in window.weekdays
