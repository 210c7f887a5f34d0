"""Stores a bot's pushes: its closed trades, a line each, and the last of each other kind."""

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from pydantic_core import from_json

_log = logging.getLogger(__name__)
Kept = Literal["state", "metrics"]
_TRADES: Final = "trades.jsonl"
_READABLE: Final = 60  # characters of a bot's name


def folder(bot: str) -> str:
    """Return a directory name for this bot alone, whatever characters its name has."""
    digest = hashlib.sha256(bot.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{quote(bot, safe='', errors='replace')[:_READABLE]}-{digest}"


class Journal:
    """A directory of one bot. Once `append` or `keep` returns, its data survives a crash of the machine.

    It grows by about 150 bytes a trade. It contains each trade once, and again with each correction: the
    history that statistics need. The other kinds are a file each, replaced whole. Every method may raise
    OSError.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._trades: int | None = None

    def open(self) -> None:
        """Create absent files, lock the directory, and cut off a line that a crash left half-written.

        Raises BlockingIOError if another exporter has it.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        trades = os.open(self._directory / _TRADES, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(trades, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(trades, self._whole())
            os.fsync(trades)
            for directory in (self._directory, *self._directory.parents[:2]):
                _sync(directory)
        except BaseException:
            os.close(trades)
            raise
        self._trades = trades

    def close(self) -> None:
        """Release the lock."""
        if self._trades is not None:
            os.close(self._trades)
            self._trades = None

    def _whole(self) -> int:
        """Return the number of bytes up to the end of the last whole line."""
        size, block = (self._directory / _TRADES).stat().st_size, 65_536
        with (self._directory / _TRADES).open("rb") as file:
            while size > 0:
                start = max(0, size - block)
                file.seek(start)
                if (found := file.read(size - start).rfind(b"\n")) >= 0:
                    return start + found + 1
                size = start
        return 0

    def trades(self) -> Iterator[bytes]:
        """Yield the lines of the trades, oldest first."""
        with (self._directory / _TRADES).open("rb") as file:
            yield from file

    def append(self, trades: Iterable[dict[str, object]]) -> None:
        """Append trades and return when they are on the disk. If it raises OSError, none was written."""
        if self._trades is None:
            raise OSError(f"{self._directory} is not open")
        rest = memoryview(b"".join(_line(trade) for trade in trades))
        before = os.fstat(self._trades).st_size
        try:
            while rest:
                rest = rest[os.write(self._trades, rest) :]
            os.fsync(self._trades)
        except OSError:
            os.ftruncate(self._trades, before)
            raise

    def keep(self, kind: Kept, received_at: float, said: object) -> None:
        """Replace the file of the kind and return when it is on the disk."""
        file = self._directory / f"{kind}.json"
        scratch = file.with_suffix(".new")
        with scratch.open("wb") as out:
            out.write(_line({"received_at": received_at, "said": said}))
            out.flush()
            os.fsync(out.fileno())
        scratch.replace(file)
        _sync(self._directory)

    def kept(self, kind: Kept) -> tuple[float, object] | None:
        """Return the receipt time (unix seconds) and content of the last of the kind, None without one.

        A damaged file is logged and skipped: the next push replaces it.
        """
        try:
            found = from_json((self._directory / f"{kind}.json").read_bytes())
            return float(found["received_at"]), found["said"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            _log.error("%s/%s.json is damaged and left out: %s", self._directory, kind, error)
            return None


def _line(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
