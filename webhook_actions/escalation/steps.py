"""Wakes people about an incident, one after the other, until somebody answers or it is over."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

import procrastinate

from stack.settings import Settings
from webhook_actions.actions import Action
from webhook_actions.engine.jobs import Jobs
from webhook_actions.escalation import acknowledgements, policy
from webhook_actions.escalation.links import Links
from webhook_actions.escalation.policy import Plan
from webhook_actions.metrics import Metrics
from webhook_actions.notify.delivery import Post
from webhook_actions.outcome import Outcome
from webhook_actions.outgoing import Outgoing
from webhook_actions.report import archive
from webhook_actions.store import deliveries, escalation_steps
from webhook_actions.store.database import GONE, Connection, Pool
from webhook_actions.store.deliveries import Claimed
from webhook_actions.store.incidents import Incident

log = logging.getLogger(__name__)

LIFT_SILENCE = "lift_silence"
_LOOK_EVERY = 0.5  # seconds between two looks for steps that are due
_TIDY_EVERY = 3600.0  # seconds between two looks for what the outbox may forget
_LIFT = procrastinate.RetryStrategy(max_attempts=8, exponential_wait=4)  # for some hours


class Escalation:
    """The people's side of the engine. What it is told of an incident is written with the caller's change."""

    def __init__(self, settings: Settings, pool: Pool, jobs: Jobs, metrics: Metrics) -> None:
        self._settings = settings
        self._pool = pool
        self._jobs = jobs
        self._metrics = metrics
        self.links = Links(settings)
        self.outgoing = Outgoing(settings)
        self._post = Post(settings, pool, metrics, self._failed, self.links)

    def register(self, app: procrastinate.App) -> None:
        """Register the job that lifts a silence; steps and letters are rows, which `work` looks for."""

        @app.task(name=LIFT_SILENCE, retry=_LIFT)
        async def lift_silence(silence: str) -> None:
            await acknowledgements.lift(self._settings, silence)

    async def work(self) -> None:
        """Take steps and send letters as they become due, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._climb(), name="climb")
            group.create_task(self._post.work(), name="post")
            group.create_task(self._tidy(), name="tidy")

    async def opened(self, connection: Connection, incident_ids: Sequence[int]) -> None:
        """Begin to tell of incidents that were just opened, in the transaction that opened them."""
        if not incident_ids:
            return
        repeated = self._settings.escalation.repeated_alerts
        said: set[tuple[str, str]] = set()
        plans: list[tuple[int, int, Plan]] = []
        for one in await escalation_steps.opened(
            connection, incident_ids, float(repeated.window), repeated.count
        ):
            repeats = one.repeats and (one.alert, one.bot) not in said
            if repeats:
                said.add((one.alert, one.bot))
            plans += [(one.id, 0, step) for step in policy.at_opening(self._settings, one.subject, repeats)]
        await escalation_steps.plan(connection, plans)
        await self.outgoing.opened(connection, incident_ids)

    async def gave_up(self, incident: Incident, why: str) -> None:
        """Tell the administrator at once, and once per incident, that nothing is left to try."""
        async with self._pool.transaction() as connection:
            await self._tell_administrator(connection, incident, why)

    async def acted(
        self, connection: Connection, incident: Incident, action: Action, outcome: Outcome
    ) -> None:
        """Tell of an action that ended, in the transaction that writes how."""
        await self.outgoing.acted(connection, incident, action.name, action.effect, outcome)
        if action.tells and outcome.done:
            await self._tell_administrator(connection, incident, f"{action.name} is among its actions")
        for kept in await archive.keep(connection, self._settings, outcome.reports, incident.id):
            await self.outgoing.report(connection, f"{kept.bot} {kept.period}", archive.summary(kept))

    async def _tell_administrator(self, connection: Connection, incident: Incident, why: str) -> None:
        """Plan the administrator's message; the second of an incident, of whatever reason, is none."""
        if incident.severity in policy.ESCALATED:
            await escalation_steps.plan(connection, [(incident.id, 0, Plan(policy.SPENT, 0, 0.0, why))])

    async def closed(self, connection: Connection, incident: Incident) -> None:
        """End everything that was said or silenced about an incident, in the transaction that closes it."""
        await escalation_steps.cancel(connection, incident.id)
        silences = [ack.silence for ack in await acknowledgements.of(connection, incident.id) if ack.silence]
        task = self._jobs.app.configure_task(LIFT_SILENCE)
        lifts = [task.job.evolve(task_kwargs={"silence": silence}) for silence in silences]
        if lifts:  # a silence that outlived its incident would hide the next one
            await self._jobs.app.job_manager.batch_defer_jobs_async(lifts, connection=connection)
        await self.outgoing.incident(connection, incident, "closed", reason=incident.close_reason)

    async def acknowledged(
        self, connection: Connection, incident: Incident, by: str, comment: str, silence: str | None = None
    ) -> bool:
        """Write that somebody has it, which stops the escalation; `silence` is the id of a silence.

        Returns False where the incident is not open any more.
        """
        done = await acknowledgements.acknowledge(connection, incident.id, by, comment, silence)
        if done:
            await self._answered(connection, incident, "acknowledged", by, comment)
        return done

    async def snoozed(
        self,
        connection: Connection,
        incident: Incident,
        by: str,
        until: datetime,
        comment: str = "",
        silence: str | None = None,
    ) -> bool:
        """Write that nobody need be told until a time, when the climb begins anew; else as `acknowledged`."""
        done = await acknowledgements.snooze(connection, incident.id, by, until, comment, silence)
        if done:
            await self._answered(connection, incident, "snoozed", by, comment, until=until)
        return done

    async def _answered(
        self, connection: Connection, incident: Incident, what: str, by: str, comment: str, **more: object
    ) -> None:
        await self.outgoing.incident(connection, incident, what, by=by, comment=comment, **more)
        await self.outgoing.annotate(connection, incident, f"{what} by {by}. {comment}".strip(), what)

    async def _failed(self, connection: Connection, letter: Claimed) -> None:
        """Pass on to the next person when nothing of a step could be delivered."""
        if letter.step is not None:
            why = f"{letter.contact} could not be reached"
            await escalation_steps.pass_on(connection, letter.step, why)

    async def _climb(self) -> None:
        while True:
            try:
                while await self._take_due():
                    pass
            except GONE as error:
                log.warning("escalation waits for the database", extra={"reason": str(error)})
            await asyncio.sleep(_LOOK_EVERY)

    async def _take_due(self) -> int:
        """Take the steps whose time has come, and return how many there were."""
        now = datetime.now(UTC)
        async with self._pool.transaction() as connection:
            due = await escalation_steps.due(connection)
            taken = [
                (
                    one,
                    policy.take(self._settings, one.subject, one.plan, one.round, now)
                    if one.wanted
                    else None,
                )
                for one in due
            ]
            await escalation_steps.write_taken(connection, taken)
        for one, step in taken:
            about = {"incident": one.incident, "alert": one.alert, "rule": one.rule, "level": one.level}
            if step and step.exhausted:
                self._metrics.exhausted.inc()
                log.error("nobody has answered", extra=about)
            elif step and step.entry and step.entry[0] == "escalated":
                self._metrics.escalations.labels(one.severity).inc()
                log.warning("escalated", extra=about | {"contact": step.contact, "reason": one.why})
        return len(due)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_EVERY)
            try:
                async with self._pool.connection() as connection:
                    await deliveries.forget(connection, float(self._settings.webhook_actions.history))
            except GONE as error:
                log.warning("the outbox is tidied later", extra={"reason": str(error)})
