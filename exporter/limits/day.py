"""The begin of a firm's day: at the firm's time, in its zone, also when the clock changes."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def day_start(moment: float, start: str, zone: ZoneInfo) -> float:
    """Return the begin of a unix time's day, in unix seconds; `start` is a local time, HH:MM."""
    here = datetime.fromtimestamp(moment, zone).date()
    # A change of the clock may put the start of a day on either side of its date.
    days = (here + timedelta(days=apart) for apart in (1, 0, -1, -2))
    return next(found for found in (_begins(day, start, zone) for day in days) if found <= moment)


def _begins(day: date, start: str, zone: ZoneInfo) -> float:
    """Return the unix time of a local time.

    Of two it is the first; for a time in a gap it is the gap's end.
    """
    local = datetime.combine(day, time.fromisoformat(start), zone)
    # For a time in a gap, PEP 495 has two results, with the offsets before and after it; the later comes
    # first.
    first, second = int(local.timestamp()), int(local.replace(fold=1).timestamp())
    if first <= second:
        return float(first)
    before, after = second, first
    offset = datetime.fromtimestamp(before, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, UTC).astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return float(after)
