"""Calendar days are those of the zone; they have 23 or 25 hours when its clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.analytics.days import LocalDays
from tests.exporter.trades import START, ledger, trade

# Changes at midnight (Sao Paulo until 2019, Beirut), half hours (Lord Howe), a day left out (Apia, 2011).
ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia")


@given(st.sampled_from(ZONES), st.lists(st.integers(0, 2_000_000_000), min_size=1))
def test_a_moment_is_of_the_day_that_its_zone_says(zone, moments):
    days = LocalDays(ZoneInfo(zone))
    for moment in moments:
        assert days.of(moment) == datetime.fromtimestamp(moment, ZoneInfo(zone)).toordinal()


@pytest.mark.parametrize("zone", ZONES)
def test_days_meet_without_gap_or_overlap_whenever_clocks_change(zone):
    days = LocalDays(ZoneInfo(zone))
    for moment in range(1_293_840_000, 1_577_836_800, 1800):  # 2011 to 2019
        assert days.of(moment) == datetime.fromtimestamp(moment, ZoneInfo(zone)).toordinal()


def test_profit_windows_begin_at_the_local_midnight_monday_and_first():
    late = START + 23.5 * 3600  # half past midnight in Berlin
    trades = [trade(1, START + 3600, 1.0), trade(2, late, 2.0)]
    assert ledger(trades).pnl(late)["day"] == 3.0
    assert ledger(trades, zone="Europe/Berlin").pnl(late)["day"] == 2.0
    assert ledger(trades, zone="Europe/Berlin").pnl(late)["month"] == 3.0


def test_windows_end_where_the_next_begin():
    days = LocalDays(ZoneInfo("Europe/Berlin"))

    def at(*day):
        return datetime(*day, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()

    saturday = {"day": at(2026, 10, 25), "week": at(2026, 10, 26), "month": at(2026, 11, 1)}
    assert days.ends(at(2026, 10, 24, 12)) == saturday
    last_of_the_year = {"day": at(2027, 1, 1), "week": at(2027, 1, 4), "month": at(2027, 1, 1)}
    assert days.ends(at(2026, 12, 31, 23, 59)) == last_of_the_year


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25)])
def test_a_day_of_23_or_25_hours_has_all_of_its_trades(day, hours):
    berlin = ZoneInfo("Europe/Berlin")
    midnight = datetime(*day, tzinfo=berlin).timestamp()
    trades = [trade(n, midnight + n * 3600, 1.0) for n in range(-1, 26)]
    found = ledger(trades, zone="Europe/Berlin")
    assert found.pnl(midnight + 12 * 3600)["day"] == hours
    assert found.pnl(midnight)["week"] == hours + 1  # both are Sundays
