"""Lines are read as the bot wrote them, whichever program stored them; levels of common loggers are known."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.logs.normaliser import normal
from exporter.logs.patterns import Pattern, Table
from exporter.logs.report import Event, Position, Reader

CASES = Path(__file__).parents[1] / "fixtures/logs/cases"
NOW = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
READER = Reader(Table(), UTC, lambda: NOW)  # compiling the patterns takes long


def events(text: bytes, *users: Pattern) -> list[Event]:
    reader = Reader(Table(users), UTC, lambda: NOW) if users else READER
    return reader.events(text, Position("log"))


def severities(name: str) -> list[str]:
    return [each.kind.severity for each in events((CASES / name).read_bytes())]


def test_colours_hide_no_level():
    assert severities("loguru.log") == ["error", "critical", "warning"]
    assert severities("coloredlogs.log") == ["error", "critical"]


def test_a_traceback_through_journald_is_one_failure():
    (failure,) = events((CASES / "journal.log").read_bytes())
    assert (failure.line, failure.kind.event) == (2, "error")
    assert failure.message == (
        "Unable to exit trade XY/USDT: freqtrade.exceptions.TemporaryError: Could not get ticker"
    )


def test_a_traceback_through_dockers_json_file_is_one_failure():
    (failure,) = events((CASES / "docker-json-file.log").read_bytes())
    assert failure.message == "order rejected"


def test_the_texts_of_exceptions_and_the_level_network_are_read_as_hummingbot_means_them():
    found = events((CASES / "hummingbot.log").read_bytes())
    assert [(each.line, each.kind.event) for each in found] == [
        (2, "error"),
        (4, "connection_error"),
        (16, "error"),
    ]


def test_a_users_pattern_that_ends_in_a_dollar_finds_lines_of_windows():
    rejected = Pattern("rejected", "trading", "warning", r"order \d+ rejected$", exact=True)
    text = (CASES / "windows.log").read_bytes().replace(b"\r", b"").replace(b"\n", b"\r\n")
    assert [(each.line, each.kind.event) for each in events(text, rejected)] == [
        (1, "rejected"),
        (2, "error"),
    ]


SAYS = b"2026-03-01 02:01:00,000 - bot - ERROR - order rejected"


@pytest.mark.parametrize(
    "prefix",
    [
        b"Mar 01 02:01:00 vps1 bot[77]: ",
        b"Mar  1 02:01:00 vps1 bot: ",
        b"<11>Mar  1 02:01:00 vps1 bot[77]: ",
        b"<11>1 2026-03-01T02:01:00.123Z vps1 bot 77 - - ",
        b'<11>1 2026-03-01T02:01:00.123Z vps1 bot 77 ID47 [a@1 b="c"] ',
        b"2026-03-01T02:01:00+0000 vps1 bot[77]: ",
        b"2026-03-01T02:01:00.123456+00:00 vps1 bot[77]: ",
        b"Sun 2026-03-01 02:01:00 UTC vps1 bot[77]: ",
        b"[ 1234.567890] vps1 bot[77]: ",
        b"2026-03-01T02:01:00.123456789Z ",
        b"2026-03-01T02:01:00.123456789Z stderr F ",
        b"[pod/bot-5d8f/bot] ",
        b"[pod/bot-5d8f/bot] 2026-03-01T02:01:00.123456789Z ",
        b"bot-1  | ",
        b"bot-1  | 2026-03-01T02:01:00.123456789Z ",
    ],
)
def test_what_others_put_before_a_line_is_no_part_of_it(prefix: bytes):
    assert normal(prefix + SAYS + b"\n") == SAYS + b"\n"
    told = (SAYS, b"Traceback (most recent call last):", b"  File 1", b"ConnectionError: refused")
    text = b"".join(prefix + line + b"\n" for line in told)
    assert [each.message for each in events(text)] == ["order rejected"]


def test_stamps_of_kubectl_that_end_in_zeros_are_prefixes_too():
    text = b"2026-03-01T02:01:00.123456789Z ERROR: a\n2026-03-01T02:01:00.1234Z ERROR: b\n"
    assert normal(text) == b"ERROR: a\nERROR: b\n"


@pytest.mark.parametrize(
    "line",
    [
        SAYS,
        b"2026-03-01T02:01:00.123456Z ERROR bot::orders: rejected",
        b"Mar 01 02:01:00 ERROR bot: rejected",
        b"Mar 01 02:01:00 bot ERROR: rejected",
        b"2026-03-01 02:11:00 vps1 bot[77] ERROR rejected",
        b"[12:01:00] ERROR (77): rejected",
    ],
)
def test_what_the_bot_wrote_itself_is_left(line: bytes):
    assert normal(line + b"\n") == line + b"\n"


@pytest.mark.parametrize(
    ("priority", "level"),
    [(8, "CRITICAL"), (10, "CRITICAL"), (11, "ERROR"), (12, "WARNING"), (131, "ERROR"), (191, "")],
)
@pytest.mark.parametrize(
    "header", ["1 2026-03-01T02:01:00.123Z vps1 bot 77 - - ", "Mar  1 02:01:00 vps1 bot[77]: "]
)
def test_the_priority_of_syslog_is_the_level_of_a_line_without_one(header: str, priority: int, level: str):
    line = f"<{priority}>{header}odd\n".encode()
    assert normal(line) == (f"{level}: odd\n" if level else "odd\n").encode()


def test_a_line_with_its_own_level_keeps_it_under_syslog():
    header = b"<11>1 2026-03-01T02:01:00.123Z vps1 bot 77 - - "
    for text in (b"INFO: odd", b'{"level":50,"msg":"odd"}', b"WARN[0001] odd"):
        assert normal(header + text + b"\n") == normal(text + b"\n")


def test_a_traceback_of_which_syslog_marks_each_line_as_an_error_is_one_failure():
    header = b"<11>Mar  1 02:01:00 vps1 bot[77]: "
    lines = (b"order rejected", b"Traceback (most recent call last):", b"  File 1", b"ValueError: bad")
    (failure,) = events(b"".join(header + line + b"\n" for line in lines))
    assert (failure.message, failure.kind.severity) == ("order rejected", "error")


def test_a_print_under_journald_has_the_time_that_journald_wrote():
    (failure,) = events(b"Mar 01 02:01:00 vps1 bot[77]: ERROR: order rejected\n")
    assert failure.time == datetime(2026, 3, 1, 2, 1, tzinfo=UTC).timestamp()


def test_colours_that_rsyslog_wrote_in_octal_are_none():
    assert normal(b"Mar  1 02:01:00 vps1 bot: #033[31mERROR#033[0m odd\n") == b"ERROR odd\n"


def test_escapes_of_dockers_json_file_are_undone_and_lines_stay_lines():
    line = json.dumps({"log": '\x1b[31mERROR\x1b[0m: "é"\tx\r\n', "stream": "stderr", "time": "t"})
    assert normal(line.encode() + b"\nnext\n") == 'ERROR: "é"\tx\nnext\n'.encode()
    assert (
        normal(b'{"log":"cut\\","stream":"s","time":"t"}\n') == b'{"log":"cut\\","stream":"s","time":"t"}\n'
    )


@pytest.mark.parametrize("message", ["odd", list(b"\x1b[31modd\x1b[0m")])
def test_journald_as_json_says_its_message_and_level(message: object):
    line = {"__REALTIME_TIMESTAMP": "1772330460000000", "PRIORITY": "3", "MESSAGE": message}
    assert normal(json.dumps(line).encode() + b"\n") == b"ERROR: odd\n"


@pytest.mark.parametrize(
    ("line", "severity", "message"),
    [
        ('{"level":50,"time":1772330460000,"pid":7,"msg":"odd"}', "error", "odd"),  # pino, bunyan
        ('{"level":60,"time":1772330460000,"msg":"odd"}', "critical", "odd"),
        ('{"level":40,"msg":"odd"}', "warning", "odd"),
        ("[02:01:00.123] ERROR (77): odd", "error", "odd"),  # pino-pretty
        ('{"levelno": 40, "message": "odd"}', "error", "odd"),
        ('{"asctime": "2026-03-01 02:01:00", "levelname": "CRITICAL", "message": "odd"}', "critical", "odd"),
        ("fail: Bot.Orders[0]\n      odd", "error", "odd"),  # .NET
        ("crit: Bot.Orders[17] odd", "critical", "Bot.Orders[17] odd"),
        ("2026-03-01 02:01:00 warn: Bot.Orders[0]\n      odd", "warning", "odd"),
        ('{"EventId":0,"LogLevel":"Error","Category":"Bot","Message":"odd"}', "error", "odd"),
        ("[02:01:00 ERR] odd", "error", "odd"),  # Serilog
        ("2026-03-01 02:01:00.123 +00:00 [FTL] odd", "critical", "odd"),
        ("[02:01:00 WRN] odd", "warning", "odd"),
        ('{"@t":"2026-03-01T02:01:00Z","@mt":"odd","@l":"Error"}', "error", "odd"),
        ('{"Timestamp":"2026-03-01T02:01:00Z","Level":"Fatal","MessageTemplate":"odd"}', "critical", "odd"),
        ("ERRO[0012] odd", "error", "odd"),  # logrus
        ("FATA[0012] odd", "critical", "odd"),
        ("WARN[0012] odd", "warning", "odd"),
        ('time="2026-03-01T02:01:00Z" level=error msg="odd \\"x\\""', "error", 'odd "x"'),
        ("E0301 02:01:00.123456   77 orders.go:10] odd", "error", "odd"),  # glog
        ("F0301 02:01:00.123456   77 orders.cc:10] odd", "critical", "odd"),
        ("W0301 02:01:00.123456   77 orders.cc:10] odd", "warning", "odd"),
        ("2026-03-01 02:01:00 (ERROR):\todd", "error", "odd"),  # Gekko
        ("2026-03-01 02:01:00 (WARN):\todd", "warning", "odd"),
        ("\x1b[32m2026-03-01 02:01:00.123\x1b[0m | \x1b[31m\x1b[1mERROR   \x1b[0m | \x1b[36mbot\x1b[0m:"
         "\x1b[36mrun\x1b[0m:\x1b[36m41\x1b[0m - \x1b[31modd\x1b[0m", "error", "odd"),  # loguru
        ('{"text": "2026-03-01 02:01:00.123 | ERROR    | bot:run:4 - odd\\n", "record": {"level": {"name": '
         '"ERROR", "no": 40}, "message": "odd"}}', "error", "odd"),
        ("\x1b[31mERROR:bot:odd\x1b[0m", "error", "bot:odd"),  # colorlog
        ("\x1b[1;31mCRITICAL\x1b[0m \x1b[34modd\x1b[0m", "critical", "odd"),
        ("\x1b[2m2026-03-01T02:01:00.123456Z\x1b[0m \x1b[31mERROR\x1b[0m \x1b[2mbot\x1b[0m: odd", "error",
         "bot: odd"),  # tracing
        ("\x1b[33m WARN\x1b[0m bot: odd", "warning", "bot: odd"),
        ('{"timestamp":"2026-03-01T02:01:00Z","level":"ERROR","fields":{"message":"odd"}}', "error", "odd"),
        ('{"level":"error","ts":1772330460.1,"caller":"x.go:1","msg":"odd"}', "error", "odd"),  # zap
        ('{"level":"panic","msg":"odd"}', "critical", "odd"),
    ],
)  # fmt: skip
def test_the_levels_of_the_common_loggers_are_known(line: str, severity: str, message: str):
    found = events(line.encode() + b"\n")
    assert [(each.kind.severity, each.message) for each in found] == [(severity, message)]


@pytest.mark.parametrize(
    "line",
    [
        '{"level":30,"msg":"fine"}',
        "info: Bot.Orders[0]\n      fine",
        "[02:01:00 INF] fine",
        "INFO[0012] fine",
        "I0301 02:01:00.123456   77 orders.go:10] fine",
        "2026-03-01 02:01:00 (DEBUG):\tfine",
        '{"level":50000,"msg":"fine"}',
    ],
)
def test_a_level_below_a_warning_is_no_event(line: str):
    assert events(line.encode() + b"\n") == []
