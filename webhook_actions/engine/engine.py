"""Moves an incident forward: judges what was tried, tries the next thing, closes on proof, hands over."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from clients.prometheus import Prometheus, Unreachable
from stack.settings import Settings
from webhook_actions.actions import Action
from webhook_actions.engine.decide import VERIFIED
from webhook_actions.engine.executor import Actor, Wake
from webhook_actions.engine.verification import Proofs, needs_proof
from webhook_actions.escalation.steps import Escalation
from webhook_actions.metrics import Metrics
from webhook_actions.store import incidents, runs
from webhook_actions.store.database import Pool
from webhook_actions.store.incidents import Incident, Step

log = logging.getLogger(__name__)

_LOOK_AGAIN = 5.0  # seconds between two looks for the proof, at first
_PATIENCE = 0.25  # and later, as a share of the time since the action: what takes long is asked less often
_INTERRUPTED = "the engine was interrupted before it saw the outcome"


class Engine:
    """What is done about an incident. `advance` may be called at any time, any number of times."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        prometheus: Prometheus,
        actions: dict[str, Action],
        escalation: Escalation,
        metrics: Metrics,
        wake: Wake,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._prometheus = prometheus
        self._actions = actions
        self._escalation = escalation
        self._metrics = metrics
        self._wake = wake
        self._now = now
        # Of two Prometheus the one that told may be gone, and the other not have seen it yet: Alertmanager,
        # which then hears of the same alert, tells nobody anew of what we had closed.
        collection, several = settings.collection, len(settings.services.prometheus.all) > 1
        late = 2 * float(collection.trading.interval) + 2 * float(collection.evaluation_interval)
        self._another_sees = late if several else 0.0
        self._evaluated = timedelta(seconds=collection.evaluation_interval)  # what fires is seen by then
        self._proofs = Proofs(settings, prometheus, actions)
        self.actor = Actor(
            settings, pool, prometheus, actions, self._proofs, metrics, wake, self._give_up, escalation.acted,
            now,
        )  # fmt: skip

    async def advance(self, incident_id: int) -> None:
        """Do the next thing for an incident, if there is one. Only one call per bot runs at a time."""
        async with self._pool.connection() as connection:
            incident = await incidents.incident(connection, incident_id)
            steps = await incidents.steps(connection, incident_id)
        if incident is None or incident.closed_at is not None:
            return
        try:
            await self._advance(incident, steps)
        except Unreachable as error:
            # Without Prometheus nobody knows whether an action is wanted, or whether it helped.
            why = f"nothing is done, since Prometheus cannot be asked: {error}"
            await self._escalation.gave_up(incident, why)

    async def forget(self, incident_id: int) -> None:
        """Close an incident of a bot that settings no longer have."""
        async with self._pool.connection() as connection:
            incident = await incidents.incident(connection, incident_id)
        if incident:
            await self._close(incident, f"{incident.bot} is no longer watched")

    async def _advance(self, incident: Incident, steps: list[Step]) -> None:
        last = steps[-1] if steps else None
        if last is not None and last.ended_at is None:
            # The process died between intent and outcome: look at what came of it, never repeat it blindly.
            async with self._pool.transaction() as connection:
                within = self._proofs.within(incident.bot)
                await runs.interrupted(connection, incident, last, _INTERRUPTED, within)
            await self._wake(incident, self._now())
            return
        if last is not None and last.verdict is None and not await self._judge(incident, last):
            return
        asked = self._now()
        gone = await self._proofs.of_end(incident)
        if not await self._prometheus.fires(incident.labels):
            sees_all = incident.opened_at + timedelta(seconds=self._another_sees)
            if gone and self._now() < sees_all:
                await self._wake(incident, sees_all)
            elif gone:
                reason = "it no longer fires, and a sample shows that its cause is gone"
                await self._close(incident, reason, asked - self._evaluated)
        # An alert may be kept firing after its cause is gone, which its `verify` shows; news has no cause.
        elif incident.gave_up_at is None and not (gone and "verify" in incident.annotations):
            await self.actor.try_next(incident)

    async def _judge(self, incident: Incident, step: Step) -> bool:
        """Look for the proof of an action; returns whether the incident may go on to its next try."""
        if not needs_proof(self._actions.get(step.action)):
            async with self._pool.connection() as connection:
                await runs.no_verdict(connection, step.id)
            return True
        verdict, proof = await self._proofs.of_action(incident, step)
        proven = verdict == VERIFIED
        if not proven and step.verify_until and self._now() < step.verify_until:
            await self._wake(incident, min(step.verify_until, self._now() + self._pause(step)))
            return False
        text = f"{step.action}: {'proven by' if proven else 'not proven by'} {proof}"
        async with self._pool.transaction() as connection:
            at = await runs.judge(connection, incident, step.id, verdict, text)
        self._metrics.verdicts.labels(step.action, verdict).inc()
        log.info(verdict, extra=_about(incident) | {"action": step.action})
        if proven:
            self._metrics.to_verified.observe((at - incident.opened_at).total_seconds())
        return not proven

    def _pause(self, step: Step) -> timedelta:
        first = timedelta(seconds=min(self._settings.collection.poll_interval, _LOOK_AGAIN))
        return max(first, _PATIENCE * (self._now() - (step.ended_at or self._now())))

    async def _give_up(self, incident: Incident, reason: str) -> None:
        async with self._pool.connection() as connection:
            await runs.give_up(connection, incident)
        await self._escalation.gave_up(incident, reason)

    async def _close(self, incident: Incident, reason: str, over_at: datetime | None = None) -> None:
        async with self._pool.transaction() as connection:
            closed = await incidents.close(connection, incident.id, reason, over_at)
            if closed:
                await self._escalation.closed(connection, closed)
        if closed:
            self._metrics.closed.labels(incident.severity).inc()
            log.info("closed", extra=_about(incident) | {"reason": reason})


def _about(incident: Incident) -> dict[str, object]:
    return {"incident": incident.id, "alert": incident.alert, "bot": incident.bot}
