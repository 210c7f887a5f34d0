"""Hours at which little is said, or nothing is sent or done: quiet hours, and maintenance."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from stack.settings import Hours, Maintenance, Settings


def quiet_until(settings: Settings, now: datetime) -> datetime | None:
    """Return when the quiet hours that it is now end, None outside them."""
    hours = settings.escalation.quiet_hours
    within = hours and _within(hours, ZoneInfo(settings.timezone), now)
    return within[1] if within else None


def maintained_until(settings: Settings, bot: str, now: datetime) -> datetime | None:
    """Return when the maintenance of a bot ends that it is now, None outside it; the last end of several."""
    zone = ZoneInfo(settings.timezone)
    ends = []
    for window in settings.routing.maintenance:
        within = _within(window, zone, now)
        if within and (not window.bots or bot in window.bots) and _begins_on(window, within[0]):
            ends.append(within[1])
    return max(ends, default=None)


def _within(hours: Hours, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime] | None:
    """Return begin and end of the hours that it is now; an end that is no later is the next day's."""
    local = now.astimezone(zone)
    start, end = time.fromisoformat(hours.from_), time.fromisoformat(hours.to)
    overnight = end <= start
    if not overnight and not start <= local.time() < end:
        return None
    if overnight and end <= local.time() < start:
        return None
    first = local.date() - timedelta(days=1 if overnight and local.time() < start else 0)
    last = first + timedelta(days=1 if overnight else 0)
    return datetime.combine(first, start, zone), datetime.combine(last, end, zone)


def _begins_on(window: Maintenance, begin: datetime) -> bool:
    if window.date is not None:
        return begin.date().isoformat() == window.date
    return not window.weekdays or f"{begin:%A}".lower() in window.weekdays
