"""Follows one log through rotation by rename, by copying and truncating, through compression and recreation.

The place is known by the content before it, not by a name: whichever file holds it is read on from there,
then every younger one, then the one that is written now. Lines are lost only with files that are gone before
they were read; the disk itself is the buffer of a reader that is slower than the writer.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from exporter.logs.content import COMPRESSED, UNREADABLE, Content
from exporter.logs.read_position import ReadPosition

_LOOKS: Final = 2  # a file may be renamed between the listing and the opening


class Follower:
    """Returns the new lines of a log, from its beginning or from a mark."""

    def __init__(self, path: Path, mark: ReadPosition | None = None, *, skipping: bool = False) -> None:
        self.path = path
        self.lost = 0  # how often no file contained the place
        self._mark = mark
        self._skipping = skipping
        self._content: Content | None = None

    @property
    def mark(self) -> ReadPosition | None:
        """The position in the log, None before the first read."""
        return self._content.mark if self._content else self._mark

    @property
    def skipping(self) -> bool:
        """Whether the mark is inside a line whose rest is skipped."""
        return self._content.skipping if self._content else self._skipping

    def blocks(self, budget: int) -> Iterator[bytes]:
        """Yield new lines in blocks, about `budget` bytes at most. Raises UNREADABLE."""
        if self._content is None:
            self._content = self._resume()
        elif self._is_current() and self._content.cut():
            self._move(self._resume())
        while budget > 0 and (block := self._next()):
            budget -= len(block)
            yield block
        self.path.stat()

    def _next(self) -> bytes:
        """Return the next block, or nothing at the end."""
        while self._content:
            try:
                block = self._content.block()
                if block or not (following := self._following()):
                    return block
                # The rest of the file is read before it is left, then its unfinished line.
                block = self._content.block() or self._content.rest()
            except UNREADABLE:
                if self._content.path == self.path:
                    raise
                self.lost += 1
                self._move(self._begin(self._written_since(self._content.mark)))
                continue
            if block:
                following.close()
                return block
            self._move(following)
        return b""

    def unread(self) -> int:
        """Return the unread bytes of the current file."""
        try:
            if self._content and self._is_current():
                return self._content.unread()
            return self.path.stat().st_size if self.path.is_file() else 0
        except OSError:
            return 0

    def close(self) -> None:
        """Close the open file; the mark stays."""
        if self._content:
            self._mark, self._skipping = self._content.mark, self._content.skipping
            self._content.close()
            self._content = None

    def _move(self, content: Content) -> None:
        if self._content:
            self._content.close()
        self._content = content

    def _is_current(self) -> bool:
        """Return whether the open file still has the log's name, as far as can be seen."""
        try:
            return self._content is not None and _same(self._content, self.path)
        except FileNotFoundError:
            return False

    def _following(self) -> Content | None:
        """Return the file after the open one, at its beginning; None if there is none yet."""
        if self._content is None or self._is_current():
            return None
        try:
            following = self._after(self._content.mark)
        except FileNotFoundError:
            return None
        if following.path == self.path and not following.unread():
            following.close()  # the new file is still empty: the writer may still use the old one
            return None
        return following

    def _resume(self) -> Content:
        """Return the file that contains the mark, at the mark; else the file that was started after it."""
        place = self.mark
        if place is None:
            return Content(self.path)
        for _ in range(_LOOKS if place.offset else 0):  # an empty mark fits every file
            for path in (self.path, *reversed(self._rotated())):
                content = _open_at(path, place, skipping=self.skipping)
                if content:
                    return content
        self.lost += place.offset > 0
        return self._begin(self._written_since(place))

    def _after(self, place: ReadPosition) -> Content:
        """Return the file that was started when the mark's file was rotated."""
        for _ in range(_LOOKS):
            rotated = self._rotated()
            for index in range(len(rotated) - 1, -1, -1):
                content = _open_at(rotated[index], place)
                if content:
                    content.close()
                    return self._begin(rotated[index + 1 :])
        return self._begin(self._written_since(place))

    def _written_since(self, place: ReadPosition) -> list[Path]:
        return [path for path in self._rotated() if _written(path) > place.seen]

    def _begin(self, rotated: list[Path]) -> Content:
        """Return the first file that can be opened; the log itself if none can."""
        for path in rotated:
            try:
                return Content(path)
            except UNREADABLE:
                self.lost += 1
        return Content(self.path)

    def _rotated(self) -> list[Path]:
        """Return the rotated files, the oldest first; of a plain and a compressed copy, the plain one."""
        name, stem, suffix = (re.escape(part) for part in (self.path.name, self.path.stem, self.path.suffix))
        endings = "|".join(map(re.escape, COMPRESSED))
        ours = re.compile(
            rf"(?:{name}[.\-_](?:\d.*?|old|bak)|{stem}[.\-_]\d[\d.\-_T]*?{suffix})(?:{endings})?"
        )
        found: dict[str, Path] = {}
        for path in self.path.parent.iterdir():
            if path != self.path and ours.fullmatch(path.name):
                plain = path.name.removesuffix(path.suffix) if path.suffix in COMPRESSED else path.name
                if path.name == plain or plain not in found:
                    found[plain] = path
        # Of two written at the same time, the one with the higher number is older.
        return sorted(found.values(), key=lambda path: (_written(path), -_number(path), path.name))


def _same(content: Content, path: Path) -> bool:
    mine, other = content.stat(), path.stat()
    return (mine.st_dev, mine.st_ino) == (other.st_dev, other.st_ino)


def _open_at(path: Path, place: ReadPosition, *, skipping: bool = False) -> Content | None:
    """Return the file at the mark, None if it does not contain the mark or is unreadable."""
    try:
        content = Content(path, place.offset, skipping=skipping)
    except UNREADABLE:
        return None
    if content.holds(place):
        return content
    content.close()
    return None


def _written(path: Path) -> int:
    """Return when the file was last written, in nanoseconds; 0 if it is gone."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _number(path: Path) -> int:
    numbers = re.findall(r"\.(\d{1,4})(?=\.|$)", path.name)
    return int(numbers[-1]) if numbers else 0
