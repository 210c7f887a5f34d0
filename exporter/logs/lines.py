"""Takes a line apart: its time, its message, and the message with numbers and ids folded."""

import json
import re
from datetime import tzinfo
from functools import lru_cache
from typing import Any, Final

from exporter.logs.failures import end_of_logged, end_of_printed_traceback, exception
from exporter.logs.times import read_time

_LONGEST: Final = 2000  # bytes of a line in which the message is searched
_LONGEST_JSON: Final = 64 * 1024  # the same for a line of JSON, which is parsed whole
_REMEMBERED: Final = 500  # bytes of a line whose folded message is cached
_FOLDED: Final = 120  # characters of a folded message
_WORDS = "DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|EXCEPTION|CRITICAL|FATAL|PANIC|NETWORK"
_LEVEL = re.compile(
    rf"^.{{0,160}}?(?:[\[(]|\b)(?:{_WORDS})\b(?: \(\d+\):)?[\])(:|\-\t ]+"
    r"(?:[\w.<>]+:[\w<>]+:\d+ - )?"  # loguru's place in the code
)
_LOGGERS = re.compile(
    r"^[A-Z]+: (?:[EFW]\d{4} [\d:.]+ +\d+ \S+:\d+\] |\[\d+\] *)"  # glog's, logrus's head
)
_PAIRS = re.compile(r'(?:^|\s)msg=(?:"((?:[^"\\]|\\.)*)"|(\S+))')
_TIME = re.compile(r"^[\[(]?\d{4}[-/.]\d\d[-/.]\d\d[T _][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?[\])]?[\s:|-]*")
_MESSAGE_KEYS = ("message", "msg", "event", "text", "Message", "@m", "@mt", "MessageTemplate", "log")
_NESTED_KEYS = ("record", "fields", "err", "error")  # loguru, tracing, pino
_TIME_KEYS = ("time", "timestamp", "asctime", "@timestamp", "ts", "datetime", "Timestamp", "@t")
_IDS = re.compile(
    r"(?<![0-9A-Za-z])(?:0x)?(?=[a-fA-F]*\d)[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,}){0,4}(?![0-9A-Za-z])"
    r"|[-+]?(?<![A-Za-z])\d+(?:[.,:]\d+)*"
)
_DIGIT = re.compile(r"\d")
_SAME_DIGITS = bytes.maketrans(b"23456789", b"11111111")


# Says that something failed, but the lines behind it say what.
_VAGUE = re.compile(
    r"^$|:$|^(?:\+ Exception Group )?Traceback \(most|was never retrieved$|^[\w.]+\[[\d#]+\]$"
)


def line_time(raw: bytes, zone: tzinfo, now: float) -> float | None:
    """Return the time in a line, or in a field of its JSON; None without one."""
    text = _text(raw)
    if text.startswith("{") and (fields := _fields(raw)) is not None:
        text = next((str(fields[key]) for key in _TIME_KEYS if key in fields), "")
    return read_time(text, zone, now)


def message_of(block: bytes, start: int, end: int) -> str:
    """Return a line's message, with following lines if it does not say what failed."""
    text = message(block[start : min(end, start + _LONGEST_JSON)])
    return _with_exception(text, block, start, end) if _VAGUE.search(text) else text


def folded(block: bytes, start: int, end: int) -> str:
    """Return the message with numbers and ids folded. Lines that differ only in digits are parsed once."""
    raw = block[start : min(end, start + _LONGEST_JSON)]
    # Digits matter in an escape or at the beginning of a hexadecimal number.
    same = len(raw) <= _REMEMBERED and b"\\" not in raw and b"0x" not in raw
    text = _folded(raw.translate(_SAME_DIGITS)) if same else ""
    return text or fold(message_of(block, start, end))


def message(raw: bytes) -> str:
    """Return a line's message, without time and level."""
    text = _text(raw)
    if text.startswith("{") and (fields := _fields(raw)) is not None:
        return _of_fields(fields) or text
    return _message(text)


def fold(text: str) -> str:
    """Return a message with numbers and ids as `#`, so that equal messages are counted together."""
    return _IDS.sub("#", text)[:_FOLDED]


@lru_cache(4096)
def _folded(raw: bytes) -> str:
    """Return the folded message; '' if digits remain in it or it does not say what failed."""
    text = message(raw)
    words = fold(text)
    return "" if _VAGUE.search(text) or _DIGIT.search(words) else words


def _with_exception(text: str, block: bytes, start: int, end: int) -> str:
    if "Traceback (most" in text:
        return _text(exception(block, start, end_of_printed_traceback(block, end + 1))) or text
    if text.endswith("]"):  # .NET's category
        following = _text(block[end + 1 : block.find(b"\n", end + 1)])
        return following.strip() if following.startswith(" ") else text
    return f"{text} {_text(exception(block, end + 1, end_of_logged(block, end + 1)))}".strip()


def _text(raw: bytes) -> str:
    return raw[:_LONGEST].decode("utf-8", "replace").rstrip()


def _message(text: str) -> str:
    if found := _LOGGERS.match(text):
        return text[found.end() :] or text
    if pair := _PAIRS.search(text):
        return (pair[1] or pair[2] or text).replace('\\"', '"')
    found = _LEVEL.match(text) or _TIME.match(text)
    return (text[found.end() :] or text if found else text).strip()


def _of_fields(fields: dict[str, Any]) -> str:
    """Return the message among the fields of a line of JSON, '' if there is none."""
    inner = [each for key in _NESTED_KEYS if isinstance(each := fields.get(key), dict)]
    # loguru's `text` is the whole line with its time; its `record` has only the message.
    for each in (*inner, fields) if "record" in fields else (fields, *inner):
        for key in _MESSAGE_KEYS:
            if isinstance(text := each.get(key), str) and text:
                return text.strip()
    return ""


def _fields(raw: bytes) -> dict[str, Any] | None:
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
