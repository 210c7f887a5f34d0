"""Stores the answer for each idempotency key on disk, so that no request takes effect twice."""

import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEEP_SECONDS = 7 * 86400


@dataclass(frozen=True)
class Record:
    """The stored request of a key; `status` and `body` are None until it has an answer."""

    request: str
    pid: int | None
    status: int | None
    body: dict[str, Any] | None


class Answers:
    """One row a key, committed before the request is carried out and again with its answer."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, at REAL NOT NULL,"
            " request TEXT NOT NULL, pid INTEGER, status INTEGER, body TEXT)"
        )
        self._db.execute("DELETE FROM answers WHERE at < ?", (time.time() - KEEP_SECONDS,))

    def find(self, key: str) -> Record | None:
        """Return the stored request of a key."""
        row = self._db.execute(
            "SELECT request, pid, status, body FROM answers WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        request, pid, status, body = row
        return Record(request, pid, status, None if body is None else json.loads(body))

    def begin(self, key: str, request: str, pid: int | None) -> None:
        """Store that a request is about to be carried out, while the trading process is `pid`."""
        self._db.execute(
            "INSERT OR REPLACE INTO answers (key, at, request, pid) VALUES (?, ?, ?, ?)",
            (key, time.time(), request, pid),
        )

    def finish(self, key: str, status: int, body: dict[str, Any]) -> None:
        """Store the answer."""
        self._db.execute(
            "UPDATE answers SET status = ?, body = ? WHERE key = ?", (status, json.dumps(body), key)
        )

    def forget(self, key: str) -> None:
        """Drop a key whose request had no effect."""
        self._db.execute("DELETE FROM answers WHERE key = ?", (key,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
