"""Defines a source and the context that it gets."""

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
    """A bot that could not be read: `reason` is a label, `detail` says what to mend.

    `status` is HTTP's, where the bot itself answered and not something on the way to it.

    `known` has the trades and the capital that it told before, where no reading has had them yet.
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

        Raises SourceError. What a poll has to compare with the poll before is left to that.
        """
        ...


@dataclass(frozen=True)
class SourceContext:
    """What a source needs from outside. Spans are seconds; `window` is that of the error rate.

    `data` is the directory for this bot's own durable files, `silent_after` how long it may say nothing.
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
