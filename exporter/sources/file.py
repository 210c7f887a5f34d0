"""Reads a bot that writes its state into a file and its trades into a journal."""

import asyncio

from pydantic import ValidationError
from pydantic_core import from_json

from clients.bot_api import State
from clients.input import first_problem
from clients.trading import Trade
from exporter.reading import Reading
from exporter.sources.client import BODY_LIMIT
from exporter.sources.protocol import Reason, SourceContext, SourceError, source
from exporter.sources.state import closed_trade, later, reading
from exporter.sources.tail import Tail
from stack.settings import FileBot

_LOOKS = 3  # reads of a half-written file
_PAUSE = 0.05  # seconds between them


@source(FileBot)
class FileSource:
    """Reads the state at each poll, and the new lines of the trades."""

    def __init__(self, settings: FileBot, surroundings: SourceContext) -> None:
        self._state_file = settings.state
        self._around = surroundings
        self._tail = None if settings.trades is None else Tail(settings.trades)
        self._good: tuple[float, State] | None = None
        self._glanced = 0  # the time of the state that the last glance returned
        self._fresh: list[Trade] = []  # trades that no reading contains yet

    async def poll(self) -> Reading:
        """Return the bot's last state and trades. Raises SourceError if they are unreadable or too old."""
        now = self._around.clock()
        trades = await asyncio.to_thread(self._trades, now)
        try:
            state = await self._state_now()
        except SourceError as error:
            known = Reading(time=now, trades=trades)
            raise SourceError(error.reason, error.detail, known=known) from None
        return reading(state, trades, now)

    async def glance(self) -> Reading | None:
        """Return its money if the state was rewritten since the last glance. Raises SourceError."""
        try:
            written = (await asyncio.to_thread(self._state_file.stat)).st_mtime_ns
        except OSError as error:
            raise SourceError("unavailable", f"{self._state_file}: {error.strerror or error}") from None
        if written == self._glanced:
            return None
        state = await self._state_now()
        self._glanced = written
        return reading(state, (), self._around.clock())

    async def _state_now(self) -> State:
        """Return the state with its age. Raises SourceError if it is unreadable or too old."""
        written_at, state = await self._state()
        limit, age = self._around.silent_after, self._around.clock() - written_at
        if age > limit:
            silent = f"was last written {age:.0f} s ago; a bot is silent after {limit:g} s (silent_after)"
            raise SourceError("timeout", f"{self._state_file}: {silent}")
        return later(state, age)

    async def _state(self) -> tuple[float, State]:
        """Return the newest whole state and its time; while a new one is half written, the one before."""
        problem = ""
        for _ in range(_LOOKS):
            try:
                self._good = await asyncio.to_thread(self._read)
            except ValueError as error:
                problem = f"{self._state_file}: {error}; write another file and rename it to this one"
                await asyncio.sleep(_PAUSE)
            else:
                return self._good
        self._around.input.reject("half_written", problem)
        if self._good is None:
            raise SourceError("parse", problem)
        return self._good

    def _read(self) -> tuple[float, State]:
        """Return the state and its time. Raises ValueError for an incomplete file."""
        try:
            with self._state_file.open("rb") as file:
                body = file.read(BODY_LIMIT + 1)
                written_at = self._state_file.stat().st_mtime
        except FileNotFoundError:
            raise SourceError("unavailable", f"{self._state_file}: is not there; does the bot run?") from None
        except PermissionError:
            advice = "the exporter may not read it; give its user the right to"
            raise SourceError("auth", f"{self._state_file}: {advice}") from None
        except OSError as error:
            raise SourceError("unavailable", f"{self._state_file}: {error.strerror or error}") from None
        if len(body) > BODY_LIMIT:
            raise SourceError("parse", f"{self._state_file}: has more than {BODY_LIMIT} bytes")
        data = from_json(body)
        try:
            return written_at, self._around.input.read(State, data)
        except ValidationError as error:
            raise SourceError("parse", f"{self._state_file}: {first_problem(error)}") from None

    def _trades(self, now: float) -> tuple[Trade, ...]:
        if self._tail is None:
            return ()
        found = self._around.input
        try:
            for where, line in self._tail.lines():
                try:
                    row: object = from_json(line)
                except ValueError as error:
                    found.reject("malformed", f"{where}: not JSON: {error}")
                    continue
                if (trade := closed_trade(row, where, found, now)) is not None:
                    self._fresh.append(trade.closed())
        except OSError as error:
            detail = f"{error.filename or self._tail.file}: {error.strerror or error}"
            reason: Reason = "auth" if isinstance(error, PermissionError) else "unavailable"
            raise SourceError(reason, detail) from None
        trades, self._fresh = tuple(self._fresh), []
        return trades
