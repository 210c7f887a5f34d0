"""Keeps the output of the services: a file each, rotated, compressed and removed as the settings say."""

import gzip
import logging
import logging.handlers
import re
import shutil
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path

from stack.settings.observability import Logs

LAST_LINES = 12
_STEADY = (
    60.0  # seconds without a failure until logs are called written again: a full disk frees a little at times
)


class RotatingFile(logging.handlers.BaseRotatingHandler):
    """A log file that rotates at a size or with the day, whichever comes first."""

    def __init__(self, file: Path, logs: Logs, now: Callable[[], float] = time.time) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(str(file), "a", encoding="utf-8")
        self._file, self._logs, self._now = file, logs, now
        self._day = _day(file.stat().st_mtime if file.stat().st_size else now())

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - the name is logging's
        """Return whether the file is full or from another day."""
        size = self._file.stat().st_size
        full = size + len(self.format(record)) >= self._logs.rotate_size
        return size > 0 and (full or (self._logs.rotate_daily and _day(self._now()) != self._day))

    def doRollover(self) -> None:  # noqa: N802 - the name is logging's
        """Rotate and compress the file, and remove surplus and old ones."""
        self.close()
        aside = self._name_aside()
        self._file.rename(aside)
        if self._logs.compress:
            with aside.open("rb") as plain, gzip.open(f"{aside}.gz", "wb") as packed:
                shutil.copyfileobj(plain, packed)
            aside.unlink()
        self._day = _day(self._now())
        self._remove_old()
        self.stream = self._open()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Raise the error of the write, which logging would print with a traceback for each line."""
        raise

    def _name_aside(self) -> Path:
        """Return the name of the rotated file; a second one within a second gets a number."""
        moment = datetime.fromtimestamp(self._now()).astimezone()
        name = self._file.name + moment.strftime(self._logs.suffix)
        taken, number = {file.name.removesuffix(".gz") for file in self._file.parent.iterdir()}, 1
        while name in taken:
            number += 1
            name = f"{self._file.name}{moment.strftime(self._logs.suffix)}.{number}"
        return self._file.with_name(name)

    def _remove_old(self) -> None:
        ours = re.compile(rf"{re.escape(self._file.name)}\..+")
        aside = [file for file in self._file.parent.iterdir() if ours.fullmatch(file.name)]
        newest_first = sorted(aside, key=lambda file: file.stat().st_mtime, reverse=True)
        oldest_kept = self._now() - self._logs.keep_for
        for place, file in enumerate(newest_first):
            if place >= self._logs.keep_files or file.stat().st_mtime < oldest_kept:
                file.unlink()


class ServiceLogs:
    """The log files of the services, and the last lines of each for the message about its end."""

    def __init__(self, directory: Path, logs: Logs, now: Callable[[], float] = time.monotonic) -> None:
        self.directory, self._now = directory, now
        self._logs = logs
        self._files: dict[str, RotatingFile] = {}
        self._last: dict[str, deque[str]] = {}
        self._lost, self._failed_at = 0, 0.0

    def write(self, name: str, line: str) -> str | None:
        """Append a line to a service's log; return a sentence if logs cannot be written, or can again."""
        self._last.setdefault(name, deque(maxlen=LAST_LINES)).append(line)
        try:
            if name not in self._files:
                self._files[name] = RotatingFile(self.file(name), self._logs)
            self._files[name].emit(logging.LogRecord(name, logging.INFO, "", 0, line, None, None))
        except OSError as error:
            self._lost, self._failed_at = self._lost + 1, self._now()
            return f"the logs cannot be written: {error.strerror or error}" if self._lost == 1 else None
        if not self._lost or self._now() - self._failed_at < _STEADY:
            return None
        lost, self._lost = self._lost, 0
        return f"the logs are written again; {lost} lines are lost"

    def file(self, name: str) -> Path:
        """Return the path of a service's log."""
        return self.directory / f"{name}.log"

    def last(self, name: str) -> list[str]:
        """Return the last lines that a service printed since the start."""
        return list(self._last.get(name, ()))

    def close(self) -> None:
        """Close every file."""
        for file in self._files.values():
            with suppress(OSError):  # the disk is full
                file.close()


def _day(moment: float) -> date:
    return datetime.fromtimestamp(moment).astimezone().date()
