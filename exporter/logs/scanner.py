"""Finds the events in blocks of whole lines: all patterns at once, without backtracking, in linear time.

Hyperscan reports for each pattern the ends of the lines that match it, so Python touches those lines only.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import hyperscan

from exporter.logs.patterns import Table
from exporter.logs.tracebacks import FRAMES, OUTSIDE, Phase, end_of_traceback

Visit = Callable[[int, bytes, int, int], int]
"""Given the bits of a line, the block and the line's start and end, returns the bits that it really has."""


@dataclass
class Context:
    """What a block must know of the lines before: inside a traceback, or behind a line that may own one."""

    phase: Phase = OUTSIDE
    failed: bool = False


class Scanner:
    """Counts the events of blocks. Lines that match a bit of `visited` are shown to the `visit` of a scan."""

    def __init__(self, table: Table, visited: int) -> None:
        self._table = table
        self._visited = visited
        self._bits = [1 << place for place in range(len(table.rows))]
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=[whole_line(row.expression).encode() for row in table.rows],
            ids=list(range(len(table.rows))),
            flags=[
                hyperscan.HS_FLAG_MULTILINE | (0 if row.exact else hyperscan.HS_FLAG_CASELESS)
                for row in table.rows
            ],
        )

    def scan(self, block: bytes, context: Context, visit: Visit) -> Counter[int]:
        """Return how many events of a block of whole lines have which bits; updates the context."""
        counts: Counter[int] = Counter()
        skipped, context.phase = end_of_traceback(block, 0, context.phase)
        before, before_bits = (-1, self._table.traceback) if context.failed else (-2, 0)
        for end, bits in self._lines(block):
            if end < skipped:
                continue
            if bits & self._table.traceback:
                start = block.rfind(b"\n", 0, end) + 1
                if block.startswith(b"Traceback", start):
                    head = before_bits if before == start - 1 else 0
                    bits = 0 if self._failed(head) else bits | head & self._table.warning
                skipped, context.phase = end_of_traceback(block, end + 1, FRAMES)
            if bits & self._visited:
                bits = visit(bits, block, block.rfind(b"\n", 0, end) + 1, end)
            if bits:
                counts[bits] += 1
            before, before_bits = end, bits
        context.failed = before == len(block) - 1 and self._failed(before_bits)
        return counts

    def _lines(self, block: bytes) -> list[tuple[int, int]]:
        """Return the end and the bits of each line that matches anything, in their order."""
        lines: dict[int, int] = {}
        bits = self._bits

        def found(pattern: int, _: int, end: int, __: int, ___: object) -> None:
            lines[end] = lines.get(end, 0) | bits[pattern]

        self._database.scan(block, found)
        return list(lines.items())

    def _failed(self, bits: int) -> bool:
        kind = self._table.kind(bits) if bits else None
        return kind is not None and kind.failed


def whole_line(expression: str) -> str:
    """Return the expression of a line up to its end, so that a line is reported once, and at its end."""
    # Hyperscan takes no anchor before the end; whoever wrote one has the line read again, exactly.
    unanchored = (
        expression[:-1] if expression.endswith("$") and not expression.endswith(r"\$") else expression
    )
    return rf"(?:{unanchored})[^\n]*$"
