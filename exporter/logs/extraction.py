"""Reads the texts in events: users' labels and values, slow operations, messages of failures."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import re2

from exporter.logs.counters import Distribution, LogCounters, Match
from exporter.logs.lines import folded
from exporter.logs.patterns import ERROR, SYSTEM, Pattern, Table
from stack.settings import LogPattern

VALUE: Final = "value"
_LONGEST_LABEL: Final = 64
_LONGEST_LINE: Final = 64 * 1024  # a user's pattern runs on this many bytes of a line
_SECONDS: Final = {"ms": 0.001, "s": 1.0}


def user_rows(patterns: Iterable[LogPattern]) -> list[Pattern]:
    """Return the users' patterns as rows of the table of events."""
    return [
        Pattern(each.name, each.category, each.severity, each.expression, exact=True) for each in patterns
    ]


def visited(table: Table) -> int:
    """Return the bits of the lines that `Reading` must see."""
    users = (1 << len(table.users)) - 1
    return users | table.bits(events=("slow_operation",), categories=(ERROR, SYSTEM))


class Reading:
    """Adds the texts of a bot's scanned lines to its counters."""

    def __init__(self, table: Table, tally: LogCounters, now: Callable[[], float]) -> None:
        self._table = table
        self._tally = tally
        self._now = now
        self._slow = table.bits(events=("slow_operation",))
        self._slow_value = re.compile(next(row.value for row in table.rows if row.event == "slow_operation"))
        # Only an engine without backtracking may run users' expressions.
        self._users = [
            (1 << place, row, re2.compile(row.expression)) for place, row in enumerate(table.users)
        ]

    def visit(self, bits: int, block: bytes, start: int, end: int) -> int:
        """Return the line's bits without those of users' patterns that do not match the line itself."""
        line = block[start : min(end, start + _LONGEST_LINE)]
        for bit, row, expression in self._users:
            if bits & bit:
                found = expression.search(line.decode("utf-8", "replace"))
                if found:
                    self._match(row, found)
                else:
                    bits &= ~bit
        if bits & self._slow and (told := self._slow_value.search(line.decode("utf-8", "replace"))):
            self._tally.slow.add(float(told[VALUE]) * _SECONDS[told["unit"]])
        if bits and self._table.failed(bits):
            self._tally.messages.add(folded(block, start, end), self._now())
        return bits

    def _match(self, row: Pattern, found: Any) -> None:  # noqa: ANN401 - re2 has no types
        groups = {name: text[:_LONGEST_LABEL] for name, text in found.groupdict(default="").items()}
        value = _number(groups.pop(VALUE, None))
        match = self._tally.bounded(Match(row.event, tuple(groups), tuple(groups.values())))
        self._tally.matches[match] += 1
        if value is not None:
            self._tally.values.setdefault(match, Distribution()).add(value)


def _number(text: str | None) -> float | None:
    """Return the finite number in a `value` group, or None."""
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < float("inf") else None
