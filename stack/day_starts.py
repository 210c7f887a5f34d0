"""Names the days on which clocks skip or repeat the time at which a day of loss limits begins."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from stack.settings import Settings
from stack.settings.limits import Day

_AHEAD = 400  # days: a zone that changes its clocks does so within a year


def irregular(settings: Settings, today: date) -> Iterator[str]:
    """Yield a line for each start of a day, within a year, that does not occur, or occurs twice."""
    days = {f"bots.{name}.day": bot.day for name, bot in settings.bots.items() if bot.limits}
    days |= {f"accounts.{name}.day": account.day for name, account in settings.accounts.items()}
    for path, day in days.items():
        zone = ZoneInfo(day.timezone or settings.timezone)
        for apart in range(_AHEAD):
            says = _says(today + timedelta(days=apart), day, zone)
            if says:
                yield f"{path}.start: {says}"


def _says(date_: date, day: Day, zone: ZoneInfo) -> str:
    """Return what is odd about the start of a day, '' if nothing is."""
    start = datetime.combine(date_, time.fromisoformat(day.start), zone)
    # For a time in a gap PEP 495 gives two readings, the later one first.
    first, second = (start.replace(fold=fold).timestamp() for fold in (0, 1))
    if first == second:
        return ""
    if first > second:
        return f"{day.start} does not exist on {date_} in {zone.key}; its day begins at the end of the gap"
    return f"{day.start} occurs twice on {date_} in {zone.key}; its day begins at the first occurrence"
