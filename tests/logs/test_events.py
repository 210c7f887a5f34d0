"""Which log lines are events, and their names, as a person reading the log would say."""

import json
import random
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter.logs.content import Content
from exporter.logs.failures import Context
from exporter.logs.lines import fold, line_time, message
from exporter.logs.patterns import PATTERNS, Pattern, Table
from exporter.logs.report import Event, Position, Reader
from exporter.logs.scanner import Scanner
from exporter.logs.times import read_time

FIXTURES = Path(__file__).parents[1] / "fixtures"
NOW = 1_795_400_000.0  # 2026-11-23, an hour after the excerpt


def events(text: bytes, *users: Pattern) -> list[Event]:
    return Reader(Table(users), UTC, lambda: NOW).events(text, Position("log"))


def kinds(text: str) -> list[str]:
    return [event.kind.event for event in events(text.encode())]


def read(path: Path) -> Iterator[bytes]:
    content = Content(path)
    while block := content.block():
        yield block


def test_the_excerpt_is_read_as_a_person_read_it():
    told = (FIXTURES / "logs/excerpt.events").read_text().splitlines()[1:]
    found = [
        f"{each.line} {each.kind.severity} {each.kind.category} {each.kind.event}"
        for each in events((FIXTURES / "logs/excerpt.log").read_bytes())
    ]
    assert found == told


def test_the_recorded_freqtrade_log_has_the_events_that_a_search_by_hand_finds():
    counts: dict[str, int] = {}
    for block in read(FIXTURES / "freqtrade/freqtrade.log"):
        for event in events(block):
            counts[event.kind.event] = counts.get(event.kind.event, 0) + 1
    assert counts == {
        "order_placed": 41, "trade_executed": 44, "position_closed": 20, "stop_loss": 2, "take_profit": 2,
        "api_error": 1, "connection_error": 36, "exception": 1, "warning": 2,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_events_are_the_same_however_the_log_is_cut_into_blocks(seed: int):
    text = (FIXTURES / "logs/excerpt.log").read_bytes() * 3
    table = Table()
    scanner = Scanner(table, 0)
    whole = scanner.scan(text, Context(), lambda bits, *_: bits)
    context, pieces = Context(), []
    chance = random.Random(seed)
    for line in text.splitlines(keepends=True):
        if pieces and chance.random() < 0.5:
            pieces[-1] += line
        else:
            pieces.append(line)
    total = sum(
        (scanner.scan(piece, context, lambda bits, *_: bits) for piece in pieces), start=type(whole)()
    )
    assert total == whole


@pytest.mark.parametrize("row", PATTERNS, ids=lambda row: row.event)
def test_every_pattern_has_a_line_in_the_excerpt_or_is_a_system_issue(row: Pattern):
    told = (FIXTURES / "logs/excerpt.events").read_text()
    assert f"{row.category} {row.event}\n" in told or row.event == "disk_full"


def test_a_line_end_of_windows_changes_nothing():
    assert kinds("ERROR: odd\r\n2026-11-23 01:00:00,000 - x - ERROR - Failed to go\r\n") == [
        "error",
        "failed_to",
    ]


def test_a_level_in_a_message_is_no_level():
    assert kinds("2026-11-23 01:00:00,000 - x - INFO - it says no ERROR at all\n") == []


def test_a_users_pattern_goes_before_all_others_and_is_matched_exactly():
    user = Pattern("rejected", "trading", "warning", r"rejected: (?P<why>\w+)$", exact=True)
    found = events(b"ERROR: order rejected: funds\nERROR: order rejected: funds, really\n", user)
    assert [(each.kind.event, each.kind.severity) for each in found] == [
        ("rejected", "error"),
        ("error", "error"),
    ]


def test_a_catastrophic_expression_takes_linear_time():
    user = Pattern("slow", "custom", "info", r"(x+x+)+y", exact=True)
    assert events(b"x" * 200_000 + b"\nxxy\n", user)[0].line == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-23 01:12:17,041 - x", 1795396337.041),
        ("2026-11-23T01:12:17.041Z x", 1795396337.041),
        ("2026-11-23T02:12:17+01:00 x", 1795396337),
        ("[2026/11/23 01:12:17] x", 1795396337),
        ('127.0.0.1 - - [23/Nov/2026:01:12:17 +0000] "GET"', 1795396337),
        ("Nov 23 01:12:17 host x", 1795396337),
        ("1795396337.5 x", 1795396337.5),
        ("1795396337041", 1795396337.041),
        ("2026-02-31 01:12:17 x", None),
        ("no time", None),
    ],
)
def test_times_are_read_in_the_common_formats(text: str, seconds: float | None):
    assert read_time(text, UTC, NOW) == pytest.approx(seconds)


def test_a_time_without_a_zone_is_of_the_given_one():
    assert read_time("2026-11-23 02:12:17", ZoneInfo("Europe/Berlin"), NOW) == 1795396337


def test_syslog_of_december_read_in_january_is_of_the_last_year():
    january = 1_798_765_200.0  # 2027-01-01 01:00
    assert read_time("Dec 31 23:00:00 host x", UTC, january) == january - 7200


def test_syslog_of_a_host_that_is_ahead_is_of_the_new_year():
    december = 1_798_761_598.0  # 2026-12-31 23:59:58
    assert read_time("Jan  1 00:00:03 host x", UTC, december) == december + 5


def test_syslog_of_the_leap_day_read_in_a_year_without_one_is_of_the_last_year():
    january = 1_861_920_000.0  # 2029-01-01
    assert read_time("Feb 29 12:00:00 host x", UTC, january) == 1_835_438_400  # 2028-02-29 12:00
    assert read_time("Feb 30 12:00:00 host x", UTC, january) is None


def test_numbers_and_ids_of_messages_are_folded():
    one = fold("Order dry_run_buy_BTC/USDT_e353ec00-692b-49f4-afa5-a38a7897da19 failed after 12.5 s")
    assert one == fold("Order dry_run_buy_BTC/USDT_aa53ec00-112b-49f4-afa5-a38a78970019 failed after 7 s")


def test_a_line_of_json_says_its_message_and_time():
    line = json.dumps({"ts": 1795396337, "msg": "é"}).encode()
    assert (line_time(line, UTC, NOW), message(line)) == (1795396337, "é")


def test_rubbish_is_read_without_an_error():
    assert events(bytes(random.Random(1).randbytes(200_000)) + b"\nERROR: seen\n")[-1].message == "seen"
