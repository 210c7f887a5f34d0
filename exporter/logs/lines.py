"""Takes a line apart: when it was written, what it says, and the same with numbers and ids folded."""

import json
import re
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from exporter.logs.times import read_time

_LONGEST: Final = 2000  # bytes of a line that are looked at for a message
_FOLDED: Final = 120  # characters of a folded message
_LEVEL = re.compile(
    r"^.{0,160}?(?:\[|\b)(?:DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|EXCEPTION|CRITICAL|FATAL)\b[\]:|\-\t ]+"
)
_TIME = re.compile(r"^[\[(]?\d{4}[-/.]\d\d[-/.]\d\d[T _][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?[\])]?[\s:|-]*")
_MESSAGE_KEYS = ("message", "msg", "event", "text")
_TIME_KEYS = ("time", "timestamp", "asctime", "@timestamp", "ts", "datetime")
_IDS = re.compile(
    r"(?<![0-9A-Za-z])(?:0x)?(?=[a-fA-F]*\d)[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,}){0,4}(?![0-9A-Za-z])"
    r"|[-+]?(?<![A-Za-z])\d+(?:[.,:]\d+)*"
)


@dataclass(frozen=True)
class Line:
    """What a line says; `time` is unix seconds, None where it says none."""

    time: float | None
    message: str


def read_line(raw: bytes, zone: tzinfo, now: float) -> Line:
    """Return what a line says, whatever its encoding; a line of JSON says it in its fields."""
    text = raw[:_LONGEST].decode("utf-8", "replace").rstrip()
    if text.startswith("{") and (fields := _fields(raw)) is not None:
        told = next((str(fields[key]) for key in _TIME_KEYS if key in fields), "")
        message = next((str(fields[key]) for key in _MESSAGE_KEYS if key in fields), text)
        return Line(read_time(told, zone, now), message)
    return Line(read_time(text, zone, now), _message(text))


def message(raw: bytes) -> str:
    """Return what a line says without its time and level."""
    text = raw[:_LONGEST].decode("utf-8", "replace").rstrip()
    if text.startswith("{") and (fields := _fields(raw)) is not None:
        return next((str(fields[key]) for key in _MESSAGE_KEYS if key in fields), text)
    return _message(text)


def fold(text: str) -> str:
    """Return a message with numbers and ids as `#`, so that the same ones are counted together."""
    return _IDS.sub("#", text)[:_FOLDED]


def _message(text: str) -> str:
    found = _LEVEL.match(text) or _TIME.match(text)
    return text[found.end() :] or text if found else text


def _fields(raw: bytes) -> dict[str, Any] | None:
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
