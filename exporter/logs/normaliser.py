"""Brings log lines into one shape: no colours, no foreign prefixes, Unix line ends, levels as words.

`normal` changes only lines that an expression of CHANGED matches; a scan for these finds its blocks.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from exporter.logs.patterns import level

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CLOCK = r"\d\d:\d\d:\d\d"
_DATE = r"\d{4}-\d\d-\d\d"
_COMPOSE = r"[a-z0-9][\w.-]{0,80}-\d{1,3} {1,60}\| "
_STAMPS = r"[\d:., TZ/+\[\]-]"  # the characters of a time
_CRI = rf"{_DATE}T{_CLOCK}[^ \n]{{0,20}} (?:stdout|stderr) [FP] "

CHANGED: Final = (
    r"\x1b\[",
    r"#033\[",
    r"\r",
    r'^\{ ?"log": ?"',
    r'"__REALTIME_TIMESTAMP"',
    rf"^(?:<\d{{1,3}}>)?{_MONTH} [ \d]\d {_CLOCK}",
    rf"^(?:<\d{{1,3}}>)?{_DATE}T{_CLOCK}[^ \n]{{0,20}} [^ \n]{{1,64}} [^ :\n\[]{{1,64}}\[\d{{1,9}}\]:",
    rf"^{_DAY} {_DATE} {_CLOCK}",
    r"^\[ {0,6}\d{1,9}\.\d{6}\] ",
    r"^<\d{1,3}>1 ",
    rf"^{_DATE}T{_CLOCK}\.\d{{8,9}}Z ",
    r"^[^ \n]{20,40} (?:stdout|stderr) [FP] ",
    r"^\[pod/",
    rf"^{_COMPOSE}",
    r"^[EFW]\d{4} \d\d:\d\d:\d\d\.\d",
    r"^(?:ERRO|FATA|PANI|WARN)\[\d",
    rf"^{_STAMPS}{{0,40}}(?:fail|crit|warn): [^ \n]{{1,200}}\[\d",
    r"[ \[](?:ERR|FTL|WRN)[\] ]",
    r'"level" ?: ?[4-9]\d\b',
    r'"(?:levelno|level_number)" ?: ?[3-5]\d\b',
)
"""Finds the lines that `normal` changes, for Hyperscan. It does not tell where a prefix ends."""

_LEVEL = r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|EXCEPTION|CRITICAL|FATAL|NETWORK)\b"
# Host and program; a word that is a level belongs to the bot's own line.
_SENDER = rf"(?!{_LEVEL})[\w.:-]+ (?!{_LEVEL})[^\s\[\]:]+"
_SYSLOG = (
    rf"(?:<\d{{1,3}}>)?(?:{_MONTH} [ \d]\d {_CLOCK}(?:\.\d+)? {_SENDER}(?:\[\d+\])?:"
    rf"|(?:{_DATE}T{_CLOCK}(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"
    rf"|{_DAY} {_DATE} {_CLOCK}(?:\.\d+)?(?: [A-Z]{{3,5}}| [+-]\d\d)?)"
    rf" {_SENDER}\[\d+\]:"
    rf"|\[ *\d+\.\d{{6}}\] {_SENDER}(?:\[\d+\])?:)(?: |$)"
    r"|<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ (?:-|(?:\[[^\]\n]*\])+)(?: |$)"
)
_KUBERNETES = rf"{_COMPOSE}|\[pod/[^\]\n]+\] "
# A prefix with the facility and severity of syslog before the time: `<11>1 2026-…`, `<11>Mar  1 …`.
_PRIORITY = re.compile(
    rf"^(?:{_KUBERNETES})?(?=<(?P<priority>\d{{1,3}})>)(?:{_SYSLOG})(?P<text>[^\n]*)".encode(), re.MULTILINE
)
_OWN_LEVEL = re.compile(
    level(
        "TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "EXCEPTION", "CRITICAL", "FATAL"
    ).encode()
)
_CONTINUED = re.compile(rb"[ \t|]|$|Traceback \(most|During handling of the above|The above exception was")
_STAMP = rf"{_DATE}T{_CLOCK}\.\d{{1,9}}Z (?!std(?:out|err) [FP] )"
_PREFIX = re.compile(rf"^(?:(?:{_KUBERNETES})?(?:{_CRI}|{_SYSLOG})|{_KUBERNETES})".encode(), re.MULTILINE)
_STAMPED = re.compile(rf"^(?:{_KUBERNETES})?{_STAMP}".encode(), re.MULTILINE)
# kubectl and docker print nanoseconds, mostly all nine digits; no common logger does.
_NANOSECONDS = re.compile(rf"^(?:{_KUBERNETES})?{_DATE}T{_CLOCK}\.\d{{8,9}}Z ".encode(), re.MULTILINE)

_COLOURS = re.compile(rb"(?:\x1b|#033)\[[0-?]*[ -/]*[@-~]")
_LINE_ENDS = re.compile(rb"\r+$", re.MULTILINE)
_DOCKER = re.compile(
    rb'^\{ ?"log": ?"((?:[^"\\\n]|\\.)*)",[^\n]*"(?:stream|time)": ?"[^\n]*\}\r?$', re.MULTILINE
)
_JOURNAL = re.compile(rb'^\{[^\n]*"__REALTIME_TIMESTAMP"[^\n]*$', re.MULTILINE)
_LEVELS = {
    **dict.fromkeys(("E", "ERRO", "fail", "ERR", "pino 5", "python 4"), "ERROR"),
    **dict.fromkeys(("F", "FATA", "PANI", "crit", "FTL", "python 5"), "CRITICAL"),
    **dict.fromkeys(("pino 6", "pino 7", "pino 8", "pino 9"), "CRITICAL"),
    **dict.fromkeys(("W", "WARN", "warn", "WRN", "pino 4", "python 3"), "WARNING"),
}
_GLOG = re.compile(rb"^(?=(?P<level>[EFW])\d{4} \d\d:\d\d:\d\d\.\d)", re.MULTILINE)
_LOGRUS = re.compile(rb"^(?P<level>ERRO|FATA|PANI|WARN)(?=\[\d)", re.MULTILINE)
_DOTNET = re.compile(
    rf"^(?P<head>{_STAMPS}{{0,40}})(?P<level>fail|crit|warn): (?=\S+\[\d)".encode(), re.MULTILINE
)
_SERILOG = re.compile(
    rf"^(?P<head>{_STAMPS}{{0,40}}(?<=[ \[]))(?P<level>ERR|FTL|WRN)(?=[\] ])".encode(), re.MULTILINE
)
_PINO = re.compile(rb'^(?P<head>\{[^\n]*?)"level" ?: ?(?P<level>[4-9])\d(?=[ ,}])', re.MULTILINE)
_PYTHON = re.compile(
    rb'^(?P<head>\{[^\n]*?)"(?:levelno|level_number)" ?: ?(?P<level>[3-5])\d(?=[ ,}])', re.MULTILINE
)
_SEVERITIES = ("CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARNING")  # by syslog's number


def normal(block: bytes) -> bytes:
    """Return the same number of whole lines, as the bot wrote them."""
    if b'"log"' in block:
        block = _DOCKER.sub(_unpacked(_of_docker), block)
    if b'"__REALTIME_TIMESTAMP"' in block:
        block = _JOURNAL.sub(_unpacked(_of_journal), block)
    if b"\r" in block:
        block = _LINE_ENDS.sub(b"", block)
    if b"\x1b" in block or b"#033" in block:
        block = _COLOURS.sub(b"", block)
    if _NANOSECONDS.search(block):
        block = _STAMPED.sub(b"", block)
    if b"<" in block:
        block = _PRIORITY.sub(_with_severity, block)
    return _with_words(_PREFIX.sub(b"", block))


def _with_severity(found: re.Match[bytes]) -> bytes:
    """Return the line with syslog's severity as its level, or unchanged if it needs none.

    A line needs none if it has its own level, or if it continues the record above.
    """
    severity = int(found["priority"]) % 8
    text = found["text"]
    if severity >= len(_SEVERITIES) or _CONTINUED.match(text) or _OWN_LEVEL.search(_with_words(text)):
        return found[0]
    above = found.string[found.string.rfind(b"\n", 0, max(0, found.start() - 1)) + 1 : found.start()]
    if _PREFIX.sub(b"", above).startswith((b" ", b"\t")):  # the exception below the frames of a traceback
        return found[0]
    return f"{_SEVERITIES[severity]}: ".encode() + text


def _with_words(block: bytes) -> bytes:
    """Return lines with their levels as words that the table of patterns knows."""
    block = _GLOG.sub(lambda found: _word(found) + b": ", block)
    block = _LOGRUS.sub(lambda found: _word(found) + b": ", block)
    block = _DOTNET.sub(lambda found: found["head"] + _word(found) + b": ", block)
    block = _SERILOG.sub(lambda found: found["head"] + _word(found), block)
    block = _PINO.sub(lambda found: found["head"] + b'"level":"%b"' % _word(found, "pino "), block)
    return _PYTHON.sub(lambda found: found["head"] + b'"level":"%b"' % _word(found, "python "), block)


def _word(found: re.Match[bytes], logger: str = "") -> bytes:
    return _LEVELS[logger + found["level"].decode()].encode()


def _unpacked(read: Callable[[re.Match[bytes]], Any]) -> Callable[[re.Match[bytes]], bytes]:
    """Return a replacement that puts the text which `read` finds in a JSON line, or the line itself."""

    def unpack(found: re.Match[bytes]) -> bytes:
        try:
            text = read(found)
        except (ValueError, KeyError, TypeError, RecursionError):
            return found[0]
        return text.rstrip("\r\n").replace("\n", " ").encode("utf-8", "replace")  # type: ignore[no-any-return]

    return unpack


def _of_docker(found: re.Match[bytes]) -> str:
    text = found[1].removesuffix(rb"\n").decode("utf-8", "replace")
    return str(json.loads(f'"{text}"')) if "\\" in text else text


def _of_journal(found: re.Match[bytes]) -> str:
    fields = json.loads(found[0])
    message = fields["MESSAGE"]  # a list of byte values if it has colours
    text = bytes(message).decode("utf-8", "replace") if isinstance(message, list) else str(message)
    severity = int(fields.get("PRIORITY", 6))
    return f"{_SEVERITIES[severity]}: {text}" if severity < len(_SEVERITIES) else text
