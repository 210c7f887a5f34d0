"""Says when a summary is due by the owner's clock, which PromQL does not know."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from exporter.catalogue import Sample, sample
from stack.settings.telling import Summaries

DUE_FOR = timedelta(minutes=10)  # long enough that no scrape or evaluation misses it
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Due:
    """When summaries are due in a time zone."""

    def __init__(self, summaries: Summaries, zone: ZoneInfo) -> None:
        self._summaries = summaries
        self._zone = zone

    def samples(self, now: float) -> Iterator[Sample]:
        """Yield 1 or 0 for each summary that is enabled, at this unix time."""
        daily, weekly, monthly = self._summaries.daily, self._summaries.weekly, self._summaries.monthly
        if daily.enabled:
            yield sample("report_due", self._due(now, daily.at), period="daily")
        if weekly.enabled:
            yield sample("report_due", self._due(now, weekly.at, weekday=weekly.weekday), period="weekly")
        if monthly.enabled:
            yield sample("report_due", self._due(now, monthly.at, day=monthly.day), period="monthly")

    def _due(self, now: float, at: str, *, weekday: str | None = None, day: int | None = None) -> float:
        """Return 1.0 within the ten minutes after the local time of a fitting day, also past midnight."""
        here = datetime.fromtimestamp(now, self._zone)
        for each in (here.date(), (here - DUE_FOR).date()):
            fits = weekday in (None, _WEEKDAYS[each.weekday()]) and day in (None, each.day)
            if fits and 0 <= now - self._moment(each, at) < DUE_FOR.total_seconds():
                return 1.0
        return 0.0

    def _moment(self, day: date, at: str) -> float:
        """Return the unix time of a local time.

        Of an hour that a clock change repeats it is the first; one that it leaves out comes as much later
        as the clock was moved (PEP 495): each day has one such moment and only one.
        """
        hour, minute = map(int, at.split(":"))
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone).timestamp()
