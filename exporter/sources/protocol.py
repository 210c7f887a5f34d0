"""The interface of a source, and the context that it gets."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel

from clients.http import Http
from clients.input import Input
from exporter.reading import Reading

Reason = Literal["auth", "refused", "timeout", "way", "http", "parse", "unavailable"]


class SourceError(Exception):
    """A bot that could not be read: `reason` is a label, `detail` says how to fix it.

    `status` is HTTP's, if the bot itself answered, not something before it. `known` has the trades and
    capital of earlier answers that no reading contains yet.
    """

    def __init__(
        self, reason: Reason, detail: str, status: int | None = None, known: Reading | None = None
    ) -> None:
        self.reason: Reason = reason
        self.detail = detail
        self.status = status
        self.known = known
        super().__init__(f"{reason}: {detail}")


class Source(Protocol):
    """One bot, read in the way of its source type."""

    async def poll(self) -> Reading:
        """Return the bot's reading now. Raises SourceError; `Input` has the refused fields."""
        ...

    async def glance(self) -> Reading | None:
        """Return its money now, in the cheapest way; None if nothing is new.

        Raises SourceError. Comparisons with earlier answers are left to polls.
        """
        ...


@dataclass(frozen=True)
class SourceContext:
    """What a source needs from outside. Spans are seconds; `window` is that of the error rate.

    `data` is the directory for this bot's durable files, `silent_after` the longest silence.
    """

    http: Http
    timeout: float
    window: float
    clock: Callable[[], float]
    input: Input
    data: Path
    silent_after: float


Connect = Callable[[Any, SourceContext], Source]
_Connect = TypeVar("_Connect", bound=Connect)
SOURCES: dict[type[BaseModel], Connect] = {}


def source(settings: type[BaseModel]) -> Callable[[_Connect], _Connect]:
    """Register the decorated class as the source of bots with such settings."""

    def register(connect: _Connect) -> _Connect:
        SOURCES[settings] = connect
        return connect

    return register
