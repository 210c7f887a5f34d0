"""Moves an incident forward: acts, verifies, tries the next rung, closes on proof, hands over to a person."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from psycopg_pool import AsyncConnectionPool

from stack.settings import Settings
from webhook_actions import incidents, tries
from webhook_actions.actions import Action, Effect
from webhook_actions.bots import BotControl, control
from webhook_actions.incidents import Connection, Incident, Step
from webhook_actions.ladder import CANNOT, WOULD_HAVE, Act, GiveUp, Wait, decide
from webhook_actions.metrics import Metrics
from webhook_actions.outcome import Outcome
from webhook_actions.truth import Prometheus, Unreachable, is_firing

log = logging.getLogger(__name__)

_LOOK_AGAIN = 5.0  # seconds, at most, between two looks for the proof


class Wake(Protocol):
    """Sees to it that an incident is advanced again at a time."""

    async def __call__(self, incident: int, at: datetime) -> None:
        """Ask for it, durably."""
        ...


class Engine:
    """What is done about an incident. `advance` may be called at any time, any number of times."""

    def __init__(
        self,
        settings: Settings,
        pool: AsyncConnectionPool[Connection],
        prometheus: Prometheus,
        actions: dict[str, Action],
        metrics: Metrics,
        wake: Wake,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._prometheus = prometheus
        self._actions = actions
        self._metrics = metrics
        self._wake = wake
        self._now = now

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
            await self.escalate(incident, f"nothing is done, since Prometheus cannot be asked: {error}")

    async def forget(self, incident: Incident) -> None:
        """Close an incident of a bot that settings no longer have."""
        await self._close(incident, f"{incident.bot} is no longer watched")

    async def escalate(self, incident: Incident, why: str) -> None:
        """Hand an incident to a person, once. Info is never escalated."""
        if incident.severity == "info":
            return
        to = self._settings.escalation.spent_attempts
        async with self._pool.connection() as connection:
            text = f"to {to.contact} over {', '.join(to.channels)}: {why}"
            first = await incidents.escalate(connection, incident.id, text)
        if first:
            self._metrics.escalations.labels(incident.severity).inc()
            log.warning("escalated", extra=_about(incident) | {"reason": why})

    async def _advance(self, incident: Incident, steps: list[Step]) -> None:
        last = steps[-1] if steps else None
        if last is not None and last.ended_at is None:
            # The process died between intent and outcome: look at what came of it, never repeat it blindly.
            outcome = "the engine was interrupted before it saw the outcome"
            async with self._pool.connection() as connection:
                await tries.interrupted(connection, incident, last, outcome, self._verify_seconds(incident))
            await self._wake(incident.id, self._now())
            return
        if last is not None and last.verdict is None and not await self._judge(incident, last):
            return
        gone = await self._cause_is_gone(incident)
        if not is_firing(incident.labels, await self._prometheus.firing()):
            if gone:
                await self._close(incident, "it no longer fires, and a sample shows that its cause is gone")
        elif incident.gave_up_at is None and not gone:  # an alert may be kept firing after its cause is gone
            await self._try_next(incident)

    async def _judge(self, incident: Incident, step: Step) -> bool:
        """Look for the proof of an action; returns whether the incident may go on to its next try."""
        proof = self._proof(incident, step.action)
        since = step.ended_at and step.ended_at + timedelta(seconds=self._settings.collection.poll_interval)
        verified = proof is None or await self._prometheus.holds(proof, since)
        if not verified and step.verify_until and self._now() < step.verify_until:
            pause = min(self._settings.collection.poll_interval, _LOOK_AGAIN)
            await self._wake(incident.id, min(step.verify_until, self._now() + timedelta(seconds=pause)))
            return False
        verdict = "verified" if verified else "not_verified"
        text = f"{step.action}: {'proven by' if verified else 'no sample since shows'} {proof}"
        async with self._pool.connection() as connection:
            at = await tries.judge(connection, incident, step.id, verdict, text)
        self._metrics.verdicts.labels(step.action, verdict).inc()
        log.info(verdict, extra=_about(incident) | {"action": step.action})
        if verified:
            self._metrics.to_verified.observe((at - incident.opened_at).total_seconds())
        return not verified

    async def _try_next(self, incident: Incident) -> None:
        """Run the next rung of the ladder; rungs that cannot be run are written down and passed."""
        ladder = self._ladder(incident)
        limits = {action: self._settings.actions.limit(action) for action in ladder}
        while True:
            async with self._pool.connection() as connection:
                steps = await incidents.steps(connection, incident.id)
                records = await tries.records(connection, self._settings, incident, ladder)
            match decide(ladder, steps, records, limits, self._now()):
                case Wait(until=until, action=action):
                    await self._say_waiting(incident, action, until)
                    await self._wake(incident.id, until)
                    return
                case GiveUp(reason=reason):
                    await self._give_up(incident, reason)
                    return
                case Act(action=name):
                    if await self._act(incident, name):
                        return

    async def _act(self, incident: Incident, name: str) -> bool:
        """Run an action; returns False when it was passed over and the next rung may be tried."""
        action = self._actions.get(name)
        held_back = await self._held_back(incident, action)
        if action is None or held_back:
            outcome, why = held_back or (CANNOT, "this Nightdesk has no such action")
            effect = action.effect if action else Effect.OBSERVE
            async with self._pool.connection() as connection:
                await tries.skip(connection, incident, name, effect, outcome, why)
            self._metrics.actions.labels(name, outcome).inc()
            return False
        async with self._pool.connection() as connection:
            step = await tries.intend(connection, self._settings, incident, name, action.effect)
        if step is None:
            fleet = self._settings.actions.fleet
            await self._give_up(
                incident,
                f"{name} is not run: within {fleet.window} as many bots as the fleet limit allows were acted "
                "on; it is the host, the network or Nightdesk",
            )
            return True
        await self._run(incident, action, step)
        return True

    async def _run(self, incident: Incident, action: Action, step: int) -> None:
        waited = (self._now() - incident.opened_at).total_seconds()
        self._metrics.to_action.observe(max(waited, 0.0))
        log.info("acting", extra=_about(incident) | {"action": action.name, "step": step})
        bot = control(self._settings, incident.bot, key=f"step-{step}")
        outcome = await asyncio.to_thread(_guarded, action, bot, incident)
        async with self._pool.connection() as connection:
            await tries.end(connection, incident, step, action.name, outcome, self._verify_seconds(incident))
        self._metrics.actions.labels(action.name, outcome.result).inc()
        log.info("acted", extra=_about(incident) | {"action": action.name, "outcome": outcome.result})
        await self._wake(incident.id, self._now())

    async def _held_back(self, incident: Incident, action: Action | None) -> tuple[str, str] | None:
        """Return the outcome and the reason where an action must not run, None where it may."""
        if action is None:
            return None
        if incident.bot not in self._settings.bots:
            return CANNOT, f"{incident.bot or 'no bot'} is in settings' bots"
        if self._settings.actions.dry_run and action.effect is not Effect.OBSERVE:
            return WOULD_HAVE, "actions.dry_run is set"
        if action.effect is Effect.MONEY and action.name not in self._settings.actions.armed:
            return WOULD_HAVE, "it touches money and is not in actions.armed"
        useless = action.useless_when and _for_bot(action.useless_when, incident)
        if useless and await self._prometheus.holds(useless):
            return CANNOT, f"it cannot mend this: {useless}"
        return None

    async def _say_waiting(self, incident: Incident, action: str, until: datetime) -> None:
        async with self._pool.connection() as connection:
            await tries.wait(connection, incident, f"{action} rests until {until:%H:%M:%S} UTC")

    async def _give_up(self, incident: Incident, reason: str) -> None:
        async with self._pool.connection() as connection:
            await tries.give_up(connection, incident)
        await self.escalate(incident, reason)

    async def _close(self, incident: Incident, reason: str) -> None:
        async with self._pool.connection() as connection:
            closed = await incidents.close(connection, incident.id, reason)
        if closed:
            self._metrics.closed.labels(incident.severity).inc()
            log.info("closed", extra=_about(incident) | {"reason": reason})

    async def _cause_is_gone(self, incident: Incident) -> bool:
        """Return whether a sample shows that the cause is gone; a series that vanished shows nothing."""
        proof = self._proof(incident, None)
        return proof is None or await self._prometheus.holds(proof)

    def _proof(self, incident: Incident, action: str | None) -> str | None:
        """Return the PromQL that is true once the cause is gone, None where there is nothing to ask."""
        own = self._actions[action].proof if action in self._actions else None
        alive = f'trading_bot_up{{bot="{_escaped(incident.bot)}"}} == 1' if incident.bot else None
        return incident.annotations.get("verify") or (own and _for_bot(own, incident)) or alive

    def _ladder(self, incident: Incident) -> list[str]:
        alert = self._settings.alerts.get(incident.kind)
        if alert is not None and alert.actions is not None:
            return list(alert.actions)
        return list(getattr(self._settings.severities, incident.severity).actions)

    def _verify_seconds(self, incident: Incident) -> float:
        """Return how long a proof may take: boot, two scrapes and an evaluation, unless set."""
        set_ = self._settings.actions.verify_within
        if set_ is not None:
            return float(set_)
        bot = self._settings.bots.get(incident.bot)
        boot = float((bot and bot.boot) or self._settings.actions.restart.boot)
        collection = self._settings.collection
        return boot + 2 * float(collection.trading.interval) + float(collection.evaluation_interval)


def _guarded(action: Action, bot: BotControl, incident: Incident) -> Outcome:
    """Run an action; an error that it did not foresee is an outcome too, and one that is told."""
    try:
        return action.run(bot, incident)
    except Exception as error:
        log.exception("an action raised", extra=_about(incident) | {"action": action.name})
        return Outcome.failed(f"raised {type(error).__name__}: {error}"[:300])


def _for_bot(expression: str, incident: Incident) -> str:
    return expression.replace("$bot", _escaped(incident.bot))


def _escaped(text: str) -> str:
    """Return a label value as PromQL writes it between double quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _about(incident: Incident) -> dict[str, object]:
    return {"incident": incident.id, "alert": incident.alert, "bot": incident.bot}
