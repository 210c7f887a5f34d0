"""Follows a file of lines and its rotated siblings, and reads each line once."""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

_HEAD = 256  # bytes that identify a file
_LINE_LIMIT = 1_000_000  # bytes
# As logrotate and Python's handlers name them: .1, .2.gz, -20260131, .2026-01-31_12-00-00
_ROTATED = re.compile(r"[.-]\d[\d_.-]*(\.gz)?")


@dataclass
class _Place:
    """How far a file was read; `head` has its first bytes, `line` counts the lines so far."""

    offset: int = 0
    line: int = 0
    head: bytes = b""
    seen: tuple[int, int] = (-1, -1)  # its size and time of change at the last read


class Tail:
    """A file and its rotated siblings; the inode identifies a file, so that it may be renamed.

    A line may be returned twice: a file that was compressed, or copied and truncated, is read again, and so
    are the files after it. The last version of a trade is therefore the one written last.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._places: dict[tuple[int, int], _Place] = {}

    def lines(self) -> Iterator[tuple[str, bytes]]:
        """Yield the new whole lines, oldest file first, each with its file's name and number.

        An unfinished last line waits. Raises OSError, but not if the file does not exist: then no trade has
        closed yet.
        """
        known = self._places
        self._places = {}
        again = False
        for file in self._files():
            try:
                stat = file.stat()
            except FileNotFoundError:
                continue  # rotated meanwhile: the next poll finds it under its new name
            inode = (stat.st_dev, stat.st_ino)
            place = self._places[inode] = _Place() if again else known.get(inode, _Place())
            now = (stat.st_size, stat.st_mtime_ns)
            if place.seen == now:
                continue
            try:
                for line in self._new(file, place):
                    again = True
                    yield line
            except FileNotFoundError:
                continue  # as above
            place.seen = now

    def _files(self) -> list[Path]:
        """Return the rotated files from the oldest written to the newest, then the file itself."""
        if not self.file.parent.is_dir():
            return []
        rotated = [
            file
            for file in self.file.parent.iterdir()
            if file.name.startswith(self.file.name)
            and _ROTATED.fullmatch(file.name.removeprefix(self.file.name))
        ]
        present = [self.file] if self.file.exists() else []
        written = sorted((file for file in rotated if file.exists()), key=lambda file: file.stat().st_mtime)
        return written + present

    def _new(self, file: Path, place: _Place) -> Iterator[tuple[str, bytes]]:
        packed = file.suffix == ".gz"
        with gzip.open(file, "rb") if packed else file.open("rb") as data:
            head = b"" if packed else data.read(_HEAD)
            if not head.startswith(place.head):  # truncated, or another file with the same inode
                place.offset, place.line = 0, 0
            place.head = head
            data.seek(place.offset)
            try:
                yield from _whole_lines(file, data, place)
            except (EOFError, gzip.BadGzipFile, zlib.error):
                return  # half compressed: read on once it has changed


def _whole_lines(file: Path, data: BufferedIOBase, place: _Place) -> Iterator[tuple[str, bytes]]:
    """Yield the whole lines from the place on, and move it. A line beyond the limit is truncated."""
    while line := data.readline(_LINE_LIMIT):
        size, last = len(line), line
        while last and not last.endswith(b"\n"):
            last = data.readline(_LINE_LIMIT)
            size += len(last)
        if not last:
            return
        place.offset += size
        place.line += 1
        if line.strip():
            yield f"{file.name} line {place.line}", line
