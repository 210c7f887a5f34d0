"""Periods are days, weeks and months of the owner's clock."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from stack.settings import load
from tests.webhook_actions.report.sample_reports import PERIOD, ZONE, trades
from webhook_actions.report import Period, PeriodError
from webhook_actions.report import trades as told

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=ZONE)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("day", "2026-11-24T20:00", "2026-11-25T20:00"),
        ("week", "2026-11-18T20:00", "2026-11-25T20:00"),
        ("month", "2026-10-25T20:00", "2026-11-25T20:00"),
        ("2026-11-01..2026-11-07", "2026-11-01", "2026-11-08"),
        ("2026-11-20..2026-12-31", "2026-11-20", "2026-11-25T20:00"),  # future days are not in the report
    ],
)
def test_a_period_is_named_by_words_or_by_days(text: str, start: str, end: str) -> None:
    period = Period.parse(text, NOW)
    assert (period.start, period.end) == (day(start), day(end))


@pytest.mark.parametrize("text", ["", "year", "2026-11-07..2026-11-01", "2026-12-01..2026-12-02", "x..y"])
def test_words_that_name_no_period_are_refused(text: str) -> None:
    with pytest.raises(PeriodError):
        Period.parse(text, NOW)


def test_a_day_has_twenty_five_hours_when_the_clock_is_set_back() -> None:
    period = Period.parse("day", day("2026-10-25T20:00"))
    assert period.seconds == 25 * 3600
    assert period.before.seconds == 25 * 3600


def test_the_month_before_a_month_is_a_month() -> None:
    march = Period.parse("month", day("2026-03-31T20:00"))
    assert march.start == day("2026-02-28T20:00")
    assert march.before.start == day("2026-01-28T20:00")


@pytest.mark.parametrize(
    ("now", "end"), [("2026-11-25T20:04", "2026-11-25T20:00"), ("2026-11-26T00:05", "2026-11-26T00:05")]
)
def test_a_summary_ends_at_its_set_time_or_now_where_that_is_long_ago(
    now: str, end: str, tmp_path: Path
) -> None:
    config = tmp_path / "monitoring.yaml"
    config.write_text(yaml.safe_dump({"timezone": "Europe/Berlin"}))
    period = Period.due(load([config]), "week", day(now).astimezone(UTC))
    assert (period.name, period.end) == ("week", day(end))


@pytest.mark.parametrize(
    ("at", "now", "end"),
    [
        ("02:30", "2026-03-29T01:31", "2026-03-29T01:30"),  # 02:30 is skipped: the summary comes at 03:30
        (
            "02:30",
            "2026-10-25T00:31",
            "2026-10-25T00:30",
        ),  # 02:30 comes twice, and the summary comes at the first
        ("02:30", "2026-10-25T01:29", "2026-10-25T00:30"),
        ("02:30", "2026-10-25T01:31", "2026-10-25T01:31"),  # an hour later is no longer its time
        ("23:55", "2026-03-28T23:04", "2026-03-28T22:55"),
    ],
)
def test_a_summarys_set_time_comes_once_when_the_clock_changes(
    at: str, now: str, end: str, tmp_path: Path
) -> None:
    config = tmp_path / "monitoring.yaml"
    always = {"routing": {"info_hours": None}, "summaries": {"daily": {"at": at}}}
    config.write_text(yaml.safe_dump({"timezone": "Europe/Berlin"} | always))
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    period = Period.due(load([config]), "day", moment)
    assert period.end.astimezone(UTC) == datetime.fromisoformat(end).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("end", "hours"), [("2026-03-29T12:00", 23), ("2026-10-25T12:00", 24), ("2026-11-25T12:00", 24)]
)
def test_bars_are_the_hours_that_the_clock_showed(end: str, hours: int) -> None:
    period = Period.parse("day", day(end))
    every = period.start.timestamp(), period.end.timestamp()
    step = 1800
    moments = range(int(every[0]), int(every[1]), step)
    made = [replace(trades()[0], closed_at=float(moment)) for moment in moments]
    bars = told.bars(made, period)
    assert len(bars) == hours
    assert sum(bar.trades for bar in bars) == len(made)
    assert all(bar.trades for bar in bars)


def test_trades_are_counted_in_the_period_that_they_closed_in() -> None:
    these, those = told.within(trades(), PERIOD), told.within(trades(), PERIOD.before)
    assert len(these) + len(those) == len(trades())
    assert sum(bar.trades for bar in told.bars(these, PERIOD)) == len(these)
    assert sum(group.profit for group in told.by_symbol(these)) == pytest.approx(sum(t.profit for t in these))
    assert [bar.name for bar in told.bars(these, PERIOD)] == [
        f"{PERIOD.start + timedelta(days=place):%d %b}" for place in range(8)
    ]


def test_hours_are_those_of_the_owners_clock() -> None:
    early = [trade for trade in trades() if datetime.fromtimestamp(trade.closed_at, UTC).hour == 23]
    assert {group.name for group in told.by_hour(early, ZoneInfo("Asia/Kolkata"))} <= {"04:00", "05:00"}
