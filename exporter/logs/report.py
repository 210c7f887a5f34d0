"""Turns logs into events with line, time, severity and text, and summarises them in constant memory."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Final

import re2

from exporter.logs.counters import OTHER
from exporter.logs.failures import Context
from exporter.logs.lines import fold, line_time, message_of
from exporter.logs.patterns import Kind, Table
from exporter.logs.scanner import Scanner

_MESSAGES: Final = 10_000  # different messages that are counted separately
_STEPS: Final = 50_000  # different minutes with events; beyond it, hours are counted
_MINUTE: Final = 60
_LONGEST: Final = 64 * 1024  # bytes of a line that are parsed


@dataclass(frozen=True)
class Event:
    """An event of a log; `time` is in unix seconds, None if no line so far has a time."""

    file: str
    line: int
    time: float | None
    kind: Kind
    message: str
    value: str = ""


class Reader:
    """Yields the events of logs, those of users' patterns too."""

    def __init__(self, table: Table, zone: tzinfo, now: Callable[[], float]) -> None:
        self._table = table
        self._scanner = Scanner(table, visited=(1 << len(table.rows)) - 1)
        self._zone = zone
        self._now = now
        self._users = [(1 << place, re2.compile(row.expression)) for place, row in enumerate(table.users)]
        self._values = {row.event: re2.compile(row.value) for row in table.rows if row.value}

    def events(self, block: bytes, at: "Position") -> list[Event]:
        """Return the events of the next block of whole lines, and move the position behind it."""
        found: list[Event] = []
        counted_to, first = 0, at.line
        written: list[bytes] = []

        def visit(bits: int, shown: bytes, start: int, end: int) -> int:
            nonlocal counted_to, written
            raw = shown[start : min(end, start + _LONGEST)]
            bits = self._without_strangers(bits, raw)
            kind = self._table.kind(bits) if bits else None
            if kind is None:
                return bits
            at.line += shown.count(b"\n", counted_to, start)
            counted_to = start
            time = self._time(raw)
            # the match is in a part of the line that the bot did not write
            if time is None and shown is not block:
                written = written or block.split(b"\n")
                time = self._time(written[at.line - first][:_LONGEST])
            at.time = time if time is not None else at.time
            said = message_of(shown, start, end)
            found.append(Event(at.file, at.line + 1, at.time, kind, said, self._value(kind, said)))
            return bits

        self._scanner.scan(block, at.context, visit)
        at.line = first + block.count(b"\n")
        return found

    def _time(self, raw: bytes) -> float | None:
        return line_time(raw, self._zone, self._now())

    def _without_strangers(self, bits: int, raw: bytes) -> int:
        for bit, expression in self._users:
            if bits & bit and not expression.search(raw.decode("utf-8", "replace")):
                bits &= ~bit
        return bits

    def _value(self, kind: Kind, message: str) -> str:
        expression = self._values.get(kind.event)
        found = expression.search(message) if expression else None
        return f"{found['value']} {found['unit']}" if found else ""


@dataclass
class Position:
    """A reader's place in a log: the number of lines before it, and the last time seen."""

    file: str
    line: int = 0
    time: float | None = None
    context: Context = field(default_factory=Context)


class Summary:
    """A summary of the events, with the last `show` events of each category."""

    def __init__(self, show: int) -> None:
        self.lines = 0
        self.kinds: Counter[Kind] = Counter()
        self.messages: Counter[tuple[Kind, str]] = Counter()
        self.last: dict[str, deque[Event]] = {}
        self.steps: dict[int, Counter[str]] = {}
        self.step = _MINUTE
        self._show = show

    def add(self, event: Event) -> None:
        """Count an event."""
        self.kinds[event.kind] += 1
        self.last.setdefault(event.kind.category, deque(maxlen=self._show)).append(event)
        key = (event.kind, fold(event.message))
        if key not in self.messages and len(self.messages) >= _MESSAGES:
            key = (event.kind, OTHER)
        self.messages[key] += 1
        if event.time is not None:
            self._place(int(event.time // self.step), event.kind.category)

    def columns(self, width: int) -> tuple[float, float, dict[str, list[int]]]:
        """Return the first time, the seconds of a column and the events of each category in each column."""
        if not self.steps:
            return 0.0, 0.0, {}
        first, last = min(self.steps), max(self.steps)
        per_column = -(-(last - first + 1) // width)
        count = -(-(last - first + 1) // per_column)
        categories: dict[str, list[int]] = {name: [0] * count for name in self.last}
        for place, counts in self.steps.items():
            for category, events in counts.items():
                categories[category][(place - first) // per_column] += events
        return float(first * self.step), float(per_column * self.step), categories

    def _place(self, place: int, category: str) -> None:
        if place not in self.steps and len(self.steps) >= _STEPS:
            coarser: dict[int, Counter[str]] = {}
            for old, counts in self.steps.items():
                coarser.setdefault(old // _MINUTE, Counter()).update(counts)
            self.steps, self.step, place = coarser, self.step * _MINUTE, place // _MINUTE
        self.steps.setdefault(place, Counter())[category] += 1
