"""The period of a report, in the owner's time zone."""

import calendar
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from stack.settings import Settings

_JUST_NOW = 3600.0  # seconds; the report of a later summary ends now
_LENGTHS = {"day": timedelta(days=1), "week": timedelta(days=7)}


class PeriodError(ValueError):
    """An invalid period; the message names valid ones."""


@dataclass(frozen=True)
class Period:
    """From `start` until before `end`, both with the owner's time zone."""

    name: str
    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end.timestamp() - self.start.timestamp()

    @property
    def before(self) -> "Period":
        """The period before, as long as this one; a month is a month."""
        if self.name == "month":
            return Period(self.name, _month_before(self.start), self.start)
        start = datetime.fromtimestamp(self.start.timestamp() - self.seconds, self.start.tzinfo)
        return Period(self.name, start, self.start)

    @classmethod
    def parse(cls, text: str, now: datetime) -> "Period":
        """Return the day, week or month up to now, or `FROM..TO`, both included. Raises PeriodError."""
        if text == "month":
            return cls(text, _month_before(now), now)
        if text in _LENGTHS:  # by the clock: a day may have 23 hours
            return cls(text, now - _LENGTHS[text], now)
        first, dots, last = text.partition("..")
        if not dots:
            raise PeriodError(f"{text!r} is no period; write day, week, month or 2026-11-01..2026-11-07")
        zone = now.tzinfo
        try:
            start = datetime.combine(datetime.fromisoformat(first).date(), time(), zone)
            end = datetime.combine(datetime.fromisoformat(last).date() + timedelta(days=1), time(), zone)
        except ValueError:
            raise PeriodError(f"{text!r}: write both days as 2026-11-01") from None
        if not start < min(end, now):
            raise PeriodError(f"{text!r} ends before it begins, or has not begun")
        return cls(text, start, min(end, now))

    @classmethod
    def due(cls, settings: Settings, name: str, now: datetime) -> "Period":
        """Return the day, week or month up to its summary's set time if that was just before, else to now."""
        here = now.astimezone(ZoneInfo(settings.timezone))
        summaries = settings.summaries
        at = {"day": summaries.daily, "week": summaries.weekly, "month": summaries.monthly}[name].at
        for day in (here.date(), here.date() - timedelta(days=1)):
            moment = datetime.combine(day, time.fromisoformat(at), here.tzinfo)
            if 0 <= now.timestamp() - moment.timestamp() < _JUST_NOW:
                return cls.parse(name, moment)
        return cls.parse(name, here)


def _month_before(moment: datetime) -> datetime:
    """Return the same time a month earlier, or that of its last day."""
    year, month = (moment.year, moment.month - 1) if moment.month > 1 else (moment.year - 1, 12)
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)
