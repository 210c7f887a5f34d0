"""Says when a summary is due by the owner's clock: PromQL knows no time zones."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from exporter.catalogue import Sample, sample
from stack.settings.observability import Summaries

DUE_FOR = timedelta(minutes=10)  # long enough that no scrape or evaluation misses it
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class SummarySchedule:
    """When summaries are due in a time zone."""

    def __init__(self, summaries: Summaries, zone: ZoneInfo) -> None:
        self._summaries = summaries
        self._zone = zone

    def samples(self, now: float) -> Iterator[Sample]:
        """Yield 1 or 0 for each enabled summary at a unix time, and the begin of a due summary's period."""
        daily, weekly, monthly = self._summaries.daily, self._summaries.weekly, self._summaries.monthly
        if daily.enabled:
            yield from self._summary("daily", daily.at, self._day(now, daily.at))
        if weekly.enabled:
            yield from self._summary("weekly", weekly.at, self._day(now, weekly.at, weekday=weekly.weekday))
        if monthly.enabled:
            yield from self._summary("monthly", monthly.at, self._day(now, monthly.at, day=monthly.day))

    def _summary(self, period: str, at: str, day: date | None) -> Iterator[Sample]:
        yield sample("report_due", float(day is not None), period=period)
        if day is not None:
            yield sample(
                "report_start_timestamp_seconds", self._moment(_before(period, day), at), period=period
            )

    def _day(self, now: float, at: str, *, weekday: str | None = None, day: int | None = None) -> date | None:
        """Return the fitting day whose local time was within the last ten minutes, also past midnight."""
        here = datetime.fromtimestamp(now, self._zone)
        for each in (here.date(), (here - DUE_FOR).date()):
            fits = weekday in (None, _WEEKDAYS[each.weekday()]) and day in (None, each.day)
            if fits and 0 <= now - self._moment(each, at) < DUE_FOR.total_seconds():
                return each
        return None

    def _moment(self, day: date, at: str) -> float:
        """Return the unix time of a local time.

        If a clock change repeats the time, the first counts. If it skips the time, the moment is later by the
        change (PEP 495). So each day has exactly one moment.
        """
        hour, minute = map(int, at.split(":"))
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone).timestamp()


def _before(period: str, day: date) -> date:
    """Return the first day of the period that ends on `day`: a day, a week or a month earlier."""
    if period != "monthly":
        return day - timedelta(days=7 if period == "weekly" else 1)
    return (day.replace(day=1) - timedelta(days=1)).replace(day=day.day)
