"""The due loop: claims rows whose time has come, handles them, and sleeps until the next one or a notice."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg

from webhook_actions.store.database import CHANNEL, GONE

log = logging.getLogger(__name__)

_LONGEST_SLEEP = 5.0  # seconds, in case a notice is lost or another engine has set a time
_SHORTEST_SLEEP = 0.01
_GRACE = 20.0  # seconds in which a stopping loop finishes its work
_MAX_PAUSE = 30.0  # seconds between two starts of a task that fails


class DueLoop:
    """Handles one kind of rows. `once` claims due rows and returns their handler, None if nothing is due.

    `next_due` returns the seconds until a row is due, None if no row waits for its time.
    """

    def __init__(
        self,
        once: Callable[[], Awaitable[Callable[[], Awaitable[None]] | None]],
        next_due: Callable[[], Awaitable[float | None]],
        at_once: int = 1,
    ) -> None:
        """The loop handles `at_once` claims at a time."""
        self._once = once
        self._next_due = next_due
        self._at_once = at_once
        self._noticed = asyncio.Event()

    def notice(self) -> None:
        """Check now: some row may have become due."""
        self._noticed.set()

    async def run(self) -> None:
        """Handle rows until cancelled; then finish the present ones for a while."""
        handling = set[asyncio.Task[None]]()

        def ended(task: asyncio.Task[None]) -> None:
            handling.discard(task)
            self.notice()

        try:
            while not is_cancelled():
                self._noticed.clear()
                handle = await self._once() if len(handling) < self._at_once else None
                if handle is None:
                    await self._sleep(busy=len(handling) >= self._at_once)
                    continue
                task = asyncio.create_task(_handled(handle))
                handling.add(task)
                task.add_done_callback(ended)
        finally:
            if handling:
                await asyncio.wait(handling, timeout=_GRACE)

    async def _sleep(self, *, busy: bool) -> None:
        wait = _LONGEST_SLEEP
        if not busy and (due := await self._next_due()) is not None:
            wait = min(max(due, _SHORTEST_SLEEP), _LONGEST_SLEEP)
        if is_cancelled():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._noticed.wait()


def is_cancelled() -> bool:
    """Return whether the running task was cancelled, even if a library swallowed it.

    asyncio.wait_for does so in Python 3.11 if its task ends at the same moment; psycopg calls it.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _handled(handle: Callable[[], Awaitable[None]]) -> None:
    """Handle the claimed rows; if the database is down, their lease ends and they are claimed again."""
    try:
        await handle()
    except GONE as error:
        log.warning("the database did not answer; the work is done again", extra={"reason": str(error)})
    except Exception:  # its lease ends too; the others continue
        log.exception("what was claimed could not be handled")


async def listen(address: str, notice: Callable[[], Any]) -> None:
    """Call `notice` whenever a transaction made rows due, until cancelled. Raises as psycopg does."""
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        notice()  # earlier commits send no notice again
        while not is_cancelled():
            async for _ in connection.notifies(timeout=_LONGEST_SLEEP):
                notice()


async def supervised(name: str, task: Callable[[], Awaitable[None]], failed: Callable[[str], None]) -> None:
    """Run a task for ever: restart it when it fails or ends, after a pause that doubles up to 30 s."""
    pause, loop = 1.0, asyncio.get_running_loop()
    while not is_cancelled():
        began = loop.time()
        try:
            await task()
            if is_cancelled():
                return
            log.error("a task ended by itself; it is started again", extra={"task": name})
        except GONE as error:
            log.warning("a task waits for the database", extra={"task": name, "reason": str(error)})
        except Exception:
            log.exception("a task failed; it is started again", extra={"task": name})
        failed(name)
        pause = 1.0 if loop.time() - began > _MAX_PAUSE else min(2 * pause, _MAX_PAUSE)
        await asyncio.sleep(pause)
