"""The due loop and its supervision end when cancelled, though a library swallows the cancellation."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from webhook_actions.engine.due_loop import DueLoop, supervised


async def _swallow(called: asyncio.Event) -> None:
    """Behave as asyncio.wait_for of Python 3.11 when its awaited task ends at the same moment."""
    called.set()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(60)


async def _nothing_due() -> None:
    return None


def _claiming(called: asyncio.Event) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        async def claim() -> None:
            await _swallow(called)

        await DueLoop(claim, _nothing_due).run()

    return run


def _failing(called: asyncio.Event) -> Callable[[], Awaitable[None]]:
    return lambda: supervised("a task", lambda: _swallow(called), lambda _: None)


@pytest.mark.parametrize("made", [_claiming, _failing], ids=["due loop", "supervision"])
def test_a_task_ends_though_a_library_swallows_its_cancellation(
    made: Callable[[asyncio.Event], Callable[[], Awaitable[None]]],
) -> None:
    async def cancelled() -> None:
        called = asyncio.Event()
        task = asyncio.create_task(made(called)())
        await called.wait()
        task.cancel()
        _, late = await asyncio.wait([task], timeout=3)
        for one in late:
            one.cancel()
        assert not late

    asyncio.run(cancelled())
