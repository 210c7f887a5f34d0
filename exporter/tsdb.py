"""Writes a block of Prometheus's database, by its documents "Index Disk Format" and "Chunks".

promtool makes blocks, too, from a text with a line for every series and time. But most past figures stay the
same for hours: here they cost a bit or two a sample, in promtool's text a long line.
"""

import json
import os
import re
import secrets
import string
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

_CHUNK: Final = 120  # samples of a chunk, as in Prometheus's own blocks
_CHUNKS_MAGIC, _INDEX_MAGIC = 0x85BD40DD, 0xBAAAD700
_XOR: Final = b"\x01"  # the encoding of a chunk
_LABEL: Final = re.compile(rb'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = {b"\\\\": b"\\", b'\\"': b'"', b"\\n": b"\n"}
_ALPHABET: Final = string.digits + "ABCDEFGHJKMNPQRSTVWXYZ"  # of a ULID

Labels = tuple[tuple[bytes, bytes], ...]
_Chunk = tuple[int, int, int]  # first time, last time, place in the file
_Run = tuple[int, int]  # the bits of a value, and the number of its samples


class Block:
    """The samples of one block. Each added text of an exporter holds from its time until the next one."""

    def __init__(self, step: int) -> None:
        """`step` is the milliseconds from one sample to the next."""
        self._step = step
        self._times: list[int] = []
        self._text = b""
        # By the beginning of a line: its values and the first sample of each; None means absent.
        self._values: dict[bytes, list[tuple[int, bytes | None]]] = {}

    def add(self, at: int, text: bytes) -> None:
        """Add a sample of each line at a time in milliseconds, one step after the previous time."""
        place = len(self._times)
        self._times.append(at)
        if text == self._text:
            return
        self._text = text
        told = {begin: value for begin, _, value in (line.rpartition(b" ") for line in text.splitlines())}
        for begin, changes in self._values.items():
            if begin not in told and changes[-1][1] is not None:
                changes.append((place, None))
        for begin, value in told.items():
            changes = self._values.setdefault(begin, [])
            if not changes or changes[-1][1] != value:
                changes.append((place, value))

    def write(self, directory: Path) -> None:
        """Write the block into a directory of blocks, under a name of its own."""
        name = _ulid()
        block = directory / name
        (block / "chunks").mkdir(parents=True)
        content = bytearray(struct.pack(">IB3x", _CHUNKS_MAGIC, 1))
        series = {
            labels: [self._put(content, *run) for run in _runs(changes, len(self._times))]
            for labels, changes in sorted((_labels(begin), each) for begin, each in self._values.items())
        }
        _write(block / "chunks/000001", content)
        _write(block / "index", _index(series))
        samples = sum(
            (last - first) // self._step + 1 for chunks in series.values() for first, last, _ in chunks
        )
        meta = {
            "ulid": name,
            "minTime": self._times[0],
            "maxTime": self._times[-1] + 1,
            "stats": {
                "numSamples": samples,
                "numSeries": len(series),
                "numChunks": sum(map(len, series.values())),
            },
            "compaction": {"level": 1, "sources": [name]},
            "version": 1,
        }
        _write(block / "meta.json", json.dumps(meta).encode())

    def _put(self, content: bytearray, first: int, runs: Sequence[_Run]) -> _Chunk:
        """Append a chunk of the values from the sample `first` on."""
        place, begin, count = len(content), self._times[first], sum(length for _, length in runs)
        data = struct.pack(">H", count) + _varint(begin) + runs[0][0].to_bytes(8, "big")
        if count > 1:
            data += _uvarint(self._step) + _differences(runs)
        content += _uvarint(len(data)) + _XOR + data + _crc(_XOR + data)
        return begin, begin + (count - 1) * self._step, place


def _runs(changes: Sequence[tuple[int, bytes | None]], end: int) -> Iterator[tuple[int, list[_Run]]]:
    """Yield the first place and the values of each chunk: a chunk has no missing samples."""
    first, size, runs = 0, 0, list[_Run]()
    for (place, value), (until, _) in pairwise([*changes, (end, None)]):
        if value is None:
            if runs:
                yield first, runs
            size, runs = 0, []
            continue
        (coded,) = struct.unpack(">Q", struct.pack(">d", float(value)))
        first, left = first if runs else place, until - place
        while left:
            taken = min(left, _CHUNK - size)
            runs.append((coded, taken))
            size, left = size + taken, left - taken
            if size == _CHUNK:
                yield first, runs
                first, size, runs = first + size, 0, []
    if runs:
        yield first, runs


def _differences(runs: Sequence[_Run]) -> bytes:
    """Return the bits of all samples but the first, in Gorilla's coding for times at equal distances.

    A leading 0 says that a sample's distance in time is the same as before; the second sample has no such
    bit.
    """
    bits, leading, trailing = ["00" * (runs[0][1] - 1)], 64, 0  # no window yet
    for (before, _), (now, length) in pairwise(runs):
        changed = before ^ now
        left, right = min(64 - changed.bit_length(), 31), (changed & -changed).bit_length() - 1
        if not changed:
            bits.append("00")
        elif left >= leading and right >= trailing:
            bits.append(f"010{changed >> trailing:0{64 - leading - trailing}b}")
        else:
            leading, trailing = left, right
            wide = 64 - left - right
            bits.append(f"011{left:05b}{wide % 64:06b}{changed >> right:0{wide}b}")
        bits.append("00" * (length - 1))
    text = "".join(bits)[1:]
    size = -(-len(text) // 8)
    return int(text.ljust(8 * size, "0"), 2).to_bytes(size, "big")


def _index(series: Mapping[Labels, Sequence[_Chunk]]) -> bytes:
    """Return the index of series, sorted by their labels."""
    content = bytearray(struct.pack(">IB", _INDEX_MAGIC, 2))
    symbols = sorted({text for labels in series for pair in labels for text in pair})
    places = {text: place for place, text in enumerate(symbols)}
    at_symbols = _section(content, struct.pack(">I", len(symbols)) + b"".join(map(_string, symbols)))
    _pad(content, 16)
    at_series = len(content)
    postings: dict[tuple[bytes, bytes], list[int]] = {(b"", b""): []}
    for labels, chunks in series.items():
        _pad(content, 16)
        for pair in ((b"", b""), *labels):
            postings.setdefault(pair, []).append(len(content) // 16)
        entry = _entry(labels, chunks, places)
        content += _uvarint(len(entry)) + entry + _crc(entry)
    table, at_postings = [struct.pack(">I", len(postings))], len(content)
    for (name, value), found in sorted(postings.items()):
        _pad(content, 4)
        table.append(b"\x02" + _string(name) + _string(value) + _uvarint(len(content)))
        _section(content, struct.pack(f">{len(found) + 1}I", len(found), *found))
    at_table = _section(content, b"".join(table))
    # Prometheus has not read the indices of labels, the third and fourth, since version 2 of the format.
    ends = struct.pack(">6Q", at_symbols, at_series, at_postings, at_postings, at_postings, at_table)
    return bytes(content + ends + _crc(ends))


def _entry(labels: Labels, chunks: Sequence[_Chunk], places: Mapping[bytes, int]) -> bytes:
    """Return the entry of a series: its labels, and where its chunks are."""
    parts = [_uvarint(len(labels)), *(_uvarint(places[text]) for pair in labels for text in pair)]
    parts.append(_uvarint(len(chunks)))
    ended, was = 0, 0
    for number, (first, last, place) in enumerate(chunks):
        parts += [
            _uvarint(first - ended) if number else _varint(first),
            _uvarint(last - first),
            _varint(place - was) if number else _uvarint(place),
        ]
        ended, was = last, place
    return b"".join(parts)


def _labels(begin: bytes) -> Labels:
    """Return the sorted labels of `name{label="value"}`; an empty label is left out."""
    name, _, rest = begin.partition(b"{")
    found = {
        label: re.sub(rb"\\.", lambda two: _ESCAPED.get(two[0], two[0]), value)
        for label, value in _LABEL.findall(rest)
    }
    return tuple(
        sorted({b"__name__": name, **{label: value for label, value in found.items() if value}}.items())
    )


def _section(content: bytearray, data: bytes) -> int:
    place = len(content)
    content += struct.pack(">I", len(data)) + data + _crc(data)
    return place


def _pad(content: bytearray, size: int) -> None:
    content += bytes(-len(content) % size)


def _string(text: bytes) -> bytes:
    return _uvarint(len(text)) + text


def _uvarint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def _varint(value: int) -> bytes:
    return _uvarint(2 * value if value >= 0 else -2 * value - 1)


def _table() -> Iterable[int]:
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        yield value


_TABLE: Final = tuple(_table())


def _crc(data: bytes) -> bytes:
    """Return the CRC-32C of data."""
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return struct.pack(">I", crc ^ 0xFFFFFFFF)


def _ulid() -> str:
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(26)))


def _write(file: Path, content: bytes | bytearray) -> None:
    with file.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
