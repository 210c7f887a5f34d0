"""Calendar days of a time zone by number; most trades need no question to the zone."""

from datetime import date, datetime, time, timedelta, tzinfo


class LocalDays:
    """The days of a zone as proleptic ordinals (`date.toordinal`); a day may have 23 or 25 hours."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._day = 0
        self._start = self._end = 0.0

    def of(self, moment: float) -> int:
        """Return the day of a unix time."""
        if not self._start <= moment < self._end:
            self._day = datetime.fromtimestamp(moment, self._zone).toordinal()
            self._start, self._end = self.start(self._day), self.start(self._day + 1)
        return self._day

    def start(self, day: int) -> float:
        """Return the unix time at which a day begins."""
        return datetime.combine(date.fromordinal(day), time(), self._zone).timestamp()

    def ends(self, moment: float) -> dict[str, float]:
        """Return the unix times at which the calendar windows of a unix time end."""
        return {window: self.start(day) for window, day in _next_days(self.of(moment)).items()}


def first_days(today: int) -> dict[str, int]:
    """Return the first day of the present day, week (from Monday) and month."""
    day = date.fromordinal(today)
    return {"day": today, "week": today - day.weekday(), "month": today - day.day + 1}


def _next_days(today: int) -> dict[str, int]:
    """Return the first day after the present day, week and month."""
    day = date.fromordinal(today)
    month = day.replace(day=1) + timedelta(days=31)
    return {
        "day": today + 1,
        "week": today - day.weekday() + 7,
        "month": month.replace(day=1).toordinal(),
    }
