"""Keeps in a file the capital that was derived from the first equity ever seen."""

import json
import logging
import os
from pathlib import Path

from pydantic import BaseModel, FiniteFloat, ValidationError

_log = logging.getLogger(__name__)


class _Kept(BaseModel):
    place: str
    capital: FiniteFloat


class CapitalFile:
    """A file of one bot. A value of another source under the same name does not count.

    Logs a failing disk; the next start then derives the capital again.
    """

    def __init__(self, directory: Path, place: str) -> None:
        """`place` identifies the source of a bot."""
        self._file = directory / "capital.json"
        self._place = place

    def read(self) -> float | None:
        """Return the kept value, None if there is none."""
        try:
            kept = _Kept.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            _log.error("%s is ignored: %s", self._file, error)
            return None
        return kept.capital if kept.place == self._place else None

    def write(self, capital: float) -> None:
        """Keep it; it survives a crash of the machine."""
        scratch = self._file.with_suffix(".new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("w", encoding="utf-8") as out:
                json.dump({"place": self._place, "capital": capital}, out)
                out.flush()
                os.fsync(out.fileno())
            scratch.replace(self._file)
        except OSError as error:
            _log.error("%s cannot be written: %s", self._file, error)
