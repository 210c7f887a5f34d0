"""The engine's jobs on Procrastinate: who advances an incident, when, and never two for one bot at once."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from datetime import UTC, datetime

import procrastinate
from procrastinate.exceptions import AlreadyEnqueued, UniqueViolation
from procrastinate.jobs import Status

from stack.settings import Settings
from webhook_actions.store.database import GONE, Connection, Pool
from webhook_actions.store.incidents import Incident

log = logging.getLogger(__name__)

ADVANCE, WAKE, RUN_NOW, HOLD = "advance", "wake", "run_now", "hold"
_DUE_EVERY = 0.5  # seconds between two looks for timers that are due; anything else is notified at once
_CRITICAL_LOSS = "TradingBotCriticalLoss"
# Priorities over the 0 of what is new: going on with what was begun, saving money, what a person asks for.
_BEGUN, _URGENT, _ASKED = 5, 10, 20
_GRACE = 20.0  # seconds a stopping worker leaves to an action that runs


class Jobs:
    """Advances incidents, now or at a time. Work on one bot is done one after the other, by its lock.

    A job that holds a bot's lock is never scheduled ahead nor retried by the queue: a retry due in minutes
    would block whatever else the bot needs. Waiting is a `wake` without a lock, which asks for `advance`.
    """

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self.app = procrastinate.App(connector=procrastinate.PsycopgConnector())

    async def open(self) -> None:
        """Use the pool, and create Procrastinate's tables where they are not yet."""
        await self.app.open_async(self._pool)
        async with self._pool.connection() as connection:
            found = await (await connection.execute("SELECT to_regclass('procrastinate_jobs')")).fetchone()
        if found is None or found[0] is None:
            await self.app.schema_manager.apply_schema_async()
            async with self._pool.connection() as connection:
                # Unanalysed, its queries take ten times as long.
                await connection.execute("ANALYZE")

    async def work(self) -> None:
        """Run jobs until cancelled, whether the database stays or comes back."""
        while True:
            try:
                return await self._work()
            except GONE as error:
                if (task := asyncio.current_task()) and task.cancelling():
                    raise asyncio.CancelledError from error  # the database went while the worker was ending
                log.warning("the queue waits for the database", extra={"reason": f"{error!r}"})
                await asyncio.sleep(_DUE_EVERY)

    async def _work(self) -> None:
        """Run jobs until cancelled; those that are running then get a while to end."""
        heartbeat = float(self._settings.webhook_actions.heartbeat)
        await self.app.run_worker_async(
            concurrency=self._settings.webhook_actions.workers,
            install_signal_handlers=False,
            fetch_job_polling_interval=_DUE_EVERY,
            shutdown_graceful_timeout=_GRACE,
            update_heartbeat_interval=heartbeat / 2,
            stalled_worker_timeout=heartbeat * 2,
            delete_jobs="successful",
        )

    async def recover(self, silent: float) -> int:
        """Run again the jobs of workers that were silent for so many seconds; returns how many."""
        stalled = list(await self.app.job_manager.get_stalled_jobs(seconds_since_heartbeat=silent))
        for job in stalled:
            log.warning("a worker died; its job runs again", extra={"job": job.id})
            try:
                await self.app.job_manager.retry_job(job)
            except UniqueViolation:
                # The same was asked for again and waits; of this one only its lock on the bot is left.
                await self.app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)
        return len(stalled)

    async def advance_with(self, connection: Connection, incidents: Iterable[tuple[int, str, str]]) -> None:
        """Ask for incidents, given as (id, bot, alert), to be advanced, in the caller's transaction.

        The queue's row is the outbox: it is there when, and only when, the incident is.
        """
        jobs = [
            self.app.configure_task(ADVANCE, lock=_lock(bot, incident), priority=_priority(alert)).job.evolve(
                task_kwargs={"incident": incident}
            )
            for incident, bot, alert in incidents
        ]
        if jobs:
            await self.app.job_manager.batch_defer_jobs_async(jobs, connection=connection)

    async def advance(self, incident: int, bot: str, alert: str, *, begun: bool) -> None:
        """Ask for an incident to be advanced now, unless that is asked for already.

        One that was `begun` goes before what is new; one that is only looked after must not, since that is
        done again and again, and would keep a bot's lock from all else.
        """
        with contextlib.suppress(AlreadyEnqueued):  # one that waits does as well
            await self.app.configure_task(
                ADVANCE,
                lock=_lock(bot, incident),
                queueing_lock=f"incident:{incident}",
                priority=max(_priority(alert), _BEGUN if begun else 0),
            ).defer_async(incident=incident)

    async def pending(self, connection: Connection) -> set[int]:
        """Return the incidents that a job runs or waits for."""
        found = await connection.execute(
            "SELECT DISTINCT (args->>'incident')::bigint FROM procrastinate_jobs "
            "WHERE status IN ('todo', 'doing') AND args ? 'incident'"
        )
        return {id_ for (id_,) in await found.fetchall()}

    async def run_now(self, incident: int, bot: str, action: str, by: str) -> None:
        """Ask for an action that a person wants, before all else that waits for the bot."""
        await self.app.configure_task(RUN_NOW, lock=_lock(bot, incident), priority=_ASKED).defer_async(
            incident=incident, action=action, by=by
        )

    async def hold(self, bot: str) -> None:
        """Ask for a halted bot to be paused again, unless that is asked for already."""
        with contextlib.suppress(AlreadyEnqueued):
            await self.app.configure_task(
                HOLD, lock=f"bot:{bot}", queueing_lock=f"hold:{bot}", priority=_URGENT
            ).defer_async(bot=bot)

    async def wake(self, incident: Incident, at: datetime) -> None:
        """Ask for an incident to be advanced at a time, or at once where that is past."""
        if at <= datetime.now(UTC):
            await self.advance(incident.id, incident.bot, incident.alert, begun=True)
        else:
            timer = self.app.configure_task(WAKE, schedule_at=at, priority=_BEGUN)
            await timer.defer_async(incident=incident.id)


def _priority(alert: str) -> int:
    return _URGENT if alert == _CRITICAL_LOSS else 0


def _lock(bot: str, incident: int) -> str:
    return f"bot:{bot}" if bot else f"incident:{incident}"
