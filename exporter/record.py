"""Keeps the samples in files: OpenMetrics text with times, a file a day, compressed (docs/files.md)."""

import gzip
import logging
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)
_SEALED, _OPEN = ".om.gz", ".om.gz.part"
_NAME = re.compile(r"^(\d{4}-\d\d-\d\d)\.om\.gz(\.part)?$")
_END: Final = b"# EOF\n"
_BLOCK: Final = 1 << 20


class Record:
    """A directory of one exporter. Today's file grows by one member of gzip at a time; a finished day is
    compressed again as a whole, and ends as OpenMetrics requires. Every method may raise OSError.
    """

    def __init__(self, directory: Path, keep_days: float) -> None:
        self._directory = directory
        self._keep = timedelta(days=keep_days)
        self._day: date | None = None

    def write(self, page: bytes, now: float) -> None:
        """Add a page of the exporter's OpenMetrics, with its unix time after each sample."""
        today = datetime.fromtimestamp(now, UTC).date()
        if today != self._day:
            self._begin(today)
        file = self._directory / f"{today}{_OPEN}"
        text = b"".join(timed(page, now, headers=not file.exists()))
        with file.open("ab", buffering=0) as out:
            out.write(
                gzip.compress(text, mtime=0)
            )  # whole or not at all, except after a crash of the machine

    def _begin(self, today: date) -> None:
        """Seal finished days, delete days older than the retention, and mend today's file."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for file in sorted(self._directory.iterdir()):
            if not (found := _NAME.match(file.name)):
                continue
            day = date.fromisoformat(found[1])
            if day < today - self._keep:
                file.unlink()
            elif found[2] and day < today:
                _seal(file)
            elif found[2]:
                _mend(file)
        self._day = today


def timed(page: bytes, now: float, *, headers: bool) -> Iterator[bytes]:
    """Yield the lines of a page of OpenMetrics with its unix time after each sample, without its end."""
    stamp = f" {now:.3f}\n".encode()
    for line in page.splitlines():
        if not line.startswith(b"#"):
            yield line + stamp
        elif headers and line + b"\n" != _END:
            yield line + b"\n"


def _seal(part: Path) -> None:
    """Replace a day's whole members by one member, with the end."""
    scratch = part.with_suffix(".new")
    with gzip.open(scratch, "wb") as out:
        for text, _ in _members(part):
            out.write(text)
        out.write(_END)
    scratch.replace(part.with_suffix(""))
    part.unlink()


def _mend(part: Path) -> None:
    """Cut off a member that a crash of the machine left incomplete: nothing after it would be readable."""
    whole = max((end for _, end in _members(part)), default=0)
    if whole < part.stat().st_size:
        _log.warning("%s ends with an incomplete member, which is cut off", part)
        with part.open("r+b") as file:
            file.truncate(whole)


def _members(part: Path) -> Iterator[tuple[bytes, int]]:
    """Yield each whole member of a file: its text, and the place of its end."""
    with part.open("rb") as file:
        rest, end = b"", 0
        while True:
            member, text, size = zlib.decompressobj(wbits=31), b"", 0
            while not member.eof:
                block = rest or file.read(_BLOCK)
                if not block:
                    return
                try:
                    text += member.decompress(block)
                except zlib.error:
                    return
                rest = member.unused_data
                size += len(block) - len(rest)
            end += size
            yield text, end
