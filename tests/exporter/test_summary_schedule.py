"""A summary is due by the owner's clock, for ten minutes, once a day also when the clock changes."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from exporter.catalogue import Sample
from exporter.summary_schedule import SummarySchedule
from stack.settings.observability import Summaries

BERLIN = ZoneInfo("Europe/Berlin")


def due(**changes: dict[str, Any]) -> SummarySchedule:
    """Return when the summaries are due: daily at 20:00, weekly on Sunday, monthly on the 1st."""
    settings = {
        "daily": {"enabled": True, "at": "20:00"},
        "weekly": {"enabled": True, "at": "20:00", "weekday": "sunday"},
        "monthly": {"enabled": True, "at": "20:00", "day": 1},
    }
    changed = {name: settings[name] | changes.get(name, {}) for name in settings}
    return SummarySchedule(Summaries.model_validate(changed), BERLIN)


def seen(due: SummarySchedule, moment: datetime) -> dict[str, float]:
    return {each.labels[0]: each.value for each in _told(due, moment, "report_due")}


def _told(due: SummarySchedule, moment: datetime, name: str) -> list[Sample]:
    return [each for each in due.samples(moment.timestamp()) if each.metric.name == name]


def minutes(due: SummarySchedule, period: str, day: datetime) -> list[datetime]:
    """Return the minutes (UTC) of two days around midnight of `day` in which the summary is due."""
    begin = day.timestamp() - 6 * 3600
    moments = (datetime.fromtimestamp(begin + 60 * n, ZoneInfo("UTC")) for n in range(36 * 60))
    return [moment for moment in moments if seen(due, moment)[period] == 1]


def test_each_is_due_for_ten_minutes_at_its_local_time():
    summaries = due()
    sunday = datetime(2026, 11, 1, 20, 0, tzinfo=BERLIN)
    assert seen(summaries, sunday) == {"daily": 1, "weekly": 1, "monthly": 1}
    assert seen(summaries, sunday - timedelta(seconds=1)) == {"daily": 0, "weekly": 0, "monthly": 0}
    assert seen(summaries, sunday + timedelta(seconds=599))["daily"] == 1
    assert seen(summaries, sunday + timedelta(seconds=600))["daily"] == 0
    assert seen(summaries, sunday + timedelta(days=1)) == {"daily": 1, "weekly": 0, "monthly": 0}
    assert seen(summaries, sunday + timedelta(days=7)) == {"daily": 1, "weekly": 1, "monthly": 0}


@pytest.mark.parametrize(
    ("now", "starts"),
    [
        ("2026-11-01T20:05", {"daily": "2026-10-31", "weekly": "2026-10-25", "monthly": "2026-10-01"}),
        ("2026-03-01T20:00", {"daily": "2026-02-28", "weekly": "2026-02-22", "monthly": "2026-02-01"}),
        ("2026-01-01T20:00", {"daily": "2025-12-31", "monthly": "2025-12-01"}),
        ("2026-11-01T19:59", {}),
    ],
)
def test_a_summary_covers_the_period_that_ends_when_it_is_due(now: str, starts: dict[str, str]):
    found = _told(due(), datetime.fromisoformat(now).replace(tzinfo=BERLIN), "report_start_timestamp_seconds")
    expected = {
        period: datetime.fromisoformat(f"{day}T20:00").replace(tzinfo=BERLIN).timestamp()
        for period, day in starts.items()
    }
    assert {each.labels[0]: each.value for each in found} == expected


def test_one_that_is_switched_off_is_absent():
    summaries = due(weekly={"enabled": False})
    assert set(seen(summaries, datetime(2026, 11, 1, 20, 0, tzinfo=BERLIN))) == {"daily", "monthly"}


@pytest.mark.parametrize(
    ("at", "day", "utc"),
    [
        ("02:30", datetime(2026, 3, 28, tzinfo=BERLIN), "01:30"),
        ("02:30", datetime(2026, 3, 29, tzinfo=BERLIN), "01:30"),  # the clock skips it: 03:30 instead
        ("02:30", datetime(2026, 3, 30, tzinfo=BERLIN), "00:30"),
        ("02:30", datetime(2026, 10, 25, tzinfo=BERLIN), "00:30"),  # it comes twice: the first counts
        ("02:55", datetime(2026, 10, 25, tzinfo=BERLIN), "00:55"),
        ("00:00", datetime(2026, 10, 25, tzinfo=BERLIN), "22:00"),
    ],
)
def test_a_clock_change_neither_skips_nor_repeats_a_day(at, day, utc):
    found = minutes(due(daily={"at": at}), "daily", day)
    of_day = [moment for moment in found if moment.astimezone(BERLIN).date() == day.date()]
    assert len(of_day) == 10
    assert of_day[0].strftime("%H:%M") == utc


def test_it_goes_on_past_midnight():
    weekly = due(weekly={"at": "23:55", "weekday": "saturday"})
    assert seen(weekly, datetime(2026, 11, 8, 0, 4, tzinfo=BERLIN))["weekly"] == 1
    assert seen(weekly, datetime(2026, 11, 8, 0, 5, tzinfo=BERLIN))["weekly"] == 0
