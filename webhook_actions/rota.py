"""Who is on call: rotas by the week, each in its time zone; and when quiet hours end."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from stack.settings import Settings

_WEEK = timedelta(weeks=1)


def on_call(settings: Settings, name: str, now: datetime) -> str:
    """Return the contact that `name` means now: itself, or whose week it is in the rota of that name.

    Weeks change at the same time on the clock whether it is summer or winter.
    """
    rota = settings.escalation.rotas.get(name)
    if rota is None:
        return name
    zone = ZoneInfo(rota.timezone or settings.timezone)
    start = datetime.fromisoformat(f"{rota.start}T{rota.handover}")
    local = now.astimezone(zone).replace(tzinfo=None)
    return rota.contacts[(local - start) // _WEEK % len(rota.contacts)]


def quiet_until(settings: Settings, now: datetime) -> datetime | None:
    """Return when the quiet hours that it is now end, None outside them."""
    hours = settings.escalation.quiet_hours
    if hours is None:
        return None
    zone = ZoneInfo(settings.timezone)
    local = now.astimezone(zone)
    start, end = time.fromisoformat(hours.from_), time.fromisoformat(hours.to)
    clock = local.time()
    overnight = end <= start
    inside = (clock >= start or clock < end) if overnight else start <= clock < end
    if not inside:
        return None
    day = local.date() + timedelta(days=1 if overnight and clock >= start else 0)
    return datetime.combine(day, end, zone)
