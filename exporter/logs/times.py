"""Reads the time of a line in the forms of Python's logging, ISO 8601, web servers, syslog and epochs."""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

_DATE_TIME = re.compile(
    r"(?P<year>\d{4})[-/.](?P<month>\d\d)[-/.](?P<day>\d\d)[T _](?P<clock>\d\d:\d\d:\d\d)"
    r"(?:[.,](?P<fraction>\d{1,9}))? ?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?"
)
_WEB = re.compile(
    r"(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):(?P<clock>\d\d:\d\d:\d\d) ?(?P<zone>[+-]\d{4})?"
)
_SYSLOG = re.compile(r"(?P<month>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) (?P<clock>\d\d:\d\d:\d\d)\b")
_EPOCH = re.compile(r"^\W{0,2}(?P<seconds>1\d{9})(?P<millis>\d{3})?(?:\.(?P<fraction>\d{1,9}))?\b")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_HEAD: Final = 80  # a line's time is in its first characters


def read_time(text: str, zone: tzinfo, now: float) -> float | None:
    """Return the unix time in a line's head or time field, None without one.

    `zone` is for times without a zone, `now` for the year that syslog omits.
    """
    head = text[:_HEAD]
    try:
        if found := _DATE_TIME.search(head):
            return _moment(found, int(found["month"]), int(found["year"]), zone) + _fraction(
                found["fraction"]
            )
        if found := _WEB.search(head):
            return _moment(found, _MONTHS[found["month"]], int(found["year"]), zone)
        if found := _EPOCH.match(head):
            return int(found["seconds"]) + int(found["millis"] or 0) / 1000 + _fraction(found["fraction"])
        if found := _SYSLOG.search(head):
            return _of_a_near_year(found, zone, now)
    except (ValueError, KeyError):  # 31 February, or a word that is no month
        return None
    return None


def _moment(found: re.Match[str], month: int, year: int, zone: tzinfo) -> float:
    hour, minute, second = map(int, found["clock"].split(":"))
    told = found.groupdict().get("zone")
    return datetime(
        year, month, int(found["day"]), hour, minute, min(second, 59), tzinfo=_zone(told) if told else zone
    ).timestamp() + (second == 60)


def _of_a_near_year(found: re.Match[str], zone: tzinfo, now: float) -> float | None:
    """Return the latest such time up to a day from now; not every year has 29 February."""
    month, year = _MONTHS[found["month"]], datetime.fromtimestamp(now, zone).year
    for each in (year + 1, year, year - 1):
        if int(found["day"]) <= monthrange(each, month)[1]:
            moment = _moment(found, month, each, zone)
            if moment <= now + 86_400:
                return moment
    return None


def _fraction(digits: str | None) -> float:
    return float(f"0.{digits}") if digits else 0.0


def _zone(text: str) -> tzinfo:
    if text in ("Z", "UTC", "GMT"):
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))
