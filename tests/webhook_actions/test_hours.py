"""Quiet hours and maintenance at every kind of clock change: their end is always in the future."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.settings import Hours, Maintenance
from stack.settings.hours import maintenance_end, quiet_end

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "America/Santiago",  # at midnight
    "Africa/Cairo",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Pacific/Apia",
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MINUTE = timedelta(minutes=1)


def hours(begin: str, end: str) -> Hours:
    return Hours.model_validate({"from": begin, "to": end})


def maintenance(**given: Any) -> Maintenance:
    return Maintenance.model_validate({"bots": [], "weekdays": [], "date": None, **given})


def changes(zone: str, year: int) -> list[datetime]:
    """Return the minutes at which a zone's clocks change in a year, in UTC."""
    where, now = ZoneInfo(zone), datetime(year, 1, 1, tzinfo=UTC)
    found = []
    while now.year == year:
        then = now + timedelta(hours=1)
        if now.astimezone(where).utcoffset() != then.astimezone(where).utcoffset():
            minute = now
            while minute.astimezone(where).utcoffset() == now.astimezone(where).utcoffset():
                minute += MINUTE
            found.append(minute)
        now = then
    return found


@pytest.mark.parametrize("zone", [zone for zone in ZONES if changes(zone, 2026)])
def test_the_end_is_to_come_at_every_minute_around_both_clock_changes(zone: str) -> None:
    clock = [f"{hour:02}:{minute:02}" for hour in (0, 1, 2, 3, 23) for minute in (0, 15, 30, 59)]
    windows = [hours(begin, end) for begin in ("00:30", "01:45", "02:30", "22:00") for end in clock]
    for change in changes(zone, 2026):
        for offset in range(-150, 150):
            now = change + offset * MINUTE
            for each in windows:
                end = quiet_end(each, ZoneInfo(zone), now)
                assert end is None or end > now


@st.composite
def moments(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """Return a zone and a moment, often one near a change of its clocks or the end of a month."""
    zone = draw(st.sampled_from(ZONES))
    near = [*changes(zone, 2026), datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)]
    second = draw(st.integers(-100_000, 100_000))
    return ZoneInfo(zone), draw(st.sampled_from(near)) + timedelta(seconds=second)


CLOCKS = st.times().map(lambda each: f"{each:%H:%M}")


@given(moment=moments(), begin=CLOCKS, end=CLOCKS)
def test_hours_hold_until_their_end_and_no_longer(
    moment: tuple[ZoneInfo, datetime], begin: str, end: str
) -> None:
    zone, now = moment
    window = hours(begin, end)
    until = quiet_end(window, zone, now)
    if until is None:
        return
    assert now < until <= now + timedelta(hours=25, minutes=1)
    assert until.tzinfo is UTC
    assert quiet_end(window, zone, until - timedelta(microseconds=1)) == until
    after = quiet_end(window, zone, until)
    assert after is None or after > until, "hours of a whole day follow one another"


@given(moment=moments(), begin=CLOCKS, end=CLOCKS, day=st.sampled_from(WEEKDAYS))
def test_maintenance_of_a_weekday_begins_on_it(
    moment: tuple[ZoneInfo, datetime], begin: str, end: str, day: str
) -> None:
    zone, now = moment
    window = maintenance(**{"from": begin, "to": end}, weekdays=[day])
    until = maintenance_end([window], zone, "alpha", now)
    if until is None:
        return
    assert until > now
    local = now.astimezone(zone).date()
    days = {WEEKDAYS[(local - timedelta(days=back)).weekday()] for back in (0, 1, 2)}
    assert day in days


def test_hours_are_what_the_clock_shows_twice_where_it_shows_them_twice() -> None:
    berlin = ZoneInfo("Europe/Berlin")

    def end(begin: str, end: str, *utc: int) -> str | None:
        until = quiet_end(hours(begin, end), berlin, datetime(2026, *utc, tzinfo=UTC))
        return until and f"{until:%d %H:%M}"

    assert end("22:00", "02:30", 10, 25, 0, 15) == "25 00:30"
    assert end("22:00", "02:30", 10, 25, 0, 45) is None
    assert end("22:00", "02:30", 10, 25, 1, 15) == "25 01:30", "the clock shows 02:15 once more"
    assert end("02:30", "05:00", 10, 25, 0, 45) == "25 01:00", "the clock goes back to before they begin"
    assert end("22:00", "02:30", 3, 29, 0, 45) == "29 01:00", "02:30 is skipped: 03:00 follows 01:59"
    assert end("22:00", "02:30", 3, 29, 1, 15) is None
    assert end("02:10", "02:50", 3, 29, 1, 0) is None, "the clock never shows them"


def test_the_last_end_of_several_windows_counts_for_the_bots_that_they_name() -> None:
    zone, now = ZoneInfo("UTC"), datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    windows = [
        maintenance(**{"from": "12:00", "to": "13:00"}),
        maintenance(**{"from": "12:00", "to": "14:00"}, bots=["alpha"]),
        maintenance(**{"from": "12:00", "to": "15:00"}, date="2026-03-02"),
    ]
    assert maintenance_end(windows, zone, "alpha", now) == datetime(2026, 3, 1, 14, tzinfo=UTC)
    assert maintenance_end(windows, zone, "beta", now) == datetime(2026, 3, 1, 13, tzinfo=UTC)
