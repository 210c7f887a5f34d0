"""One failure counts once, however many lines report it and wherever a block of them ends."""

from datetime import UTC, datetime

import pytest

from exporter.logs.failures import Context
from exporter.logs.lines import fold, folded, message_of
from exporter.logs.patterns import Pattern, Table
from exporter.logs.report import Event, Position, Reader
from exporter.logs.scanner import Scanner
from tests.logs.test_events import FIXTURES

NOW = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
READER = Reader(Table(), UTC, lambda: NOW)  # compiling the patterns takes long
GOES_ON = "2026-03-01 02:00:01 - bot - INFO - fine\n"
FAILS = "2026-03-01 02:00:00 - bot - ERROR - odd\n"
TRACEBACK = """\
Traceback (most recent call last):
  File "bot.py", line 3, in run
    place()
ConnectionError: Connection refused
"""
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "bot.py", line 3, in run
  |     raise ExceptionGroup("both", found)
  | ExceptionGroup: both (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "bot.py", line 1, in run
    | ConnectionError: Connection refused
    +---------------- 2 ----------------
    | MemoryError: out of memory
    +------------------------------------
"""
CHAINED = "\nDuring handling of the above exception, another exception occurred:\n\n"
LOGURU = """\
Traceback (most recent call last):

> File "bot.py", line 6, in <module>
    place()
    └ <function place at 0x7f>

  File "bot.py", line 3, in place
    raise ConnectionError("refused")

ConnectionError: Connection refused
"""
FUTURE = "future: <Task name='Task-2' coro=<run()> exception=ConnectionError('Connection refused')>\n"
TEXT = (
    'OSError: HTTP status is 504. Response is {\n  "message": "Endpoint request timed out"\n}\nAPI error 5\n'
)
JAVA = (
    "java.net.ConnectException: Connection refused\n\tat x.Y.z(Y.java:1)\n"
    "Caused by: java.io.IOException: API error\n"
)
HTML = "ccxt.NetworkError: binance GET https://x 503 <html>\n<head>Failed to serve</head>\n[API error]\n{\n"


def events(text: str, *users: Pattern) -> list[Event]:
    reader = Reader(Table(users), UTC, lambda: NOW) if users else READER
    return reader.events(text.encode(), Position("log"))


@pytest.mark.parametrize(
    "text",
    [
        FAILS + TRACEBACK,
        FAILS + GROUP,
        FAILS + LOGURU,
        FAILS + TEXT,
        FAILS + JAVA,
        FAILS + HTML,
        FAILS + "Traceback (most recent call last):\n  File 1\n" + TEXT,
        FAILS + TRACEBACK + CHAINED + TRACEBACK,
        FAILS.replace("odd", "Task exception was never retrieved") + FUTURE + TRACEBACK,
        "ERROR:asyncio:Task exception was never retrieved\n" + FUTURE + TRACEBACK,
        "Task exception was never retrieved\n" + FUTURE + TRACEBACK,
        FAILS + "NoneType: None\n",
        "ERROR: odd\n" + TRACEBACK,
        "ERROR:bot:odd\nTraceback (most recent call last):\n  File 1\n" + TEXT,
        "[02:01:00 ERR] odd\nSystem.Net.Http.HttpRequestException: Connection refused\n   at Bot.Run()\n",
        "fail: Bot[0]\n      odd\n      System.Exception: API error\n         at Bot.Run()\n",
        "E0301 02:01:00.123456   77 x.go:10] odd\ngoroutine 7 [running]: API error\n",
        TRACEBACK,
        GROUP,
        LOGURU,
        GOES_ON + TRACEBACK,
        GOES_ON + "Traceback (most recent call last):\n  File 1\n" + TEXT,
        '{"level": "error", "message": "odd"}\n' + TRACEBACK,
        '{"level":"error","msg":"odd","exc_info":"Traceback (most recent call last):\\n  ConnectionError"}\n',
    ],
)  # fmt: skip
def test_a_failure_counts_once(text: str):
    whole = events(text + GOES_ON + FAILS)
    assert len(whole) == 2, [(each.line, each.kind.event) for each in whole]
    assert whole[1].line == text.count("\n") + 2

    at = Position("log")
    by_line = [
        event
        for line in (text + GOES_ON + FAILS).encode().splitlines(keepends=True)
        for event in READER.events(line, at)
    ]
    assert [(each.line, each.kind) for each in by_line] == [(each.line, each.kind) for each in whole]


def test_each_failure_that_is_printed_counts():
    text = "ERROR: odd\nConnection error, again\nConnection error, again\nTrade executed: 5\nFailed to go\n"
    assert len(events(text)) == 5


def test_a_trade_that_is_printed_below_a_failure_counts():
    mine = Pattern("mine", "custom", "info", "filled at", exact=True)
    found = events(FAILS + TEXT + "Trade executed: 5\nfilled at 7\n" + GOES_ON, mine)
    assert [each.kind.event for each in found] == ["error", "trade_executed", "mine"]


def test_a_warning_with_a_traceback_is_a_warning_and_an_exception_as_grave_as_it():
    found = events(GOES_ON.replace("INFO", "WARNING") + TRACEBACK)
    assert [(each.kind.event, each.kind.severity) for each in found] == [
        ("warning", "warning"),
        ("exception", "warning"),
    ]


def test_a_log_of_no_records_behind_a_failure_is_counted_again():
    assert len(events(FAILS + "Connection error\n" * 1500)) == 1 + 500
    scanner, context = Scanner(Table(), 0), Context()
    pieces = [FAILS.encode(), *[b"Connection error\n"] * 1500]
    assert sum(sum(scanner.scan(each, context, lambda bits, *_: bits).values()) for each in pieces) == 1 + 500


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TRACEBACK, "ConnectionError: Connection refused"),
        (GROUP, "ExceptionGroup: both (2 sub-exceptions)"),
        (LOGURU, "ConnectionError: Connection refused"),
        ("Task exception was never retrieved\n" + FUTURE + TRACEBACK,
         "Task exception was never retrieved ConnectionError: Connection refused"),
        (FAILS.replace("odd", "No exit:") + TRACEBACK, "No exit: ConnectionError: Connection refused"),
        (FAILS + TRACEBACK, "odd"),
    ],
)  # fmt: skip
def test_a_message_says_what_failed(text: str, message: str):
    assert events(text + GOES_ON)[0].message == message


@pytest.mark.parametrize("name", ["logs/excerpt.log", "freqtrade/freqtrade.log"])
def test_a_remembered_message_is_the_one_that_is_read(name: str):
    block = (FIXTURES / name).read_bytes()
    start = 0
    while (end := block.find(b"\n", start)) >= 0:
        assert folded(block, start, end) == fold(message_of(block, start, end))
        start = end + 1
