"""Decides which lines are one failure: its first line, and following lines that are no records.

To a logger's line (with a time, or a level in a logger's form) belong all lines up to the next record. To a
printed line belong only lines with a known shape: indented lines, a traceback, asyncio's additions.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

Phase = Literal["", "frames", "told"]
"""The place inside a traceback: among its frames, or behind the exception's line; '' outside."""

OUTSIDE: Final = ""
FRAMES: Final = "frames"
TOLD: Final = "told"
# lines of one record, so that a log whose records we cannot recognise is not one failure
_LONGEST: Final = 1000

_WORDS = rb"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|EXCEPTION|CRITICAL|FATAL|NETWORK)\b"
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = (
    rb"(?:\d{4}[-/.]\d\d[-/.]\d\d[T _]\d\d:|\d\d[-/.]\d\d[-/.]\d{2,4},?[T _]\d\d:|\d{1,2}:\d\d:\d\d"
    rb"|\d{10,13}\b"
    rb"|(?:[A-Z][a-z]{2},? )?%b +\d{1,2},? |\d\d/%b/\d{4}:)" % (_MONTH, _MONTH)
)
# Only loggers write these: keys and values, a level in brackets, with a logger's name or a number.
_LOGGER = (
    rb"[IWEF]\d{4} \d\d:|(?:TRAC|DEBU|INFO)\[\d|(?:trce|dbug|info): |(?:time|ts|t|level|lvl|severity)="
    rb"|[\[(]%b|%b:(?:[\w.]+:| (?:[EFW]\d{4} |[\w.]*\[\d))" % (_WORDS, _WORDS)
)
_RECORD = rb"[\[(<]?%b|%b|[ \t]?%b[\]: \t|-]|\[[\w .:@/-]+\] |\{ ?\"|<\d|\d+\.\d+\.\d+\.\d+ " % (
    _TIME,
    _LOGGER,
    _WORDS,
)
_LOGGED = re.compile(rb"(?:[\[(<]|[ \t]?%b[\]: \t|-]{1,8}\[?)?(?:%b|%b)" % (_WORDS, _TIME, _LOGGER))
_BEHIND_A_LOGGED_LINE = re.compile(rb"(?:(?!%b)[^\n]*\n){0,%d}+" % (_RECORD, _LONGEST))
_BEHIND_A_PRINTED_LINE = re.compile(
    rb"(?:(?:[ \t]|(?:future|task|handle|protocol|transport): |NoneType: None\n)(?!%b)[^\n]*\n"
    rb"|\n(?=[ \t])){0,%d}+" % (_RECORD, _LONGEST)
)
_TRACEBACK = re.compile(rb"[ \t|+]*(?:Exception Group )?Traceback \(most")
_FRAMES = re.compile(rb"(?:(?:[ \t>][^\n]*)?\n)*+")
# Behind the exception: further lines of its text, if they are indented or close a bracket.
_TEXT = re.compile(rb"(?:(?:[ \t}\])][^\n]*)?\n)*+")
_CHAIN = re.compile(
    rb"(?:During handling of the above exception|The above exception was the direct cause|Traceback \(most)"
    rb"[^\n]*\n"
)
_FIRST_LINE = re.compile(rb"^[ \t|+]*(?P<group>Exception Group )?Traceback \(most[^\n]*\n", re.MULTILINE)
_GROUP = re.compile(rb"^ +\| (\w[\w.]*: [^\n]*)", re.MULTILINE)
_IS_RECORD = re.compile(_RECORD)


@dataclass
class Context:
    """What a block must know of the lines before it.

    `failed`: they end in a failure, to which a traceback right behind belongs. `left`: the number of further
    lines that belong to it unless they are records. `logged`, `warned`: a logger wrote the last line, as a
    warning.
    """

    phase: Phase = OUTSIDE
    failed: bool = False
    left: int = 0
    logged: bool = False
    warned: bool = False


