"""Remembers the profit of a bot's open positions at the start of the day, week and month."""

import logging
import os
from collections.abc import Callable, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Final

from pydantic import BaseModel, FiniteFloat, ValidationError

from exporter.analytics.days import LocalDays, first_days

_log = logging.getLogger(__name__)
_NEAR: Final = 300.0  # seconds around a window's start within which an observation counts as its start


class _Mark(BaseModel):
    start: float
    made: FiniteFloat | None  # None: unknown


class _Kept(BaseModel):
    place: str
    marks: dict[str, _Mark]


class PeriodStarts:
    """The period starts of one bot, kept in a file if a directory is given. It logs disk errors."""

    def __init__(self, zone: tzinfo, directory: Path | None = None, place: str = "") -> None:
        """`place` identifies the source of a bot."""
        self._local = LocalDays(zone)
        self._file = None if directory is None else directory / "marks.json"
        self._place = place
        self._seen: tuple[float, float] | None = None  # the unix time, and the profit of open positions
        self._marks = self._read()
        self._undecided = set[str]()  # windows of which trades and positions could not tell yet

    def clear(self) -> None:
        """Forget everything: the bot has a new history."""
        self._seen, self._marks = None, {}

    def take(
        self, now: float, made: float, *, nothing_yet: bool, was_flat: Callable[[float], bool | None]
    ) -> None:
        """Add the profit of open positions at a unix time; `nothing_yet`: the bot has made no profit at all.

        `was_flat` returns whether, by trades and positions, nothing was open at a unix time.
        """
        before = dict(self._marks)
        for window, first in first_days(self._local.of(now)).items():
            start = self._local.start(first)
            mark = self._marks.get(window)
            if mark is None or mark.start != start:
                found = 0.0 if nothing_yet else self._at(start, now, made)
                self._marks[window] = _Mark(start=start, made=found)
                (self._undecided.add if found is None else self._undecided.discard)(window)
            # Asked until decided only: the bot may report a closed position as a trade only later.
            if window in self._undecided and (flat := was_flat(start)) is not None:
                self._undecided.discard(window)
                if flat:
                    self._marks[window] = _Mark(start=start, made=0.0)
        self._seen = (now, made)
        if self._marks != before:
            self._write()

    def changed(self, now: float, made: float) -> Mapping[str, float]:
        """Return the change of the open profit since each window's start, if the start was observed."""
        starts = {window: self._local.start(day) for window, day in first_days(self._local.of(now)).items()}
        return {
            window: made - mark.made
            for window, mark in self._marks.items()
            if mark.made is not None and mark.start == starts[window]
        }

    def _at(self, start: float, now: float, made: float) -> float | None:
        """Return the value nearest to a window's start, None if none is near."""
        seen = [(now, made), *([] if self._seen is None else [self._seen])]
        away, found = min((abs(at - start), value) for at, value in seen)
        return found if away <= _NEAR else None

    def _read(self) -> dict[str, _Mark]:
        try:
            kept = None if self._file is None else _Kept.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            _log.error("%s is ignored: %s", self._file, error)
            return {}
        return kept.marks if kept is not None and kept.place == self._place else {}

    def _write(self) -> None:
        if self._file is None:
            return
        scratch = self._file.with_suffix(".new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("w", encoding="utf-8") as out:
                out.write(_Kept(place=self._place, marks=self._marks).model_dump_json())
                out.flush()
                os.fsync(out.fileno())
            scratch.replace(self._file)
        except OSError as error:
            _log.error("%s cannot be written: %s", self._file, error)
