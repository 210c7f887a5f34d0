"""Keeps in a file what a bot's capital was found to be: only the first equity that was ever seen tells it."""

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
    """A file of one bot. What another source told under the bot's name is not its capital.

    A disk that fails is told in the log: the capital is then found anew at the next start.
    """

    def __init__(self, directory: Path, place: str) -> None:
        """`place` tells one source of a bot from another."""
        self._file = directory / "capital.json"
        self._place = place

    def read(self) -> float | None:
        """Return what was kept, None where nothing was."""
        try:
            kept = _Kept.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            _log.error("%s is left out: %s", self._file, error)
            return None
        return kept.capital if kept.place == self._place else None

    def write(self, capital: float) -> None:
        """Keep it, over a crash of the machine."""
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
