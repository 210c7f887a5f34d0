"""Threads for blocking calls to bots, which may ask the event loop for something."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """Runs functions beside the event loop that created it."""

    def __init__(self, size: int) -> None:
        """`size` functions run at a time; more wait."""
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="bots")

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in a thread and return what it returns."""
        return await self._loop.run_in_executor(self._pool, function)

    def ask(self, question: Coroutine[Any, Any, T]) -> T:
        """Let the event loop answer a question of a running function."""
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()

    def close(self) -> None:
        """Start nothing more, and do not wait for running functions."""
        self._pool.shutdown(wait=False, cancel_futures=True)
