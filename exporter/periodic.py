"""Repeats a step at an interval, in one task."""

import asyncio
from collections.abc import Awaitable, Callable


async def paced(step: Callable[[], Awaitable[None]], delay: float, period: float) -> None:
    """Run a step for ever, first after `delay` seconds; if it takes longer than the period, skip the missed
    times.
    """
    loop = asyncio.get_running_loop()
    due = loop.time() + delay
    while True:
        await asyncio.sleep(max(0.0, due - loop.time()))
        await step()
        late = max(0.0, loop.time() - due)
        due += period * (1 + late // period)
