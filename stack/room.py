"""Notifies people that the disk of the data directory is almost full.

Without room Prometheus stores no sample and the engine writes nothing: no alert fires and no action runs.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from stack.announce import NotDelivered

_MEGABYTE = 1_000_000
_FULL = 100 * _MEGABYTE  # free bytes: a few segments of the logs of PostgreSQL and Prometheus
_ENOUGH = 200 * _MEGABYTE


class Room:
    """Watches the free space of a directory's disk. `tell` sends a summary and a description to people."""

    def __init__(
        self,
        directory: Path,
        tell: Callable[[str, str], None],
        free: Callable[[Path], int] = lambda directory: shutil.disk_usage(directory).free,
    ) -> None:
        self._directory, self._tell, self._free = directory, tell, free
        self._full = self._told = False

    def turn(self) -> Iterator[str]:
        """Yield what has changed since the last turn; notify people until it is delivered once."""
        free = self._free(self._directory)
        if self._full and free >= _ENOUGH:
            self._full = self._told = False
            yield f"the disk of {self._directory} has room again"
        elif free < _FULL and not self._full:
            self._full = True
            yield self._said(free)
        if self._full and not self._told:
            try:
                self._tell("The disk of Nightdesk is full", self._said(free))
                self._told = True
            except NotDelivered as error:
                yield str(error)

    def _said(self, free: int) -> str:
        return (
            f"the disk of {self._directory} has only {free / _MEGABYTE:.0f} MB left. Without room Nightdesk "
            "sees no bot, fires no alert and runs no action. Free some: it continues by itself"
        )
