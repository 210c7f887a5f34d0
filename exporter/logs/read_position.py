"""A position in a log that can be found again in a renamed, copied or compressed file."""

import hashlib
from dataclasses import dataclass
from typing import BinaryIO, Final

_SAMPLE: Final = 256  # bytes at the beginning and before the position that identify a log


@dataclass(frozen=True)
class ReadPosition:
    """`offset` bytes of whole lines were read; `head` and `tail` are digests of the first and last of them.

    `inode` identifies the file until it is copied; `seen` is its time of change, in nanoseconds.
    """

    inode: int
    offset: int
    head: str
    tail: str
    seen: int


@dataclass(frozen=True)
class Ends:
    """The first and the last bytes that were read, as many as a mark needs."""

    head: bytes = b""
    tail: bytes = b""

    def add(self, block: bytes) -> "Ends":
        """Return the ends after the block was read too."""
        head = self.head if len(self.head) >= _SAMPLE else (self.head + block[:_SAMPLE])[:_SAMPLE]
        return Ends(head, (self.tail + block[-_SAMPLE:])[-_SAMPLE:])

    def mark(self, offset: int, inode: int, seen: int) -> ReadPosition:
        """Return the mark of the position behind the last byte."""
        return ReadPosition(inode, offset, _digest(self.head), _digest(self.tail), seen)

    def fit(self, place: ReadPosition) -> bool:
        """Return whether a file with these ends is the mark's."""
        return (_digest(self.head), _digest(self.tail)) == (place.head, place.tail)


def ends_before(file: BinaryIO, offset: int) -> Ends:
    """Return the ends of the first `offset` bytes of a file, and stop behind them."""
    size = min(_SAMPLE, offset)
    file.seek(0)
    head = _read(file, size)
    if offset < 2 * size:  # they overlap, and decompression cannot go back
        return Ends(head, (head + _read(file, offset - size))[-size:])
    file.seek(offset - size)
    return Ends(head, _read(file, size))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _read(file: BinaryIO, size: int) -> bytes:
    """Return this many bytes, fewer only at the end: decompression may return less at once."""
    pieces: list[bytes] = []
    while size > 0 and (piece := file.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
