"""Who is on call: rotas by the week, each in its time zone."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from stack.settings.model import Settings

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
