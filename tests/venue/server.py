"""The common part of fake venues: account, key, clock, limits, and faults to switch on."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.venue.engine import Engine

KEY, SECRET, PASSWORD = "k" * 64, "s" * 64, "p4ss"


@dataclass
class FakeVenue:
    """`ahead` is the lead of the venue's clock in seconds, `hang` the seconds until it answers."""

    engine: Engine
    clock: Callable[[], float]
    ahead: float = 0.0
    hang: float = 0.0
    out: bool = False
    blocked: bool = False  # our address is not one that the key allows
    may_withdraw: bool = False
    limit: int = 6000  # weight a minute
    used: int = 0
    minute: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def now(self) -> float:
        return self.clock() + self.ahead

    def takes(self, weight: int) -> bool:
        """Count the weight of a call; return False if the minute's weight is used up."""
        minute = int(self.clock() // 60)
        if minute != self.minute:
            self.minute, self.used = minute, 0
        self.used += weight
        return self.used <= self.limit


@asynccontextmanager
async def served(venue: FakeVenue, app: web.Application) -> AsyncIterator[str]:
    """Serve an application behind the faults; yield its address."""

    @web.middleware
    async def faults(request: web.Request, handler: Callable) -> web.StreamResponse:
        venue.asked.append(request.path)
        if venue.hang:
            await asyncio.sleep(venue.hang)
        if venue.out:
            return web.Response(status=503, text="Service Unavailable")
        return await handler(request)

    app.middlewares.append(faults)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@contextmanager
def beside(venue: FakeVenue, build: Callable[[FakeVenue], web.Application]) -> Iterator[str]:
    """Serve a venue in a thread of its own; yield its address."""
    loop, ready, done, places = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), list[str]()

    async def serve() -> None:
        async with served(venue, build(venue)) as url:
            places.append(url)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield places[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()
