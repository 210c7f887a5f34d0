"""What a source is, and what it is given of the world."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import aiohttp

from exporter.reading import Reading
from exporter.sources.input import Input

Reason = Literal["auth", "refused", "timeout", "http", "parse", "unavailable"]


class SourceError(Exception):
    """A bot that could not be read: `reason` is a label, `detail` says what to mend, `status` is HTTP's."""

    def __init__(self, reason: Reason, detail: str, status: int | None = None) -> None:
        self.reason: Reason = reason
        self.detail = detail
        self.status = status
        super().__init__(f"{reason}: {detail}")


class Source(Protocol):
    """One bot, as its kind answers."""

    async def poll(self) -> Reading:
        """Return what the bot says now. Raises SourceError; what it refused of the answer is in `Input`."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What a source needs of the world: `timeout` and `window` (of the error rate) are seconds."""

    session: aiohttp.ClientSession
    timeout: float
    window: float
    clock: Callable[[], float]
    input: Input
