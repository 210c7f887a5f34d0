"""Wires the parts of an engine: due loops, reconciler and HTTP; starts, supervises and stops them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import psycopg
from fastapi import FastAPI
from psycopg_pool import PoolTimeout

from clients.alertmanager import Alertmanager
from clients.prometheus import Prometheus
from stack.settings import Settings
from webhook_actions import app
from webhook_actions.actions import load_actions
from webhook_actions.app import Reload
from webhook_actions.bots import control
from webhook_actions.engine.due_loop import DueLoop, is_cancelled, listen, supervised
from webhook_actions.engine.engine import Engine
from webhook_actions.engine.executor import TARGETS_AT_ONCE, Control, Executor
from webhook_actions.engine.facts import Planner
from webhook_actions.engine.keeper import BOTS_AT_ONCE, Keeper
from webhook_actions.engine.reconcile import Reconciler
from webhook_actions.engine.threads import Threads
from webhook_actions.engine.verification import Verification
from webhook_actions.escalation.steps import Escalation
from webhook_actions.metrics import Metrics
from webhook_actions.notify import receipts
from webhook_actions.notify.delivery import Sender
from webhook_actions.notify.links import Links
from webhook_actions.outgoing.trades import Trades
from webhook_actions.store import escalation_steps, incidents, migrate
from webhook_actions.store.database import CONNECT_SECONDS, GONE, Clock, DatabaseError, Pool
from webhook_actions.web.capabilities import Capabilities
from webhook_actions.web.commands import Commands
from webhook_actions.web.health import Fresh, writable
from webhook_actions.web.telegram import Presses

log = logging.getLogger(__name__)

_CONNECTIONS = 12  # each is used for a statement or a short transaction, never while a bot is awaited
_FORGET_EVERY = 60.0  # seconds
_LOOKS_AT_ONCE = 4  # batches of incidents, so that one which waits for Prometheus delays no other
_SCHEMA_EVERY = 5.0  # seconds between two checks whether a newer Nightdesk has taken over
_STOP_SECONDS = 25.0  # a little longer than a running action has

Task = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class EngineParts:
    """An engine without its web side: its tasks by name, and what they work with."""

    tasks: dict[str, Task]
    executor: Executor
    escalation: Escalation
    loops: tuple[DueLoop, ...]

    def notice(self) -> None:
        """Look for due rows now."""
        for loop in self.loops:
            loop.notice()


def parts(
    settings: Settings,
    pool: Pool,
    prometheus: Prometheus,
    alertmanager: Alertmanager,
    metrics: Metrics,
    threads: Threads,
    sender: Callable[[Escalation], Sender],
    clock: Clock,
    control: Control = control,
) -> EngineParts:
    """Return the parts of an engine, wired; nothing runs yet."""
    actions = load_actions()
    planner = Planner(settings, actions)
    verification = Verification(settings, prometheus, actions, planner)
    escalation = Escalation(settings, pool, metrics, clock)
    executor = Executor(
        settings, pool, planner, verification, escalation, metrics, control, threads, clock
    )  # fmt: skip
    engine = Engine(settings, pool, actions, planner, verification, executor, escalation, metrics, clock)
    reconciler = Reconciler(
        settings, pool, prometheus, alertmanager, verification, escalation, metrics, clock
    )
    keeper = Keeper(settings, pool, metrics, control, threads, lambda: executor.retired, escalation, clock)
    sends = sender(escalation)
    looks = DueLoop(engine.claim, engine.next_due, _LOOKS_AT_ONCE)
    steps = DueLoop(escalation.claim, escalation.next_due)
    deliveries = DueLoop(sends.claim, sends.next_due, sends.at_once)
    asked = DueLoop(sends.receipts.claim, sends.receipts.next_due, receipts.AT_ONCE)

    async def compare() -> None:
        while not is_cancelled():
            await asyncio.sleep(float(settings.webhook_actions.reconcile_interval))
            await reconciler.once()

    async def forget() -> None:
        while not is_cancelled():
            await asyncio.sleep(_FORGET_EVERY)
            await reconciler.forget()

    async def keep() -> None:
        try:
            while not is_cancelled():
                await asyncio.sleep(float(settings.collection.poll_interval))
                await keeper.once()
        finally:
            keeper.stop()

    tasks: dict[str, Task] = {
        "incidents": looks.run,
        "escalation": steps.run,
        "deliveries": deliveries.run,
        "receipts": asked.run,
        "reconciler": compare,
        "history": forget,
        "keeper": keep,
    }
    return EngineParts(tasks, executor, escalation, (looks, steps, deliveries, asked))


@asynccontextmanager
async def running(
    settings: Settings, embedded: str | None, metrics: Metrics, reload: Reload
) -> AsyncIterator[FastAPI]:
    """Run an engine while the context lasts, and give its application.

    It uses the database in the settings, else the `embedded` one. Raises DatabaseError, and OSError for an
    unreadable secret.
    """
    async with AsyncExitStack() as stack:
        pool = await _pool(settings, embedded, stack)
        await migrate.migrate(pool)
        web, services = settings.web, settings.services
        clock = Clock()
        prometheus = Prometheus(services.prometheus.urls, web, clock)
        stack.push_async_callback(prometheus.close)
        alertmanager = Alertmanager(services.alertmanager.urls, web)
        workers = settings.webhook_actions.workers
        threads = Threads(TARGETS_AT_ONCE + BOTS_AT_ONCE + workers)  # so that none waits for another kind
        stack.callback(threads.close)
        links = Links(settings)

        def sender(escalation: Escalation) -> Sender:
            made = Sender(settings, pool, metrics, escalation, links)
            stack.callback(made.close)
            return made

        engine = parts(settings, pool, prometheus, alertmanager, metrics, threads, sender, clock)
        engine.tasks["listener"] = lambda: listen(pool.address, engine.notice)
        engine.tasks["trades"] = lambda: _tell_trades(settings, Trades(settings, pool))
        engine.tasks["schema"] = lambda: _watch_schema(pool, engine.executor)
        capabilities = Capabilities(settings, load_actions())
        stack.callback(capabilities.close)
        commands = Commands(
            settings, pool, engine.escalation, load_actions(), lacks=capabilities.lacks
        )  # fmt: skip
        if settings.channels.telegram.enabled and settings.channels.telegram.buttons:
            engine.tasks["telegram"] = Presses(settings, pool, commands, metrics, links).run
        await reconsider(pool)
        tasks = tuple(
            asyncio.create_task(
                supervised(name, task, lambda task: metrics.restarts.labels(task).inc()), name=name
            )
            for name, task in engine.tasks.items()
        )
        stack.push_async_callback(_stop, engine, tasks)
        health = _health(pool)
        yield app.build(settings, pool, commands, engine.escalation, capabilities, metrics, health, reload)


async def _tell_trades(settings: Settings, trades: Trades) -> None:
    while not is_cancelled():
        await asyncio.sleep(float(settings.collection.trading.interval))
        await trades.once()


async def reconsider(pool: Pool) -> None:
    """Make every incident due that other settings held back."""
    async with pool.transaction() as connection:
        await incidents.wake_all(connection)
        await escalation_steps.reconsider(connection)


async def _pool(settings: Settings, embedded: str | None, stack: AsyncExitStack) -> Pool:
    file = settings.webhook_actions.database_url_file
    address = file.read_text(encoding="utf-8").strip() if file else embedded
    if address is None:
        raise DatabaseError("webhook_actions.database_url_file: from it to null needs a restart")
    pool = Pool(address, max_size=_CONNECTIONS)
    try:
        await pool.open(wait=True, timeout=CONNECT_SECONDS)
    except (PoolTimeout, psycopg.Error) as error:
        await pool.close()
        where = f"the database that {file} names" if file else "the embedded database"
        raise DatabaseError(f"{where} cannot be reached: {error}") from None
    stack.push_async_callback(pool.close)
    return pool


async def _stop(engine: EngineParts, tasks: tuple[asyncio.Task[None], ...]) -> None:
    """Send no new orders, let running attempts end, then end the tasks."""
    await engine.executor.stop()
    for task in tasks:
        task.cancel()
    _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
    for task in late:
        log.warning("a part of the engine did not end", extra={"part": task.get_name()})


async def _watch_schema(pool: Pool, executor: Executor) -> None:
    """Send no more orders once a newer Nightdesk has changed the database: its engines have taken over."""
    while not is_cancelled():
        async with pool.connection() as connection:
            executor.superseded = await migrate.version(connection) != migrate.VERSION
        await asyncio.sleep(_SCHEMA_EVERY)


def _health(pool: Pool) -> Callable[[], Awaitable[str | None]]:
    async def look() -> str | None:
        try:
            async with pool.connection(timeout=2) as connection:
                known = await migrate.version(connection)
                if known != migrate.VERSION:
                    return f"the database has schema {known}, this Nightdesk works with {migrate.VERSION}"
                return await writable(connection)
        except GONE as error:
            return f"the database cannot be reached: {type(error).__name__}"

    return Fresh(look)
