"""Keeps the states of loss limits in a file, so that a restart of the exporter changes nothing."""

import asyncio
import logging
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ValidationError

from exporter.limits.arithmetic import State, Terms

_log = logging.getLogger(__name__)


class LimitState(BaseModel):
    """A limit's state, and the definition that it was computed with."""

    measures: str
    state: State


class LimitStateFile(BaseModel):
    """The states of one bot's or account's limits, by name; `place` is the address of the bots."""

    place: str
    limits: dict[str, LimitState]


def measures(terms: Terms) -> str:
    """Return the definition that a state is computed with: a limit with another definition starts again."""
    return f"{terms.kind} {terms.mark} {terms.trails} {terms.open_positions} {terms.follows_transfers}"


class LimitStateStore:
    """A file of one bot or account. It logs a failing disk; the next start then has no state."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._turn = asyncio.Lock()
        self._marks: dict[str, tuple[float, Decimal]] = {}
        self._last: LimitStateFile | None = None
        self._failing = False

    def read(self, place: str, terms: Mapping[str, Terms]) -> dict[str, State]:
        """Return the states of these limits; `place` distinguishes one holder's sources from others."""
        try:
            found = self._last or LimitStateFile.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            _log.error("%s is ignored, and its loss limits start again: %s", self._file, error)
            return {}
        if found.place != place:
            return {}
        return {
            name: each.state
            for name, each in found.limits.items()
            if name in terms and each.measures == measures(terms[name])
        }

    def note(self, place: str, terms: Mapping[str, Terms], states: Mapping[str, State]) -> None:
        """Keep the states for `write` and for readers in this process."""
        limits = {
            name: LimitState(measures=measures(terms[name]), state=state) for name, state in states.items()
        }
        self._last = LimitStateFile(place=place, limits=limits)

    async def write(self) -> None:
        """Write the noted states.

        They survive a crash of the exporter, and if a mark moved, also one of the machine.
        """
        async with self._turn:
            if self._last is None:
                return
            marks = {name: (each.state.day, each.state.mark) for name, each in self._last.limits.items()}
            moved, self._marks = marks != self._marks, marks
            try:
                await asyncio.to_thread(self._replace, self._last.model_dump_json(), durable=moved)
                self._failing = False
            except OSError as error:
                if not self._failing:
                    _log.error("%s cannot be written: %s", self._file, error)
                self._failing = True

    def _replace(self, text: str, *, durable: bool) -> None:
        scratch = self._file.with_suffix(".new")
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            if durable:
                os.fsync(out.fileno())
        scratch.replace(self._file)
