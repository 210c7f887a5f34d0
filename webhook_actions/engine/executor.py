"""Carries out one attempt of an action: checks before each order, and writes the result."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from stack.settings import Settings
from stack.settings.hours import maintained_until
from webhook_actions.actions import Action, Effect, Run
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import (
    BotStatus,
    Guard,
    Mode,
    OrderRefused,
    Target,
    orders_nothing,
    reached,
)
from webhook_actions.engine.attempt import Attempt, AttemptGuard
from webhook_actions.engine.decisions import REFUSED, Holds, Verdict
from webhook_actions.engine.facts import Planner
from webhook_actions.engine.orders import forbids
from webhook_actions.engine.threads import Threads
from webhook_actions.engine.verification import Verification
from webhook_actions.escalation.steps import Escalation
from webhook_actions.metrics import Metrics
from webhook_actions.outcome import Outcome, Result
from webhook_actions.store import controls, holds, incidents, runs
from webhook_actions.store.database import GONE, Connection, Pool
from webhook_actions.store.runs import Ending, Lease

log = logging.getLogger(__name__)

Control = Callable[[Settings, str, str, Guard], BotControl]

TARGETS_AT_ONCE = 64  # reductions of risk never wait for bots that hang in a restart
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # seconds between two attempts to reach a target
# seconds after which people are notified of a target that is not reached; an order may take a moment
_PATIENT_ATTEMPTS = 3
_WRITE_AGAIN = 0.5
RETIRED = "the settings were reloaded, or Nightdesk stops"
_GRACE = 20.0  # seconds in which a stopping executor finishes running attempts


class Executor:
    """Runs committed attempts. A crash in one becomes its outcome and never ends the engine."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        planner: Planner,
        verification: Verification,
        escalation: Escalation,
        metrics: Metrics,
        control: Control,
        threads: Threads,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._planner = planner
        self._verification = verification
        self._escalation = escalation
        self._metrics = metrics
        self._control = control
        self._threads = threads
        self.now = now
        self.superseded = False  # engines of a newer Nightdesk use the same database
        self._stopping = False
        self._running: dict[int, asyncio.Task[None]] = {}
        self._targets = 0

    @property
    def retired(self) -> bool:
        """Whether nothing new may start: it stops, or another engine took over."""
        return self._stopping or self.superseded

    def has_room(self, action: Action, begun: int) -> bool:
        """Return whether an attempt of an action could start now, beside `begun` that are about to."""
        if self.retired:
            return False
        if action.target is not None:
            return self._targets + begun < TARGETS_AT_ONCE
        return len(self._running) - self._targets + begun < self._settings.webhook_actions.workers

    def lease(self, bot: str, action: Action) -> float:
        """Return the longest seconds of an attempt: the sum of its time-outs."""
        control = self._control(self._settings, bot, "", orders_nothing)
        if action.target is not None:
            longest = control.longest_to_target
        else:
            longest = control.longest_to_look if action.effect is Effect.OBSERVE else control.longest
        return longest + float(self._settings.webhook_actions.heartbeat)

    def start(self, attempt: Attempt) -> None:
        """Start an attempt that was just committed."""
        run, targeted = attempt.lease.run, attempt.action.target is not None
        task = asyncio.get_running_loop().create_task(self._carry_out(attempt), name=f"run {run}")
        self._running[run] = task
        self._targets += targeted

        def ended(_: asyncio.Task[None]) -> None:
            self._running.pop(run, None)
            self._targets -= targeted

        task.add_done_callback(ended)

    async def stop(self) -> None:
        """Send no new orders; let running attempts end for some time."""
        self._stopping = True
        if self._running:
            await asyncio.wait(self._running.values(), timeout=_GRACE)
        for task in self._running.values():
            task.cancel()

    async def _carry_out(self, attempt: Attempt) -> None:
        incident, action = attempt.incident, attempt.action
        about = {"incident": incident.id, "alert": incident.alert, "bot": incident.bot, "action": action.name}
        waited = max((self.now() - incident.opened_at).total_seconds(), 0.0)
        self._metrics.to_action.labels(incident.bot).observe(waited)
        log.info("acting", extra=about | {"run": attempt.lease.run, "attempt": attempt.attempts})
        guard = AttemptGuard(attempt, self.ask, self.now)
        bot = self._control(self._settings, incident.bot, f"run-{attempt.lease.run}", guard)
        try:
            ending, outcome = await self._threads.run(lambda: self._attempt(attempt, bot, guard))
        except (OrderRefused, *GONE) as refusal:
            outcome = Outcome(Result.FAILED, f"held back: {refusal}", orders=guard.passed)
            ending = self._held_back(attempt, outcome, guard)
        except Exception as error:
            log.exception("an action failed with an exception", extra=about)
            why = f"raised {type(error).__name__}: {error}"[:300]
            outcome = Outcome(Result.FAILED, why, orders=guard.passed)
            ending = self._ending(attempt, outcome, None)
            if guard.owes_mode:
                ending = Ending(Result.RETRY, why, outcome.orders, ending.verify, self._pause(attempt))
        await self._write(attempt, ending, outcome)
        if ending.pause is None or attempt.attempts >= _PATIENT_ATTEMPTS:  # an order may take a moment
            self._metrics.actions.labels(incident.bot, action.name, ending.outcome).inc()
        log.info("acted", extra=about | {"outcome": ending.outcome, "reason": ending.detail})

    def _attempt(self, attempt: Attempt, bot: BotControl, guard: AttemptGuard) -> tuple[Ending, Outcome]:
        """Call the bot in a thread. Raises OrderRefused if the guard does."""
        action = attempt.action
        if attempt.before is None and (missing := bot.adapter.lacks(action.verbs)):
            return self._ending(attempt, missing, None), missing
        if action.run is not None:
            return self._act(attempt, action.run, bot, guard)
        target = attempt.target or self._target(attempt, bot)
        if isinstance(target, Outcome):
            return self._ending(attempt, target, None), target
        outcome = bot.bring_to(target)
        seen = bot.standing()
        proof = seen if isinstance(seen, Outcome) else reached(target, seen)
        return self._ending(attempt, outcome, proof), outcome

    def _act(
        self, attempt: Attempt, run: Run, bot: BotControl, guard: AttemptGuard
    ) -> tuple[Ending, Outcome]:
        """Run an action without a target, and bring the bot's trading loop back. Raises OrderRefused."""
        outcome, before = Outcome.ok("an earlier attempt was interrupted or left it so"), attempt.before
        was_kept = False
        if before is None:
            before, ours = self._before(attempt, bot) if attempt.action.keeps_mode else (None, False)
            if before is Mode.STOPPED and bot.mode() is Mode.STOPPED:
                # A process that continues an interrupted attempt could not tell our start from the owner's.
                left = Outcome.cannot("its owner stopped it, so it stays stopped")
                return self._ending(attempt, left, None), left
            if before and not self._threads.ask(self._write_before(attempt.lease, before)):
                raise OrderRefused("its lease is over")
            guard.keeps_mode = before is not None
            was_kept = before is not None and self._is_kept(bot)
            outcome = Outcome.ok("an earlier action had stopped it") if ours else run(bot, attempt.incident)
            if before is None or not (outcome.orders or ours):
                return self._ending(attempt, outcome, None), outcome
        self._note_astray(bot, was_kept=was_kept)
        back = bot.come_back(self._threads.ask(self._wanted(attempt.incident.bot, before)))
        detail, orders = f"{outcome.detail}; {back.detail}", outcome.orders + back.orders
        # samples show the mode of a bot that does not answer
        if back.done or isinstance(bot.mode(), Outcome):
            both = Outcome(outcome.result if back.done else back.result, detail, orders=orders)
            return replace(self._ending(attempt, both, None), back=back.done), both
        within = self._verification.within(attempt.incident.bot)
        ending = Ending(Result.RETRY, detail, orders, within, self._pause(attempt))
        return ending, Outcome.retry(detail, orders)

    def _is_kept(self, bot: BotControl) -> bool:
        """Return whether a bot is not halted, or halted and flat."""
        standing = bot.standing() if self._threads.ask(self._is_halted(bot.name)) else None
        return standing is None or (isinstance(standing, BotStatus) and standing.positions == ())

    def _note_astray(self, bot: BotControl, *, was_kept: bool) -> None:
        """Write that a halted bot may have entered while an action let its trading loop run for a moment.

        Positions that it had before, after a person took the close over, are left to that person.
        """
        if self._threads.ask(self._is_halted(bot.name)) and (was_kept or bot.mode() is Mode.RUNNING):
            self._threads.ask(self._write_astray(bot.name))

    async def _is_halted(self, bot: str) -> bool:
        async with self._pool.connection() as connection:
            return await holds.is_halted(connection, bot)

    async def _write_astray(self, bot: str) -> None:
        async with self._pool.transaction() as connection:
            await holds.claim_astray(connection, bot, 0.0)  # the keeper closes it at its next check

    def _before(self, attempt: Attempt, bot: BotControl) -> tuple[Mode | None, bool]:
        """Return the bot's mode before, None if unknown, and whether Nightdesk stopped it."""
        mode = bot.mode()
        left = self._threads.ask(self._left_astray(bot.name))
        if isinstance(mode, Mode):
            ours = mode is Mode.STOPPED and left not in (None, Mode.STOPPED)
            return (left if ours else mode), ours
        return left or bot.last_mode(), False

    async def _left_astray(self, bot: str) -> Mode | None:
        since = float(self._settings.actions.attempts_window)
        async with self._pool.connection() as connection:
            before = await runs.left_astray(connection, bot, since)
        return Mode(before) if before else None

    async def _wanted(self, bot: str, before: Mode) -> Mode:
        """Return the wanted mode: a bot whose entries were stopped meanwhile stays without entries."""
        async with self._pool.connection() as connection:
            stopped = await holds.is_halted(connection, bot) or any(
                left.released_by is None for left in await controls.left(connection, bot)
            )
        return Mode.PAUSED if before is Mode.RUNNING and stopped else before

    async def _write_before(self, lease: Lease, before: Mode) -> bool:
        async with self._pool.transaction() as connection:
            return await runs.set_before(connection, lease, before)

    def _target(self, attempt: Attempt, bot: BotControl) -> Target | Outcome:
        """Return the target of an attempt, stored before anything is ordered. Raises OrderRefused."""
        if attempt.action.target is None:
            raise TypeError(f"{attempt.action.name} has no target")
        # A close or a pause needs no report of the bot: a bot without one is closed too.
        target = attempt.action.target(bot, BotStatus.unknown())
        if isinstance(target, Outcome):
            standing = bot.standing()
            target = standing if isinstance(standing, Outcome) else attempt.action.target(bot, standing)
        if isinstance(target, Outcome):
            return target
        before = bot.mode() if target.paused else Mode.PAUSED
        if not self._threads.ask(self._write_target(attempt, target, before)):
            raise OrderRefused("its lease is over")
        return target

    async def _write_target(self, attempt: Attempt, target: Target, before: Mode | Outcome) -> bool:
        """Store the target, and that entries are stopped if they were not.

        Also if a release could not be undone yet: then it is no longer undone.
        """
        incident = attempt.incident
        async with self._pool.transaction() as connection:
            held = await runs.set_target(connection, attempt.lease, target.to_json())
            ours = bool(await controls.left(connection, incident.bot))
            if held and (before is not Mode.PAUSED or (target.paused and ours)):
                why = f"{attempt.action.name} for {incident.alert}"
                known = None if isinstance(before, Outcome) else before
                await controls.leave(connection, incident.bot, incident.id, why, known)
            return held

    def ask(self, attempt: Attempt) -> str | None:
        """Return, in the attempt's thread, why an order must not be sent, None if it may."""
        return self._threads.ask(self._refusal(attempt))

    async def _refusal(self, attempt: Attempt) -> str | None:
        """Return what a person or another engine has done against it since the attempt was committed."""
        if self.retired:
            return RETIRED
        incident, planned = attempt.incident, self._planner.planned(attempt.action.name, attempt.incident)
        if planned is None:
            return "there is no such action"
        try:
            async with self._pool.connection() as connection:
                check = await holds.check(connection, attempt.lease, incident.id, incident.bot)
        except GONE as error:
            return f"the database does not say whether it is still wanted: {type(error).__name__}"
        if not check.leased:
            return "another engine took it over, or a stronger action replaced it"
        if attempt.before is not None:  # no other hold stops the undoing of our own harm
            return f"all actions are paused by {check.paused_by}" if check.paused_by else None
        held = Holds(
            check.paused_by,
            maintained_until(self._settings, incident.bot, self.now()),
            check.acknowledged_by,
            check.acknowledged_until,
            check.halted,
        )
        return forbids(held, planned, incident.kind, attempt.asked_by)

    def _ending(self, attempt: Attempt, outcome: Outcome, proof: Outcome | None) -> Ending:
        """Return the end of an attempt: an unreached target is pursued, everything else is judged later."""
        within = self._verification.within(attempt.incident.bot)
        result, detail, orders = outcome.result, outcome.detail, outcome.orders
        if proof is not None and proof.done:
            return Ending(Result.DONE, f"{detail}; {proof.detail}", orders, within, None, Verdict.VERIFIED)
        # An impossible action is not repeated for ever, nor is a choice that failed.
        hopeless = orders == 0 and (
            result is Result.CANNOT or (result is Result.FAILED and attempt.action.paced)
        )
        if attempt.action.target is not None and not hopeless:
            left = f"{detail}; {proof.detail}" if proof else detail
            return Ending(Result.RETRY, left, orders, within, self._pause(attempt))
        nothing = Verdict.NONE if result is Result.CANNOT else Verdict.NOT_VERIFIED
        if attempt.action.effect is Effect.OBSERVE:
            return Ending(result, detail, orders, within, None, Verdict.NONE)
        return Ending(result, detail, orders, within, None, nothing if hopeless else None)

    def _held_back(self, attempt: Attempt, outcome: Outcome, guard: AttemptGuard) -> Ending:
        """Return how an interrupted attempt ends; the engine then decides again."""
        within, orders = self._verification.within(attempt.incident.bot), outcome.orders
        if attempt.action.target is not None or guard.owes_mode:
            return Ending(Result.RETRY, outcome.detail, orders, within, 0.0)
        if orders:
            return Ending(Result.FAILED, outcome.detail, orders, within)
        return Ending(REFUSED, outcome.detail, 0, within, None, Verdict.NONE)

    @staticmethod
    def _pause(attempt: Attempt) -> float:
        return min(_FIRST_PAUSE * 2.0 ** min(attempt.attempts - 1, 10), _LONGEST_PAUSE)

    async def _write(self, attempt: Attempt, ending: Ending, outcome: Outcome) -> None:
        """Write how an attempt ended, while its lease lasts; after that it counts as interrupted."""
        while True:
            try:
                async with self._pool.transaction() as connection:
                    if not await runs.end(connection, attempt.lease, ending):
                        return
                    await self._tell(connection, attempt, ending, outcome)
                    look = self._verification.first_look(attempt.action)
                    await incidents.wake(connection, [attempt.incident.id], after=look)
                return
            except GONE as error:
                log.warning("an outcome cannot be written yet", extra={"reason": str(error)})
                if self.now() >= attempt.lease.ends:
                    return
                await asyncio.sleep(_WRITE_AGAIN)

    async def _tell(self, connection: Connection, attempt: Attempt, ending: Ending, outcome: Outcome) -> None:
        """Write the messages and events about an attempt."""
        incident, name = attempt.incident, attempt.action.name
        over = ending.pause is None
        if over or outcome.orders or attempt.attempts == 1:
            await incidents.add_to_timeline(
                connection, incident.id, ending.outcome, f"{name}: {ending.detail}"
            )
            await self._escalation.acted(connection, incident, attempt.action, outcome)
        if ending.verdict == Verdict.VERIFIED:
            await incidents.add_to_timeline(
                connection, incident.id, Verdict.VERIFIED, f"{name}: proven by the bot itself"
            )
            self._metrics.verdicts.labels(incident.bot, name, Verdict.VERIFIED).inc()
            took = (self.now() - incident.opened_at).total_seconds()
            self._metrics.to_verified.labels(incident.bot).observe(took)
        elif not over and attempt.attempts >= (_PATIENT_ATTEMPTS if attempt.action.target else 2):
            since = (self.now() - attempt.began).total_seconds()
            await self._escalation.target_not_reached(connection, incident, name, ending.detail, since)
