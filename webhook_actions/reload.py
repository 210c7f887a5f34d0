"""Replaces the engine by one with newer settings while it runs, as one replica takes over from another."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from stack.settings import Settings, SettingsError
from webhook_actions.metrics import Metrics
from webhook_actions.service import running
from webhook_actions.store.database import DatabaseError
from webhook_actions.store.embedded import EmbeddedPostgres

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 10.0  # seconds for requests that an engine has begun when its successor takes over


class EngineSwitch:
    """The engine with the settings in force, as an ASGI application."""

    def __init__(
        self, read: Callable[[], Settings], embedded: str | None, metrics: Metrics, stack: AsyncExitStack
    ) -> None:
        self._read = read
        self._embedded = embedded
        self._stack = stack
        self._metrics = metrics
        self._turn = asyncio.Lock()
        self._now: _ServingEngine | None = None
        self._retired: set[asyncio.Task[None]] = set()
        stack.push_async_callback(self._close)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the newest engine answer."""
        if self._now is None:
            raise RuntimeError("no engine has been started")
        await self._now.answer(scope, receive, send)

    async def start(self, settings: Settings) -> None:
        """Start an engine and let the old one finish its work. Raises as `running` does."""
        new = _ServingEngine()
        await new.start(running(settings, self._embedded, self._metrics, self.reload))
        before, self._now = self._now, new
        self._metrics.reloaded.set(1)
        self._metrics.reloaded_at.set(time.time())
        if before is not None:
            retired = asyncio.create_task(before.stop())
            self._retired.add(retired)
            retired.add_done_callback(self._retired.discard)

    async def reload(self) -> str | None:
        """Use the present settings files, or keep the old settings; return what is wrong."""
        async with self._turn:
            try:
                settings = await asyncio.to_thread(self._read)
                await self.start(settings)
            except (SettingsError, DatabaseError, OSError) as error:
                log.error("the settings stay unchanged", extra={"reason": str(error)})
                self._metrics.reloaded.set(0)
                return str(error)
        log.info("the settings were reloaded", extra={"bots": len(settings.bots)})
        return None

    async def _close(self) -> None:
        await asyncio.gather(*self._retired)
        if self._now is not None:
            await self._now.stop()


class _ServingEngine:
    """One engine and the requests that it answers."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._app: ASGIApp | None = None
        self._asked = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self, run: AbstractAsyncContextManager[ASGIApp]) -> None:
        """Run. Raises as `running` does."""
        self._app = await self._stack.enter_async_context(run)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if self._app is None:
            raise RuntimeError("this engine has not been started")
        self._asked += 1
        self._idle.clear()
        try:
            await self._app(scope, receive, send)
        finally:
            self._asked -= 1
            if not self._asked:
                self._idle.set()

    async def stop(self) -> None:
        """Answer what was asked, then end."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            log.warning("requests were cut off by a reload", extra={"requests": self._asked})
        await self._stack.aclose()


@asynccontextmanager
async def serving(
    read: Callable[[], Settings], settings: Settings, data: Path
) -> AsyncIterator[EngineSwitch]:
    """Run the engine while the context lasts. Raises as `running` does."""
    async with AsyncExitStack() as stack:
        file, embedded, metrics = settings.webhook_actions.database_url_file, None, Metrics()
        if file is None:
            count = metrics.restarts.labels("postgresql").inc
            postgres = EmbeddedPostgres(data / "postgres", ended=lambda *_: count())
            stack.callback(postgres.stop)
            embedded = postgres.start()  # in this thread, with whose end PostgreSQL ends too
        generations = EngineSwitch(read, embedded, metrics, stack)
        await generations.start(settings)
        yield generations