class Failure:
    """The failure that lines of a block belong to, as far as it was read.

    All lines up to `owned` belong to it, and a traceback that begins there; lines up to `skipped` are one.
    """

    def __init__(self, block: bytes, context: Context) -> None:
        self._block = block
        self._above = context.logged
        self.skipped, self._phase = end_of_traceback(block, 0, context.phase)
        self.owned = -1
        self._counted, self._left = 0, context.left
        if context.left:
            self.owned = end_of_logged(block, self.skipped)
        elif context.failed:
            self.owned = self.skipped if context.phase else _behind(_BEHIND_A_PRINTED_LINE, block, 0)

    def traceback(self, start: int, end: int) -> bool:
        """Skip the traceback that a line begins; return whether it belongs to the failure."""
        first = _TRACEBACK.match(self._block, start) is not None
        # All lines of a group's traceback are indented.
        phase: Phase = TOLD if first and self._block.startswith((b" ", b"\t"), start) else FRAMES
        self.skipped, self._phase = end_of_traceback(self._block, end + 1, phase)
        own = first and start <= self.owned
        if own:
            self.owned = max(self.owned, self.skipped)
        return own

    def begin(self, start: int, end: int, *, traceback: bool) -> None:
        """Begin the failure of a line, which may be the first of a traceback."""
        behind = max(end + 1, self.skipped)
        if _IS_RECORD.match(self._block, behind):
            self.owned = -1
            return
        alone = traceback and _TRACEBACK.match(self._block, start) is not None
        if alone:
            above = self._block.rfind(b"\n", 0, max(0, start - 1)) + 1
            logged = self._is_logged(above) if start else self._above
        else:
            logged = self._is_logged(start)
        self._counted, self._left = behind, _LONGEST if logged else 0
        if logged:
            self.owned = end_of_logged(self._block, behind)
        else:
            self.owned = behind if alone else _behind(_BEHIND_A_PRINTED_LINE, self._block, behind)

    def leave(self, context: Context) -> None:
        """Store in the context what the next block must know."""
        size = len(self._block)
        context.phase = self._phase if self.skipped == size else OUTSIDE
        context.failed = self.owned == size
        lines = self._block.count(b"\n", self._counted) if context.failed and self._left else 0
        context.left = max(0, self._left - lines) if context.failed else 0
        context.logged = self._is_logged(self._block.rfind(b"\n", 0, size - 1) + 1)

    def _is_logged(self, start: int) -> bool:
        return _LOGGED.match(self._block, start) is not None


def end_of_traceback(block: bytes, position: int, phase: Phase) -> tuple[int, Phase]:
    """Return where the traceback ends, and the phase there; it is OUTSIDE unless the block ends first."""
    while phase and position < len(block):
        behind = _behind(_FRAMES if phase == FRAMES else _TEXT, block, position)
        if behind == len(block):
            return behind, phase
        if chained := _CHAIN.match(block, behind):
            position, phase = chained.end(), FRAMES
        elif phase == FRAMES and not _IS_RECORD.match(block, behind):
            position, phase = block.index(b"\n", behind) + 1, TOLD
        else:
            return behind, OUTSIDE
    return position, phase


def exception(block: bytes, start: int, end: int) -> bytes:
    """Return the line that names the exception of a traceback between two places, or b"".

    Of chained exceptions it is the last, which the bot's own code raised.
    """
    named = b""
    while found := _FIRST_LINE.search(block, start, end):
        if found["group"]:
            group = _GROUP.search(block, found.end(), end)
            return group[1] if group else b""
        start = _behind(_FRAMES, block, found.end())
        named = block[start : block.find(b"\n", start)] if start < end else named
    return named.rstrip()


def end_of_logged(block: bytes, position: int) -> int:
    """Return the end of the record whose first line ends at the position."""
    return _behind(_BEHIND_A_LOGGED_LINE, block, position)


def end_of_printed_traceback(block: bytes, position: int) -> int:
    """Return the end of the traceback whose first line ends at the position."""
    return end_of_traceback(block, position, FRAMES)[0]


def _behind(pattern: re.Pattern[bytes], block: bytes, position: int) -> int:
    found = pattern.match(block, position)
    return found.end() if found else position
