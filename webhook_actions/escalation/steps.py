"""Notifies people of an incident, one after the other, until somebody acknowledges or it is over."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from stack.settings import Settings
from stack.settings.plan import CLIMB, ESCALATED, NO_NEWS, Step, at_opening, first
from stack.settings.rota import on_call
from webhook_actions.actions import Action
from webhook_actions.escalation import fallback, policy, schedule
from webhook_actions.metrics import Metrics
from webhook_actions.notify import notices
from webhook_actions.notify.silences import ALERTMANAGER
from webhook_actions.outcome import Outcome
from webhook_actions.outgoing import Outgoing
from webhook_actions.report import archive
from webhook_actions.store import acknowledgements, deliveries, escalation_steps, incidents, outages
from webhook_actions.store.database import Connection, Pool
from webhook_actions.store.deliveries import ClaimedDelivery, Delivery
from webhook_actions.store.escalation_steps import DueStep, Taken
from webhook_actions.store.incidents import Incident
from webhook_actions.store.outages import Outage

log = logging.getLogger(__name__)

_UNREACHABLE_FOR = 30.0  # seconds without Prometheus until people are notified that Nightdesk does nothing


class Escalation:
    """The people's side of the engine. Its records about an incident are written with the caller's change."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        metrics: Metrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._metrics = metrics
        self._now = now
        self.outgoing = Outgoing(settings)

    async def opened(self, connection: Connection, incident_ids: Sequence[int]) -> None:
        """Start to notify people of new incidents, in the transaction that opened them."""
        if not incident_ids:
            return
        repeated = self._settings.escalation.repeated_alerts
        said: set[tuple[str, str]] = set()
        plans: list[tuple[int, int, Step]] = []
        window, count = float(repeated.window), repeated.count
        for one in await escalation_steps.opened(connection, incident_ids, window, count):
            repeats = one.repeats and (one.alert, one.bot) not in said
            if repeats:
                said.add((one.alert, one.bot))
            plans += [(one.id, 0, step) for step in at_opening(self._settings, one.subject, repeats)]
        await escalation_steps.plan(connection, plans)
        await self.outgoing.opened(connection, incident_ids)

    async def gave_up(
        self, connection: Connection, incident: Incident, why: str, tried: bool = True, again: bool = False
    ) -> None:
        """Notify at once that no action is left; if the plan had none, that is no news.

        `again`: an action ran since people were notified of that.
        """
        spent = "spent again" if again else "spent"
        await self._notice(connection, incident, spent if tried else NO_NEWS, why)

    async def blocked(self, connection: Connection, incident: Incident, kind: str, why: str) -> None:
        """Notify the administrator of the holds on an incident's actions, each kind once."""
        if kind not in policy.KNOWN_TO_PEOPLE:
            after = _UNREACHABLE_FOR if kind == "unreachable" else 0.0
            await self._notice(connection, incident, kind, why, after)

    async def unblocked(self, connection: Connection, incident: Incident, kind: str) -> None:
        """Cancel the unsent notices about holds."""
        await escalation_steps.cancel(connection, incident.id, policy.notice(kind))

    async def target_not_reached(
        self, connection: Connection, incident: Incident, action: str, left: str, since: float | None
    ) -> None:
        """Notify that a bot is not at its target: at once, and again; it was committed `since` seconds ago.

        None says that it is no longer pursued.
        """
        why = f"{action} has not reached its target: {left}"
        if since is None:
            await self._notice(connection, incident, f"stopped {action}", why)
        else:
            again = int(since // float(self._settings.escalation.critical_loss.again_after))
            await self._notice(connection, incident, f"target {action}", why, level=again)

    async def no_longer_watched(self, connection: Connection, incident: Incident, why: str) -> None:
        """Notify that the watch over a bot ends, and in which mode an action has left the bot.

        People may know that the action failed. They hear of the end too: it is the last message.
        """
        await self._notice(connection, incident, "stopped watching", why)

    async def held(self, connection: Connection, incident: Incident, why: str, since: float) -> None:
        """Notify that a halted bot was trading, and is held again; it was halted `since` seconds ago."""
        again = int(since // float(self._settings.escalation.critical_loss.again_after))
        await self._notice(connection, incident, "stopped hold", why, level=again)

    async def acted(
        self, connection: Connection, incident: Incident, action: Action, outcome: Outcome
    ) -> None:
        """Notify of an action that ended, in the transaction that writes its result."""
        await self.outgoing.acted(connection, incident, action.name, action.effect, outcome)
        if action.tells and outcome.done:
            await self._notice(connection, incident, NO_NEWS, f"{action.name} is one of its actions")
        for kept in await archive.keep(connection, self._settings, outcome.reports, incident.id):
            await self.outgoing.report(connection, f"{kept.bot} {kept.period}", archive.summary(kept))

    async def _notice(
        self,
        connection: Connection,
        incident: Incident,
        kind: str,
        why: str,
        after: float = 0.0,
        level: int = 0,
    ) -> None:
        """Plan a message to the administrator; a second one of the same kind and level has no effect."""
        if incident.severity in ESCALATED:
            step = Step(policy.notice(kind), level, after, why)
            await escalation_steps.plan(connection, [(incident.id, 0, step)])

    async def closed(self, connection: Connection, incident: Incident) -> None:
        """End all messages and silences about an incident, in the transaction that closes it."""
        await escalation_steps.cancel(connection, incident.id)
        answers = await acknowledgements.of(connection, incident.id)
        late = (self._now() - incident.opened_at).total_seconds() > self._respond(incident)
        unanswered = incident.responded_at is None and incident.severity in ESCALATED
        if unanswered and late and not incident.drill:
            self._metrics.responses.labels(incident.bot, incident.severity, "never").inc()
        # A silence that outlived its incident would hide the next one.
        lifts = [Delivery(ALERTMANAGER, answer.silence) for answer in answers if answer.silence]
        await deliveries.write(connection, lifts)
        await self.outgoing.incident(connection, incident, "closed", reason=incident.close_reason)

    async def acknowledged(
        self, connection: Connection, incident: Incident, by: str, comment: str, silence: str | None = None
    ) -> bool:
        """Write that somebody acknowledged, which stops the escalation; `silence` is the id of a silence.

        Return False if the incident is no longer open.
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
        """Write that nobody need be notified until a time, when the escalation starts again."""
        done = await acknowledgements.snooze(connection, incident.id, by, until, comment, silence)
        if done:
            await self._answered(connection, incident, "snoozed", by, comment, until=until)
        return done

    async def responded(self, connection: Connection, incident: Incident) -> None:
        """Write and count how soon a person first acknowledged an incident, or asked for an action."""
        at = await incidents.respond(connection, incident.id)
        if at is None or incident.drill:
            return
        after = (at - incident.opened_at).total_seconds()
        outcome = "within" if after <= self._respond(incident) else "late"
        self._metrics.responses.labels(incident.bot, incident.severity, outcome).inc()
        self._metrics.to_response.labels(incident.bot, incident.severity).observe(after)

    def _respond(self, incident: Incident) -> float:
        """Return the seconds within which somebody should have answered; never, for a foreign severity."""
        wanted = getattr(self._settings.severities, incident.severity, None)
        return float(wanted.respond) if wanted else float("inf")

    async def _answered(
        self, connection: Connection, incident: Incident, what: str, by: str, comment: str, **more: object
    ) -> None:
        await self.responded(connection, incident)
        await self.outgoing.incident(connection, incident, what, by=by, comment=comment, **more)
        await self.outgoing.annotate(connection, incident, f"{what} by {by}. {comment}".strip(), what)

    async def failed(self, connection: Connection, delivery: ClaimedDelivery) -> None:
        """Notify someone over another channel after an SMS or a call failed, else the next person.

        The next person also comes if no message of a step could be delivered.
        """
        if delivery.step is None:
            return
        wakes = delivery.channel in fallback.WAKING
        if wakes:
            tried = await deliveries.of_step(connection, delivery.step, delivery.contact)
            if more := fallback.instead(self._settings, delivery.contact, tried):
                about = delivery.incident, delivery.step, delivery.contact
                written = [Delivery(one.channel, one.address, *about) for one in more]
                await deliveries.write(connection, written)
                return
        why = f"{delivery.contact} could not be reached"
        # A mail does not wake a person as an SMS or a call would.
        await escalation_steps.pass_on(connection, delivery.step, why, ("email",) if wakes else ())
        await escalation_steps.tell_again(connection, delivery.step, policy.TELL_AGAIN)

    async def channel_fails(self, connection: Connection, outage: Outage) -> None:
        """Notify the administrator over other channels that one fails."""
        subject = f"{outage.channel} has failed {outage.failures} times: {outage.reason}"
        text = f"{outage.channel} to {outage.address} fails. Messages over it may not arrive."
        await self._tell_of(connection, outage, subject.replace(" 1 times", " once"), text)

    async def channel_is_back(self, connection: Connection, outage: Outage) -> None:
        """Notify the administrator, over the same channels, that one works again."""
        text = f"It had failed {outage.failures} times: {outage.reason}"
        await self._tell_of(connection, outage, f"{outage.channel} works again", text)

    async def _tell_of(self, connection: Connection, outage: Outage, subject: str, text: str) -> None:
        role = self._settings.escalation.spent_attempts.contact or first(self._settings, "")
        now = self._now()
        name = on_call(await schedule.in_force(connection, self._settings, now), role, now)
        failing = await outages.failing(connection)
        left = fallback.beside(self._settings, name, outage.channel, failing)
        if not left:
            about = {"channel": outage.channel, "contact": name}
            log.error(f"{subject}, and no other channel reaches anybody", extra=about)
        body = notices.body(subject, text)
        written = [Delivery(one.channel, one.address, contact=name, body=body) for one in left]
        await deliveries.write(connection, written)

    async def claim(self) -> Callable[[], Awaitable[None]] | None:
        """Claim the due steps; the transaction that claims them does everything."""
        while await self._take_due():
            pass
        return None

    async def next_due(self) -> float | None:
        """Return the seconds until a step is due."""
        async with self._pool.connection() as connection:
            return await escalation_steps.next_due(connection)

    async def _take_due(self) -> int:
        """Claim the due steps, and return how many there were."""
        now = self._now()
        async with self._pool.transaction() as connection:
            due = await escalation_steps.due(connection)
            settings = await schedule.in_force(connection, self._settings, now) if due else self._settings
            taken = [(one, _take(settings, one, now) if one.wanted else None) for one in due]
            ended = [one for one, step in taken if step and step.exhausted]
            silent = await escalation_steps.undelivered(connection, ended) if ended else ()
            taken = [
                (one, policy.undelivered(settings, step) if step and one.id in silent else step)
                for one, step in taken
            ]
            taken += await self._together(connection, settings, taken, now)
            storm = self._settings.escalation.storm
            await escalation_steps.write_taken(connection, taken, storm.incidents, float(storm.within))
        for one, step in taken:
            about = {"incident": one.incident, "alert": one.alert, "rule": one.rule}
            about["escalation_level"] = one.level
            if step and step.exhausted:
                if not one.drill:
                    self._metrics.exhausted.inc()
                log.error("nobody has answered", extra=about)
            elif step and step.entry and step.entry[0] == "escalated":
                if not one.drill:
                    self._metrics.escalations.labels(one.bot, one.severity).inc()
                log.warning("escalated", extra=about | {"contact": step.contact, "reason": one.why})
        return len(due)

    async def _together(
        self,
        connection: Connection,
        settings: Settings,
        taken: Sequence[tuple[DueStep, Taken | None]],
        now: datetime,
    ) -> list[tuple[DueStep, Taken]]:
        """Claim the steps that would soon notify the same people: they get all in one message."""
        levels = [due for due, one in taken if one and one.addresses and due.rule == CLIMB and due.level]
        if not levels:
            return []
        soon = float(settings.escalation.no_response)
        found = [
            replace(one, why="included in the message about unanswered incidents")
            for one in await escalation_steps.coming(connection, levels, soon)
        ]
        along = [(one, _take(settings, one, now)) for one in found]
        return [(due, one) for due, one in along if one.addresses]


def _take(settings: Settings, due: DueStep, now: datetime) -> Taken:
    return policy.take(settings, due.subject, due.step, due.round, now)
