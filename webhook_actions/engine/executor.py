"""Runs the next rung of an incident's ladder, or what a person asks for, within all that holds it back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from clients.observer import for_bot
from clients.prometheus import Prometheus
from stack.settings import Settings
from webhook_actions.actions import Action, Effect
from webhook_actions.bots import BotControl, control
from webhook_actions.engine.decide import CANNOT, WOULD_HAVE, Act, GiveUp, Wait, decide, ladder_of
from webhook_actions.engine.verification import Proofs
from webhook_actions.hours import maintained_until
from webhook_actions.metrics import Metrics
from webhook_actions.outcome import Outcome
from webhook_actions.store import holds, incidents, runs
from webhook_actions.store.database import Connection, Pool
from webhook_actions.store.incidents import Incident

log = logging.getLogger(__name__)

Wake = Callable[[Incident, datetime], Awaitable[None]]
GiveUpOn = Callable[[Incident, str], Awaitable[None]]
Acted = Callable[[Connection, Incident, Action, Outcome], Awaitable[None]]
_BUSY = timedelta(seconds=2)  # when to look again at a bot that is being acted on


class Actor:
    """Acts on bots. Only one call per bot runs at a time, by the lock of the job that calls it."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        prometheus: Prometheus,
        actions: dict[str, Action],
        proofs: Proofs,
        metrics: Metrics,
        wake: Wake,
        give_up: GiveUpOn,
        acted: Acted,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._prometheus = prometheus
        self._actions = actions
        self._proofs = proofs
        self._metrics = metrics
        self._wake = wake
        self._give_up = give_up
        self._acted = acted
        self._now = now

    async def try_next(self, incident: Incident) -> None:
        """Run the next rung of the ladder; rungs that cannot be run are written down and passed."""
        ladder = ladder_of(self._settings, incident)
        limits = {action: self._settings.actions.limit(action) for action in ladder}
        once = [name for name in ladder if self._once(name)]
        while not await self._rests(incident):
            async with self._pool.connection() as connection:
                steps = await incidents.steps(connection, incident.id)
                records = await runs.records(connection, self._settings, incident, ladder)
            match decide(ladder, steps, records, limits, once, self._now()):
                case Wait(until=until, action=action):
                    async with self._pool.transaction() as connection:
                        await runs.wait(connection, incident, f"{action} rests until {until:%H:%M:%S} UTC")
                    await self._wake(incident, until)
                    return
                case GiveUp(reason=reason):
                    await self._give_up(incident, reason)
                    return
                case Act(action=name):
                    if await self._act(incident, name, len(steps)):
                        return

    async def _rests(self, incident: Incident) -> bool:
        """Return whether nothing is tried for now: all actions are paused, or the bot is maintained."""
        end = maintained_until(self._settings, incident.bot, self._now())
        async with self._pool.connection() as connection:
            paused = await holds.paused(connection)
            if paused:  # the reconciler looks again
                await runs.wait(connection, incident, f"all actions are paused by {paused.paused_by}")
            elif end:
                await runs.wait(connection, incident, f"it is maintained until {end:%a %H:%M %Z}")
        # Only now: whoever holds a connection must not want a second one, or all may wait for each other.
        if end and not paused:
            await self._wake(incident, end)
        return bool(end or paused)

    async def run_now(self, incident: Incident, name: str, by: str) -> None:
        """Run an action that a person asked for: attempts, rests and the fleet limit do not hold it back."""
        action = self._actions.get(name)
        refusal = await self._refusal(incident, action)
        async with self._pool.transaction() as connection:
            await incidents.tell(connection, incident.id, "asked", f"{name}, by {by}")
            if action is None or refusal:
                outcome, why = refusal or (CANNOT, "this Nightdesk has no such action")
                effect = action.effect if action else Effect.OBSERVE
                await runs.skip(connection, incident, name, effect, outcome, why)
                return
            if action.halts:
                await holds.halt(connection, incident.bot, incident.id, f"{name}, asked for by {by}")
            step = await runs.begin(connection, incident, name, action.effect)
        await self._run(incident, action, step)

    async def hold(self, bot: str) -> None:
        """Pause a halted bot again that somebody, or its own start, let trade."""
        async with self._pool.connection() as connection:
            if not await holds.is_halted(connection, bot):
                return
        paused = await asyncio.to_thread(control(self._settings, bot, key="halt").pause)
        log.warning("a halted bot was paused again", extra={"bot": bot, "outcome": paused.detail})

    async def _act(self, incident: Incident, name: str, seen: int) -> bool:
        """Run an action; returns False when it was passed over and the next rung may be tried."""
        action = self._actions.get(name)
        held_back = await self._held_back(incident, action)
        if action is None or held_back:
            outcome, why = held_back or (CANNOT, "this Nightdesk has no such action")
            effect = action.effect if action else Effect.OBSERVE
            async with self._pool.transaction() as connection:
                await runs.skip(connection, incident, name, effect, outcome, why)
            self._metrics.actions.labels(name, outcome).inc()
            return False
        async with self._pool.transaction() as connection:
            step = await runs.intend(connection, self._settings, incident, action, seen)
        match step:
            case None:
                fleet = self._settings.actions.fleet
                await self._give_up(
                    incident,
                    f"{name} is not run: within {fleet.window} as many bots as the fleet limit allows were "
                    "acted on; it is the host, the network or Nightdesk",
                )
            case runs.Busy():
                await self._wake(incident, self._now() + _BUSY)
            case _:
                await self._run(incident, action, step)
        return True

    async def _run(self, incident: Incident, action: Action, step: int) -> None:
        waited = (self._now() - incident.opened_at).total_seconds()
        self._metrics.to_action.observe(max(waited, 0.0))
        log.info("acting", extra=_about(incident, action) | {"step": step})
        async with self._pool.connection() as connection:
            key = await runs.key(connection, step)
        bot = control(self._settings, incident.bot, key)
        outcome = await asyncio.to_thread(_guarded, action, bot, incident)
        if action.effect is Effect.DISRUPTIVE and outcome.done:
            outcome = await self._still_halted(incident, bot, outcome)
        within = self._proofs.within(incident.bot)
        async with self._pool.transaction() as connection:
            if await runs.end(connection, incident, step, action.name, outcome, within):
                await self._acted(connection, incident, action, outcome)
        self._metrics.actions.labels(action.name, outcome.result).inc()
        log.info("acted", extra=_about(incident, action) | {"outcome": outcome.result})
        await self._wake(incident, self._proofs.first_look(action, self._now()))

    async def _still_halted(self, incident: Incident, bot: BotControl, outcome: Outcome) -> Outcome:
        """Pause a halted bot again after what may have started it."""
        async with self._pool.connection() as connection:
            if not await holds.is_halted(connection, incident.bot):
                return outcome
        paused = await asyncio.to_thread(bot.pause)
        if paused.done:
            return Outcome.ok(f"{outcome.detail}; it is halted, so it was paused again")
        return Outcome.failed(f"{outcome.detail}; it is halted, but could not be paused: {paused.detail}")

    async def _held_back(self, incident: Incident, action: Action | None) -> tuple[str, str] | None:
        """Return the outcome and the reason where an action must not run by itself, None where it may."""
        if refusal := await self._refusal(incident, action):
            return refusal
        if action is None:
            return None
        if action.effect is Effect.MONEY and action.name not in self._settings.actions.armed:
            return WOULD_HAVE, "it touches money and is not in actions.armed"
        useless = action.useless_when and for_bot(action.useless_when, incident.bot)
        if useless and await self._prometheus.holds(useless):
            return CANNOT, f"it cannot mend this: {useless}"
        return None

    async def _refusal(self, incident: Incident, action: Action | None) -> tuple[str, str] | None:
        """Return the outcome and the reason where nobody may run an action, None where a person may."""
        if action is None:
            return None
        looks_around = not incident.bot and action.effect is Effect.OBSERVE  # a host, an endpoint, all bots
        if incident.bot not in self._settings.bots and not looks_around:
            return CANNOT, f"{incident.bot or 'no bot'} is not among settings' bots"
        if self._settings.actions.dry_run and action.effect is not Effect.OBSERVE:
            return WOULD_HAVE, "actions.dry_run is set"
        return None

    def _once(self, name: str) -> bool:
        """Return whether an action is run once per incident; looking twice tells nothing new."""
        action = self._actions.get(name)
        return action is not None and (action.once or action.effect is Effect.OBSERVE)


def _guarded(action: Action, bot: BotControl, incident: Incident) -> Outcome:
    """Run an action; an error that it did not foresee is an outcome too, and one that is told."""
    try:
        return action.run(bot, incident)
    except Exception as error:
        log.exception("an action raised", extra=_about(incident, action))
        return Outcome.failed(f"raised {type(error).__name__}: {error}"[:300])


def _about(incident: Incident, action: Action) -> dict[str, object]:
    return {
        "incident": incident.id,
        "alert": incident.alert,
        "bot": incident.bot,
        "action": action.name,
    }
