"""Virtual time: an event loop that jumps to its next timer, and threads that are greenlets."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from greenlet import getcurrent, greenlet

EPOCH = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)  # a clock change of Europe lies in the hours after it


class _Jump(selectors.DefaultSelector):
    """Never waits: any wait is over at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing is left to happen: every task waits for ever")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds take no time. The same seed runs the same callbacks in the same order."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now

    def now(self) -> datetime:
        """Return the wall clock."""
        return EPOCH + timedelta(seconds=self._jump.now)


class GreenThreads:
    """Replaces engine.threads.Threads: a blocking function lets the loop continue, in order."""

    async def run(self, function: Callable[[], Any]) -> Any:
        thread = greenlet(function)
        asked = thread.switch()
        while not thread.dead:
            try:
                answer = await asked
            except Exception as error:  # noqa: BLE001 - whatever was asked raises it there
                asked = thread.throw(error)
            else:
                asked = thread.switch(answer)
        return asked

    @staticmethod
    def ask(question: Coroutine[Any, Any, Any]) -> Any:
        return getcurrent().parent.switch(question)
