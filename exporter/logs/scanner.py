"""Finds the events in blocks of whole lines: all patterns at once, without backtracking, in linear time.

Hyperscan reports for each pattern the ends of the matching lines, so Python handles only those.
"""

from collections import Counter
from collections.abc import Callable

import hyperscan

from exporter.logs.failures import Context, Failure
from exporter.logs.normaliser import CHANGED, normal
from exporter.logs.patterns import Table

Visit = Callable[[int, bytes, int, int], int]
"""Given the bits of a line, the block and the line's start and end, returns the line's true bits.

The block is normalised: it has the same number of lines, which may be shorter.
"""


class Scanner:
    """Counts the events of blocks. A scan shows its `visit` the lines that match a bit of `visited`."""

    def __init__(self, table: Table, visited: int) -> None:
        self._table = table
        self._visited = visited
        self._bits = [1 << place for place in range(len(table.rows))]
        rows = [whole_line(row.expression).encode() for row in table.rows]
        flags = [
            hyperscan.HS_FLAG_MULTILINE | (0 if row.exact else hyperscan.HS_FLAG_CASELESS)
            for row in table.rows
        ]
        once = hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_SINGLEMATCH
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=rows + [each.encode() for each in CHANGED],
            ids=list(range(len(rows) + len(CHANGED))),
            flags=flags + [once] * len(CHANGED),
        )

    def scan(self, block: bytes, context: Context, visit: Visit) -> Counter[int]:
        """Return how many events of a block of whole lines have which bits; update the context."""
        counts: Counter[int] = Counter()
        lines = self._lines(block)
        if lines is None:
            block = normal(block)
            lines = self._lines(block, normalised=True) or []
        failure = Failure(block, context)
        before, before_bits = -1, self._table.warning if context.warned else 0
        for end, bits in lines:
            if end < failure.skipped:
                continue
            start = block.rfind(b"\n", 0, end) + 1
            traceback = bool(bits & self._table.traceback)
            if traceback:
                own = failure.traceback(start, end)
                bits = 0 if own else bits | (before_bits & self._table.warning if before == start - 1 else 0)
            else:
                own = start < failure.owned
                if own:
                    bits = bits & self._table.apart if block[start] not in b" \t" else 0
            if bits & self._visited:
                bits = visit(bits, block, start, end)
            if bits:
                counts[bits] += 1
                if not own and self._table.failed(bits):
                    failure.begin(start, end, traceback=traceback)
            before, before_bits = end, bits
        failure.leave(context)
        context.warned = before == len(block) - 1 and bool(before_bits & self._table.warning)
        return counts

    def _lines(self, block: bytes, *, normalised: bool = False) -> list[tuple[int, int]] | None:
        """Return the end and the bits of each matching line, in order; None if lines must be normalised
        first.
        """
        lines: dict[int, int] = {}
        bits, rows = self._bits, len(self._bits)

        def found(pattern: int, _: int, end: int, __: int, ___: object) -> bool | None:
            if pattern < rows:
                lines[end] = lines.get(end, 0) | bits[pattern]
                return None
            return not normalised

        try:
            self._database.scan(block, found)
        except hyperscan.ScanTerminated:
            return None
        return list(lines.items())


def whole_line(expression: str) -> str:
    """Return the expression extended to the line's end, so that a line is reported once, at its end."""
    # Hyperscan takes no anchor before the end; such an expression is checked exactly on the line.
    unanchored = (
        expression[:-1] if expression.endswith("$") and not expression.endswith(r"\$") else expression
    )
    return rf"(?:{unanchored})[^\n]*$"
