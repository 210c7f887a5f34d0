"""Runs one trading process and talks to it."""

import asyncio
import logging
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from itertools import count

from demo_bot.pipes import LINE_LIMIT, Answer, Question

ANSWER_SECONDS = 30.0
STOP_SECONDS = 2.0

log = logging.getLogger("demo_bot.supervisor")


class NotRunningError(Exception):
    """No trading process runs; nothing was sent."""


class DiedError(Exception):
    """The trading process died before it answered; whether it carried out the request is unknown."""


class UnansweredError(Exception):
    """The trading process did not answer in time; it may still carry out the request."""


class Child:
    """A trading process from its start to its end. It ends by itself when this side of its pipes closes."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._numbers = count(1)
        self._watching = asyncio.create_task(self._watch())
        self.frozen = False

    @classmethod
    async def spawn(cls, arguments: Sequence[str]) -> "Child":
        """Start `python -m demo_bot.trader` with these arguments."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "demo_bot.trader", *arguments, stdin=PIPE, stdout=PIPE, limit=LINE_LIMIT
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs, else its exit status; negative is the signal that ended it."""
        return self._process.returncode

    async def has_ended(self) -> bool:
        """Return whether it has ended; if its pipe is closed, wait for its end first."""
        if self._process.stdin is None or self._process.stdin.is_closing():
            await asyncio.shield(self._watching)
        return self.exit_status is not None

    async def ask(self, question: Question, seconds: float = ANSWER_SECONDS) -> Answer:
        """Return its answer; raises NotRunningError, DiedError or UnansweredError."""
        writer = self._process.stdin
        if self._watching.done() or writer is None or writer.is_closing():
            raise NotRunningError
        number = next(self._numbers)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        writer.write(question.model_copy(update={"id": number}).model_dump_json().encode() + b"\n")
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            raise UnansweredError from None
        finally:
            del self._waiting[number]

    def freeze(self, *, frozen: bool) -> None:
        """Freeze the process, or let it continue."""
        self._process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)
        self.frozen = frozen

    async def kill(self) -> None:
        """Kill it at once."""
        if self.exit_status is None:
            self._process.kill()
        await asyncio.shield(self._watching)

    async def stop(self) -> None:
        """Ask it to end, and kill it after STOP_SECONDS."""
        if self.exit_status is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.shield(self._watching)
        except TimeoutError:
            log.warning(
                "The trading process %d did not stop within %g s and is killed", self.pid, STOP_SECONDS
            )
            await self.kill()

    async def _watch(self) -> None:
        """Pass each answer to its waiting caller, until the process ends."""
        reader = self._process.stdout
        if reader is None:
            raise RuntimeError("the trading process was started without a pipe")
        while line := await reader.readline():
            answer = Answer.model_validate_json(line)
            waiting = self._waiting.get(answer.id)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)
        status = await self._process.wait()
        level = logging.WARNING if status else logging.INFO
        log.log(level, "The trading process %d ended with status %d", self.pid, status)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(DiedError())
