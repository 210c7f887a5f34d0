"""Puts the parts together: queue, engine, reconciler and HTTP, started and stopped in order."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from fastapi import FastAPI
from psycopg_pool import PoolTimeout

from clients.prometheus import Prometheus
from stack.settings import Settings
from webhook_actions.actions import load_actions
from webhook_actions.engine.engine import Engine
from webhook_actions.engine.jobs import ADVANCE, HOLD, RUN_NOW, WAKE, Jobs
from webhook_actions.engine.reconcile import reconcile
from webhook_actions.escalation.steps import Escalation
from webhook_actions.metrics import Metrics
from webhook_actions.store import incidents
from webhook_actions.store.database import CONNECT_SECONDS, GONE, Connection, Pool
from webhook_actions.store.embedded import DatabaseError
from webhook_actions.web import server
from webhook_actions.web.server import Reload

log = logging.getLogger(__name__)

_SCHEMA = Path(__file__).parent / "store" / "schema"
_MIGRATION_LOCK = 0x6E_64_6D_67  # "ndmg": replicas that start together create the tables once
_CONNECTIONS = 12  # each is held for a statement or a short transaction, never while a bot is waited for
_STOP_SECONDS = 25.0  # a little longer than the queue leaves to an action that runs


@dataclass(frozen=True)
class Running:
    """What runs: the application, and the tasks that must not end before it."""

    app: FastAPI
    tasks: tuple[asyncio.Task[None], ...]


@asynccontextmanager
async def running(
    settings: Settings, embedded: str | None, metrics: Metrics, silent: float, reload: Reload
) -> AsyncIterator[Running]:
    """Run the engine while the context lasts, on the database that settings name, else the `embedded` one.

    Jobs of workers that were silent for `silent` seconds run again. Raises DatabaseError, and OSError for a
    secret that cannot be read.
    """
    async with AsyncExitStack() as stack:
        pool = await _pool(settings, embedded, stack)
        jobs = Jobs(settings, pool)
        await _create_tables(pool, jobs)
        web = settings.web
        prometheus = Prometheus(*settings.services.prometheus.urls, context=web.context(), user=web.user())
        stack.push_async_callback(prometheus.close)
        escalation = Escalation(settings, pool, jobs, metrics)
        engine = Engine(settings, pool, prometheus, load_actions(), escalation, metrics, jobs.wake)
        _register(jobs, engine, pool)
        escalation.register(jobs.app)
        heartbeat = float(settings.webhook_actions.heartbeat)
        await jobs.recover(silent)

        async def compare() -> None:
            await reconcile(settings, pool, prometheus, engine, jobs, metrics)

        async def recover() -> None:
            await jobs.recover(2 * heartbeat)

        tasks = (
            asyncio.create_task(jobs.work(), name="worker"),
            asyncio.create_task(escalation.work(), name="escalation"),
            asyncio.create_task(_forever(float(settings.webhook_actions.reconcile_interval), compare)),
            asyncio.create_task(_forever(heartbeat, recover)),
        )
        stack.push_async_callback(_cancel, tasks)
        health = _health(pool, tasks)
        yield Running(server.build(settings, pool, jobs, escalation, metrics, health, reload), tasks)


async def _pool(settings: Settings, embedded: str | None, stack: AsyncExitStack) -> Pool:
    file = settings.webhook_actions.database_url_file
    address = file.read_text(encoding="utf-8").strip() if file else embedded
    if address is None:
        raise DatabaseError("webhook_actions.database_url_file: from it to null is a way by a restart only")
    pool = Pool(address, max_size=_CONNECTIONS)
    try:
        await pool.open(wait=True, timeout=CONNECT_SECONDS)
    except (PoolTimeout, psycopg.Error) as error:
        await pool.close()
        where = f"the database that {file} names" if file else "the embedded database"
        raise DatabaseError(f"{where} cannot be reached: {error}") from None
    stack.push_async_callback(pool.close)
    return pool


async def _create_tables(pool: Pool, jobs: Jobs) -> None:
    async with pool.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATION_LOCK])
        await jobs.open()
        known = await _applied(connection)
        for file in sorted(_SCHEMA.glob("*.sql")):
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            if known.get(file.name) != digest:
                await connection.execute(content)
                await connection.execute(
                    "INSERT INTO schema_files VALUES (%s, %s) "
                    "ON CONFLICT (file) DO UPDATE SET digest = excluded.digest",
                    [file.name, digest],
                )


async def _applied(connection: Connection) -> dict[str, str]:
    """Return the digests of the schema's files that the database has.

    Applying one again would change nothing, yet lock its tables against every replica that is at work.
    """
    found = await (await connection.execute("SELECT to_regclass('schema_files')")).fetchone()
    if found is None or found[0] is None:
        await connection.execute("CREATE TABLE schema_files (file text PRIMARY KEY, digest text NOT NULL)")
        return {}
    return dict(await (await connection.execute("SELECT file, digest FROM schema_files")).fetchall())


def _register(jobs: Jobs, engine: Engine, pool: Pool) -> None:
    """Tell the queue what its jobs do."""

    @jobs.app.task(name=ADVANCE)
    async def advance(incident: int) -> None:
        await engine.advance(incident)

    @jobs.app.task(name=WAKE)
    async def wake(incident: int) -> None:
        if found := await look_up(incident):
            await jobs.advance(incident, found.bot, found.alert, begun=True)

    @jobs.app.task(name=RUN_NOW)
    async def run_now(incident: int, action: str, by: str) -> None:
        if found := await look_up(incident):
            await engine.actor.run_now(found, action, by)

    @jobs.app.task(name=HOLD)
    async def hold(bot: str) -> None:
        await engine.actor.hold(bot)

    async def look_up(incident: int) -> incidents.Incident | None:
        async with pool.connection() as connection:
            return await incidents.incident(connection, incident)


async def _forever(interval: float, once: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(interval)
        try:
            await once()
        except GONE as error:
            log.warning("the database did not answer; tried again", extra={"reason": str(error)})


async def _cancel(tasks: tuple[asyncio.Task[None], ...]) -> None:
    for task in tasks:
        task.cancel()
    _, late = await asyncio.wait(tasks, timeout=_STOP_SECONDS)
    for task in late:  # without its database, the queue would wait for it to say goodbye
        log.warning("a part of the engine did not end", extra={"part": task.get_name()})


def _health(pool: Pool, tasks: tuple[asyncio.Task[None], ...]) -> Callable[[], Awaitable[str | None]]:
    async def look() -> str | None:
        ended = [task.get_name() for task in tasks if task.done()]
        if ended:
            return f"ended: {', '.join(ended)}"
        try:
            async with pool.connection(timeout=2) as connection:
                await connection.execute("SELECT 1")
        except (psycopg.Error, PoolTimeout) as error:
            return f"the database cannot be reached: {type(error).__name__}"
        return None

    return look
