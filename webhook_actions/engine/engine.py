"""Moves incidents forward: claims due ones, observes, decides in one transaction, and acts."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from stack.settings import Settings
from webhook_actions.actions import Action, Effect
from webhook_actions.bots.protocol import Mode, Target
from webhook_actions.engine import decisions as d
from webhook_actions.engine import facts
from webhook_actions.engine.attempt import Attempt
from webhook_actions.engine.decide import decide
from webhook_actions.engine.executor import Executor
from webhook_actions.engine.facts import Known, Planner
from webhook_actions.engine.verification import Seen, Verification
from webhook_actions.escalation.steps import Escalation
from webhook_actions.metrics import Metrics
from webhook_actions.payload import severity_of
from webhook_actions.store import holds, incidents, runs
from webhook_actions.store.database import GONE, Clock, Connection, Pool
from webhook_actions.store.incidents import Claim, DueUpdate, Incident

log = logging.getLogger(__name__)

_AT_ONCE = 100  # incidents in one round
_LEASE = 60.0  # seconds for a round: longer than all its questions may take
_FULL = timedelta(milliseconds=500)  # seconds until an attempt may find room
_IN_TURN = timedelta(milliseconds=20)  # seconds between two incidents that look for room
_AFTER_DEFECT = timedelta(seconds=60)
_DECISIONS = 20  # decisions about one incident in one round; more is a defect, and waits


@dataclass
class _Round:
    """One round over several incidents in one transaction: observations, new runs, next due times."""

    seen: Seen
    known: dict[int, Known]  # incidents that are still undecided
    changed: set[str] = field(default_factory=set)  # bots whose runs changed since they were read
    dues: list[DueUpdate] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    confirmed: dict[int, Incident] = field(default_factory=dict)
    acted_on: set[str] | None = None  # bots that count for the fleet limit, once it was read
    told: list[tuple[int, str, str]] = field(default_factory=list)
    written: list[Callable[[], object]] = field(default_factory=list)  # counted once it is committed


class Engine:
    """Moves incidents forward. Several engines may share a database."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        actions: Mapping[str, Action],
        planner: Planner,
        verification: Verification,
        executor: Executor,
        escalation: Escalation,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._actions = actions
        self._planner = planner
        self._verification = verification
        self._executor = executor
        self._escalation = escalation
        self._metrics = metrics
        self._now = clock
        self._looked_at: set[str] = set()  # bots; a round locks its bots
        self._last_turns: dict[str, datetime] = {}  # by severity, the number of incidents that wait for room

    async def claim(self) -> Callable[[], Awaitable[None]] | None:
        """Claim due incidents, and return their handler; None if none is due."""
        if self._executor.retired:
            return None  # another engine decides these by newer settings
        async with self._pool.connection() as connection:
            claims = await incidents.claim(connection, _AT_ONCE, _LEASE, self._looked_at)
        bots = {claim.bot for claim in claims if claim.bot}
        self._looked_at |= bots

        async def look() -> None:
            try:
                await self.look(claims)
            finally:
                self._looked_at -= bots

        return look if claims else None

    async def next_due(self) -> float | None:
        """Return the seconds until an incident is due."""
        async with self._pool.connection() as connection:
            return await incidents.next_due(connection, self._looked_at)

    async def look(self, claims: Sequence[Claim]) -> None:
        """Handle each claimed incident. A defect in one does not delay the others."""
        try:
            await self._look(claims)
        except GONE:
            raise
        except Exception as error:
            if len(claims) > 1:
                log.exception("a check of several incidents failed; each is checked alone")
                for claim in claims:
                    await self.look([claim])
                return
            log.exception("an incident could not be checked", extra={"incident": claims[0].incident})
            await self._defect(claims[0], f"a defect of Nightdesk: {type(error).__name__}: {error}"[:300])

    async def _defect(self, claim: Claim, why: str) -> None:
        """Write that an incident met a defect, notify a person, and check the incident again later."""
        async with self._pool.transaction() as connection:
            incident = await incidents.incident(connection, claim.incident)
            if incident is not None:
                await self._escalation.blocked(connection, incident, "defect", why)
            await incidents.schedule(
                connection, [DueUpdate(claim, self._now() + _AFTER_DEFECT, why, "defect")]
            )

    async def _look(self, claims: Sequence[Claim]) -> None:
        ids = [claim.incident for claim in claims]
        async with self._pool.connection() as connection:
            await self._now.read(connection)
            cases = await facts.known(connection, ids, self._planner.remembers)
        seen = await self._verification.observe(cases, self._now())
        async with self._pool.transaction() as connection:
            await incidents.lock_bots(connection, [case.incident.bot for case in cases])
            known = await facts.known(connection, ids, self._planner.remembers)
            look = _Round(seen, {case.incident.id: case for case in known})
            for case in known:
                await self._note_back(connection, look, case)
            counted = [claim for claim in claims if not await self._move(connection, look, claim)]
            if counted:  # last, because the fleet's count locks out every other engine
                window = float(self._settings.actions.fleet.window)
                look.acted_on = await runs.acted_on(connection, window)
                for claim in counted:
                    await self._move(connection, look, claim)
            await incidents.confirm(connection, list(look.confirmed.values()))
            await incidents.tell_all(connection, look.told)
            await incidents.schedule(connection, look.dues)
        for count in look.written:
            count()
        for attempt in look.attempts:
            self._executor.start(attempt)

    @staticmethod
    async def _note_back(connection: Connection, look: _Round, case: Known) -> None:
        """Write the bots that are back in their mode before an action."""
        seen = look.seen.observed.get(case.incident.id)
        if seen is not None and seen.back:
            await runs.note_back(connection, sorted(seen.back))
            look.changed.add(case.incident.bot)

    async def _known(self, connection: Connection, look: _Round, id_: int) -> Known:
        """Return what is known of an incident; read again if this round has changed its bot."""
        bot = look.known[id_].incident.bot
        if bot in look.changed:
            cases = [case for case in look.known.values() if case.incident.bot == bot]
            changed = await facts.with_runs(connection, cases, self._planner.remembers)
            look.known |= {case.incident.id: case for case in changed}
            look.changed.discard(bot)
        return self._confirmed(look, look.known[id_])

    @staticmethod
    def _confirmed(look: _Round, case: Known) -> Known:
        """Take an incident's labels from Prometheus's rule, not from the webhook."""
        incident, alert = case.incident, look.seen.alerts.get(case.incident.id)
        if alert is None or incident.confirmed:
            return case
        confirmed = replace(
            incident,
            severity=severity_of(alert.labels),
            labels={**incident.labels, **alert.labels},
            annotations=dict(alert.annotations),
            confirmed=True,
        )
        look.confirmed[incident.id] = confirmed
        return replace(case, incident=confirmed)

    async def _move(self, connection: Connection, look: _Round, claim: Claim) -> bool:
        """Decide about an incident, and write each decision, until it has to wait.

        Return False if the fleet limit must be read first.
        """
        for _ in range(_DECISIONS):
            case = await self._known(connection, look, claim.incident)
            if case.incident.fence != claim.fence or case.incident.closed_at is not None:
                return True
            decision = self._decision(look, case)
            if decision is None:
                return False
            due = await self._apply(connection, look, case, decision)
            if due is not None:
                look.dues.append(replace(due, claim=claim))
                del look.known[claim.incident]
                return True
            look.changed.add(case.incident.bot)
        log.error("an incident did not come to rest", extra={"incident": claim.incident})
        look.dues.append(DueUpdate(claim, self._now() + _FULL, "too many decisions at once"))
        return True

    def _decision(self, look: _Round, case: Known) -> d.Decision | None:
        """Return the decision; None if it depends on the fleet limit, which was not read yet."""
        observed = look.seen.observed.get(case.incident.id, d.Observed(unreachable="it was not asked"))
        decision = decide(self._planner.facts(case, observed, self._now()))
        if isinstance(decision, d.Run) and decision.run is None:
            action = self._actions[decision.action]
            if action.effect is Effect.DISRUPTIVE and action.target is None:
                if look.acted_on is None:
                    return None
                spent = self._planner.fleet_is_spent(look.acted_on, case.incident.bot)
                return decide(self._planner.facts(case, observed, self._now(), fleet_spent=spent))
        return decision

    async def _apply(
        self, connection: Connection, look: _Round, case: Known, decision: d.Decision
    ) -> DueUpdate | None:
        """Write a decision; return when the incident is due again, None if it continues at once."""
        incident = case.incident
        match decision:
            case d.Run():
                return await self._run(connection, look, case, decision)
            case d.Judge():
                await self._judge(connection, look, incident, decision)
            case d.Interrupt(run=run, reason=reason):
                action = self._actions.get(run.action)
                within = self._verification.within(incident.bot)
                goes_on = action is not None and (action.target is not None or run.before is not None)
                await runs.interrupt(connection, run, reason, within, goes_on=goes_on)
            case d.Skip(action=name, outcome=outcome, reason=reason):
                action = self._actions.get(name)
                effect = action.effect if action else Effect.OBSERVE
                await runs.skip(connection, incident.id, incident.bot, name, effect, outcome, reason)
                if not incident.drill:
                    look.written.append(self._metrics.actions.labels(incident.bot, name, outcome).inc)
            case d.Wait(until=until, reason=reason, told=told):
                if told and reason != incident.waits_for:
                    look.told.append((incident.id, "waiting", reason))
                await self._unblocked(connection, incident)
                return _due(until, reason)
            case d.Blocked(kind=kind, until=until, reason=reason, left=left):
                if left is not None:
                    since = (self._now() - (left.ended_at or left.created_at)).total_seconds()
                    await self._escalation.target_not_reached(
                        connection, incident, left.action, reason, since
                    )
                if kind != incident.blocked:
                    look.told.append((incident.id, "waiting", reason))
                    await self._escalation.blocked(connection, incident, kind, reason)
                    look.written.append(self._metrics.blocked.labels(kind).inc)
                return _due(until, reason, kind)
            case d.GiveUp(reason=reason, tried=tried, again=again, until=until):
                await incidents.hand_over(connection, incident.id)
                await self._escalation.gave_up(connection, incident, reason, tried, again)
                return _due(until, "it waits for a person")
            case d.Close(reason=reason, left=left):
                if left is not None:
                    await self._escalation.no_longer_watched(connection, incident, reason)
                await self._close(connection, look, incident, reason)
                return _due(None, reason)
        return None

    async def _run(self, connection: Connection, look: _Round, case: Known, decision: d.Run) -> DueUpdate:
        """Commit to an attempt, which starts once the transaction is written."""
        incident, action = case.incident, self._actions[decision.action]
        if not self._executor.has_room(action, len(look.attempts)):
            return _due(self._turn(incident), f"{action.name} waits until another action has ended")
        for run in (*case.runs, *case.bot_runs):
            if run.id in decision.replaces:
                why = f"{run.action}: replaced by {action.name}, which is stronger"
                await runs.finish(connection, run, d.Verdict.REPLACED)
                await incidents.add_to_timeline(connection, run.incident, d.Verdict.REPLACED, why)
                await incidents.wake(connection, [run.incident])
        if action.halts:
            await holds.halt(connection, incident.bot, incident.id, f"{action.name} for {incident.alert}")
        lease = self._executor.lease(incident.bot, action)
        earlier = next((run for run in case.runs if run.id == decision.run), None)
        if earlier is None:
            held = await runs.begin(connection, incident.id, incident.bot, action.name, action.effect, lease)
        else:
            held = await runs.go_on(connection, earlier, lease)
        if look.acted_on is not None and action.effect is Effect.DISRUPTIVE and action.target is None:
            look.acted_on.add(incident.bot)
        target = earlier.target if earlier else None
        look.attempts.append(
            Attempt(
                held,
                incident,
                action,
                earlier.asked_by if earlier else None,
                Target.from_json(target) if target else None,
                Mode(earlier.before) if earlier and earlier.before else None,
                earlier.attempts + 1 if earlier else 1,
                (earlier and earlier.started_at) or self._now(),
            )
        )
        look.changed.add(incident.bot)
        await self._unblocked(connection, incident)
        return _due(held.ends, f"{action.name} is under way")

    def _turn(self, incident: Incident) -> datetime:
        """Return when an incident looks for room again: those of a severity take turns."""
        last = self._last_turns.get(incident.severity, datetime.min.replace(tzinfo=UTC))
        turn = max(self._now() + _FULL, last + _IN_TURN)
        self._last_turns[incident.severity] = turn
        return turn

    async def _judge(
        self, connection: Connection, look: _Round, incident: Incident, decision: d.Judge
    ) -> None:
        run, verdict = decision.run, decision.verdict
        text = f"{run.action}: {decision.reason}"
        if decision.refused:
            await runs.finish(connection, run, verdict, d.REFUSED, decision.reason)
            await incidents.add_to_timeline(connection, incident.id, d.REFUSED, text)
            await self._escalation.blocked(connection, incident, f"refused {run.id}", text)
            look.written.append(self._metrics.actions.labels(incident.bot, run.action, d.REFUSED).inc)
            return
        await runs.finish(connection, run, verdict, d.SPARED if decision.spared else None)
        if verdict is d.Verdict.NONE:
            return
        await incidents.add_to_timeline(connection, incident.id, verdict, text)
        look.written.append(self._metrics.verdicts.labels(incident.bot, run.action, verdict).inc)
        given_up = run.target is not None or verdict is d.Verdict.UNKNOWN  # it stays unchanged
        if given_up and verdict is not d.Verdict.VERIFIED:
            await self._escalation.target_not_reached(connection, incident, run.action, decision.reason, None)
        if verdict is d.Verdict.VERIFIED:
            took = (self._now() - incident.opened_at).total_seconds()
            look.written.append(partial(self._metrics.to_verified.labels(incident.bot).observe, took))

    async def _unblocked(self, connection: Connection, incident: Incident) -> None:
        if incident.blocked is not None:
            await self._escalation.unblocked(connection, incident, incident.blocked)

    async def _close(self, connection: Connection, look: _Round, incident: Incident, reason: str) -> None:
        closed = await incidents.close(connection, incident.id, reason, look.seen.over_at)
        if closed:
            await self._escalation.closed(connection, closed)
            if not incident.drill:
                look.written.append(self._metrics.closed.labels(incident.bot, incident.severity).inc)
            about = {"incident": incident.id, "alert": incident.alert, "bot": incident.bot}
            look.written.append(partial(log.info, "closed", extra=about | {"reason": reason}))


def _due(at: datetime | None, reason: str, blocked: str | None = None) -> DueUpdate:
    """Return when an incident is due; its round knows who claimed it."""
    return DueUpdate(_NOBODYS, at, reason, blocked)


_NOBODYS = Claim(0, 0, datetime.max.replace(tzinfo=UTC))
