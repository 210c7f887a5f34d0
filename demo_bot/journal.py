"""Keeps closed trades and open positions on disk, so that no crash loses one."""

import json
import os
from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from demo_bot.account import Book, ClosedTrade, Position


class JournalError(Exception):
    """A file in the data directory is unreadable."""


class Journal:
    """The closed trades, a JSON object a line, ids from 1 without gaps, on disk before `append` returns."""

    def __init__(self, path: Path) -> None:
        """Read the journal; cut off a last line that a crash left unfinished and report it in `cut_off`."""
        self._path = path
        self._offsets = array("Q")
        self.realised = 0.0
        self.cut_off: str | None = None
        self._file = path.open("a+b")
        self._recover()

    @property
    def last_id(self) -> int:
        """The id of the newest trade, which is also their number; 0 before the first."""
        return len(self._offsets)

    def _recover(self) -> None:
        end = 0
        self._file.seek(0)
        for line in self._file:
            if not line.endswith(b"\n"):
                self.cut_off = line.decode(errors="replace")
                self._file.truncate(end)
                break
            self._count(self._parse(line, self.last_id + 1), end)
            end += len(line)

    def _count(self, trade: ClosedTrade, offset: int) -> None:
        self._offsets.append(offset)
        self.realised += trade.profit

    def _parse(self, line: bytes, number: int) -> ClosedTrade:
        try:
            trade = ClosedTrade(**json.loads(line))
        except (ValueError, TypeError) as error:
            problem = f"is not a trade ({error})"
        else:
            if trade.id == number:
                return trade
            problem = f"has id {trade.id}"
        raise JournalError(
            f"{self._path}: line {number} {problem}; restore the file from a copy or move it away"
        )

    def append(self, trade: ClosedTrade) -> None:
        """Write a trade and wait until it is on disk."""
        offset = self._file.seek(0, os.SEEK_END)
        self._file.write(json.dumps(asdict(trade)).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._count(trade, offset)

    def page(self, since_id: int, limit: int) -> tuple[list[dict[str, Any]], bool]:
        """Return up to `limit` trades with ids above `since_id`, oldest first, and whether there are more."""
        if since_id >= len(self._offsets):
            return [], False
        self._file.seek(self._offsets[since_id])
        count = min(limit, len(self._offsets) - since_id)
        return [json.loads(self._file.readline()) for _ in range(count)], since_id + count < len(
            self._offsets
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True)
class Snapshot:
    """The open positions and the prices right after the trade `last_trade_id` closed."""

    last_trade_id: int
    last_position_id: int
    positions: tuple[Position, ...]
    prices: Mapping[str, float]

    def save(self, path: Path) -> None:
        """Replace the file at once and wait until it is on disk."""
        beside = path.with_suffix(".new")
        with beside.open("w") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)

    @staticmethod
    def load(path: Path) -> "Snapshot":
        """Read the file; without one the account has no positions."""
        if not path.exists():
            return Snapshot(0, 0, (), {})
        try:
            read = json.loads(path.read_bytes())
            positions = tuple(Position(**position) for position in read["positions"])
            return Snapshot(read["last_trade_id"], read["last_position_id"], positions, read["prices"])
        except (ValueError, TypeError, KeyError) as error:
            raise JournalError(
                f"{path}: not a snapshot ({error!r}); move it away: open positions are lost"
            ) from error


def recover(starting_capital: float, journal: Journal, snapshot: Snapshot) -> Book:
    """Return the account: the snapshot's positions, minus those that the journal closed later."""
    if snapshot.last_trade_id > journal.last_id:
        raise JournalError(
            f"the journal ends at trade {journal.last_id}, yet the snapshot of positions knows trade "
            f"{snapshot.last_trade_id}; restore the journal, or move both away to start again"
        )
    positions = {position.id: position for position in snapshot.positions}
    last_position_id = snapshot.last_position_id
    newer, _ = journal.page(snapshot.last_trade_id, journal.last_id)
    for trade in newer:
        last_position_id = max(last_position_id, trade["position_id"])
        if (position := positions.get(trade["position_id"])) is None:
            continue
        left = 1 - trade["size"] / position.size
        if left > 1e-9:
            positions[position.id] = position.part(left)
        else:
            del positions[position.id]
    return Book(starting_capital, journal.realised, journal.last_id, last_position_id, positions.values())
