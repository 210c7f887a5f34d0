"""Finds where a traceback ends, across blocks, so that its lines are part of one event."""

import re
from typing import Final, Literal

Phase = Literal["", "frames", "told"]
"""Inside a traceback: among its frames, or behind the line that names the exception; empty: in none."""

OUTSIDE: Final = ""
FRAMES: Final = "frames"
TOLD: Final = "told"

_FRAMES = re.compile(rb"(?:(?:[ \t][^\n]*)?\r?\n)*+")
_BLANKS = re.compile(rb"(?:\r?\n)*+")
_CHAIN = re.compile(
    rb"(?:During handling of the above exception|The above exception was the direct cause|Traceback \(most)"
    rb"[^\n]*\n"
)
# A new record: it begins with a time, a level in capitals, a bracket or a JSON object.
_RECORD = re.compile(
    rb"[\[{<]|\d{2,4}[-/.]\d\d|\d{9,}|(?:DEBUG|INFO|WARN|WARNING|ERROR|EXCEPTION|CRITICAL|FATAL)\b"
    rb"|(?:time|ts|level)="
)


def end_of_traceback(block: bytes, position: int, phase: Phase) -> tuple[int, Phase]:
    """Return where the traceback ends, and its phase there: not OUTSIDE where the block ends first."""
    while phase and position < len(block):
        behind = _behind(_FRAMES if phase == FRAMES else _BLANKS, block, position)
        if behind == len(block):
            return behind, phase
        if chained := _CHAIN.match(block, behind):
            position, phase = chained.end(), FRAMES
        elif phase == FRAMES and not _RECORD.match(block, behind):
            position, phase = block.index(b"\n", behind) + 1, TOLD
        else:
            return position, OUTSIDE
    return position, phase


def _behind(pattern: re.Pattern[bytes], block: bytes, position: int) -> int:
    found = pattern.match(block, position)
    return found.end() if found else position
