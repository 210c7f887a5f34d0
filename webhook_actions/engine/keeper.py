"""Keeps halted bots flat and paused, and undoes Nightdesk's acts on a bot after its release."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from stack.settings import Settings
from webhook_actions.actions import Effect
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
from webhook_actions.engine.executor import RETIRED
from webhook_actions.engine.threads import Threads
from webhook_actions.escalation.steps import Escalation
from webhook_actions.metrics import Metrics
from webhook_actions.outcome import Outcome, Result
from webhook_actions.store import controls, holds, incidents, runs
from webhook_actions.store.controls import Control
from webhook_actions.store.database import GONE, Pool
from webhook_actions.store.holds import Halt
from webhook_actions.store.runs import State

log = logging.getLogger(__name__)

_FLAT = Target(others=0.0, paused=True)
_OVER = "it opens positions again: somebody started it"
_MARGIN = 1.0  # seconds
BOTS_AT_ONCE = 16  # hanging bots leave threads to the closing of others
_BEGUN = "its release has begun"


class Keeper:
    """Checks each bot that is halted or whose entries are stopped."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        metrics: Metrics,
        control: Callable[[Settings, str, str, Guard], BotControl],
        threads: Threads,
        retired: Callable[[], bool],
        escalation: Escalation,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`retired` returns whether this engine may order nothing new."""
        self._settings = settings
        self._pool = pool
        self._metrics = metrics
        self._control = control
        self._threads = threads
        self._retired = retired
        self._escalation = escalation
        self._now = now
        self._looks: dict[str, asyncio.Task[None]] = {}  # by bot, the checks that run
        self._room = asyncio.Semaphore(BOTS_AT_ONCE)

    async def once(self) -> None:
        """Check each bot once; a hanging bot does not delay the others."""
        async with self._pool.connection() as connection:
            if self._retired() or self._settings.actions.dry_run or await holds.paused(connection):
                return
            halted = {halt.bot: halt for halt in await holds.halts(connection)}
            left = {control.bot: control for control in await controls.left(connection)}
        bots = sorted((halted.keys() | left.keys()) & self._settings.bots.keys())
        for bot in bots:
            if bot not in self._looks:
                look = self._keep(bot, halted.get(bot), left.get(bot))
                self._looks[bot] = asyncio.get_running_loop().create_task(look, name=f"keep {bot}")
        if self._looks:
            await asyncio.wait(self._looks.values(), timeout=float(self._settings.collection.poll_interval))
        over = [self._looks.pop(bot) for bot, task in list(self._looks.items()) if task.done()]
        for task in over:
            task.result()

    def stop(self) -> None:
        """Cancel the running checks."""
        for look in self._looks.values():
            look.cancel()
        self._looks.clear()

    async def _keep(self, bot: str, halt: Halt | None, left: Control | None) -> None:
        try:
            async with self._room:
                if halt is None and left is not None and left.released_by is not None:
                    await self._undo(left)
                elif halt is not None:
                    await self._hold(halt)
                elif left is not None:
                    await self._see_whether_over(left)
        except (OrderRefused, *GONE) as refusal:
            log.warning(
                "a bot could not be kept halted or stopped", extra={"bot": bot, "reason": str(refusal)}
            )

    async def _see_whether_over(self, left: Control) -> None:
        """Clear the record that a bot's entries are stopped if somebody let it enter again."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        # A run that stopped them during the check ended after the bot's answer.
        enters = await self._enters(left.bot)
        if enters and not await self._under_way(left.bot, loop.time() - began + _MARGIN):
            async with self._pool.transaction() as connection:
                await controls.remove(connection, left.id, _OVER)

    async def _enters(self, bot: str) -> bool:
        """Return whether a bot reports that it may enter; only a running bot is asked for locks."""
        control = self._control(self._settings, bot, "look", orders_nothing)
        mode = await self._threads.run(control.mode)
        of_its_own = isinstance(mode, Outcome) and mode.result is Result.CANNOT  # a word for its state
        if mode is not Mode.RUNNING and not of_its_own:
            return False
        standing = await self._threads.run(control.standing)
        return isinstance(standing, BotStatus) and standing.enters

    async def _under_way(self, bot: str, since: float = 0.0) -> bool:
        """Return whether a run that orders something is unfinished, or was within `since` seconds."""
        async with self._pool.connection() as connection:
            found = await runs.of_bots(connection, [bot], since)
        return any(
            run.effect != Effect.OBSERVE
            and (run.state in (State.RUNNING, State.OPEN) or (since > 0 and run.verdict is not None))
            for run in found
        )

    async def _hold(self, halt: Halt) -> None:
        """Close and pause a halted bot that somebody, or its own start, let trade."""
        if not halt.astray and not await self._enters(halt.bot):
            return
        if await self._under_way(halt.bot):  # that run makes the bot flat itself
            return
        control = self._control(self._settings, halt.bot, "halt", self._guard(halt.bot))
        async with self._pool.transaction() as connection:
            if not await holds.claim_astray(connection, halt.bot, control.longest_to_target):
                return
        flat = False
        try:
            outcome = await self._threads.run(lambda: control.bring_to(_FLAT))
            seen = await self._threads.run(control.standing)
            proof = seen if isinstance(seen, Outcome) else reached(_FLAT, seen)
            flat = proof.done
        finally:
            async with self._pool.transaction() as connection:
                await holds.settle(connection, halt.bot, flat=flat)
        said = f"somebody let it trade although it is halted; {outcome.detail}; {proof.detail}"
        self._metrics.actions.labels(halt.bot, "hold", "done" if flat else "retry").inc()
        log.warning("a halted bot was trading", extra={"bot": halt.bot, "outcome": said})
        if flat or not halt.astray:
            await self._tell(halt.incident, "held", said, halt)

    async def _undo(self, left: Control) -> None:
        """Allow a bot's entries again; retry failures, and record why they failed."""
        control = self._control(self._settings, left.bot, f"release-{left.id}", self._guard(left.bot, left))
        before = Mode(left.before) if left.before else Mode.RUNNING
        begun = (left.detail or "").startswith(_BEGUN)
        if not begun and await self._threads.run(control.mode) in (Mode.RUNNING, Mode.PAUSED):
            begun = True  # stored first: if it is stopped from now on, Nightdesk did it
            async with self._pool.transaction() as connection:
                await controls.note(connection, left.id, _BEGUN)
        outcome = await self._threads.run(lambda: control.undo(before, begun=begun))
        why = f"{_BEGUN}: {outcome.detail}" if begun else outcome.detail
        over = outcome.done or outcome.result is Result.CANNOT  # a person must do that by hand
        async with self._pool.transaction() as connection:
            if over:
                await controls.remove(connection, left.id, outcome.detail)
            else:
                await controls.note(connection, left.id, why)
        if over or why != left.detail:  # each reason once
            cannot = outcome.result is Result.CANNOT  # so that the administrator is notified
            result = Result.FAILED if cannot else outcome.result
            self._metrics.actions.labels(left.bot, "release", result).inc()
            log.info("a bot was released", extra={"bot": left.bot, "outcome": outcome.detail})
            await self._tell(left.incident, "released", f"on the bot: {outcome.detail}")

    async def _tell(self, id_: int | None, kind: str, text: str, halt: Halt | None = None) -> None:
        """Write into the timeline of an incident that still exists; notify people of a halted bot."""
        async with self._pool.transaction() as connection:
            incident = None if id_ is None else await incidents.incident(connection, id_)
            if incident is None:
                return
            await incidents.add_to_timeline(connection, incident.id, kind, text)
            if halt is not None:
                since = max((self._now() - halt.since).total_seconds(), 0.0)
                await self._escalation.held(connection, incident, text, since)

    def _guard(self, bot: str, released: Control | None = None) -> Guard:
        """Return a guard that asks, in a thread, whether an order to keep a bot may still be sent."""

        async def refusal() -> str | None:
            async with self._pool.connection() as connection:
                if self._retired():
                    return RETIRED
                if paused := await holds.paused(connection):
                    return f"all actions are paused by {paused.paused_by}"
                halted = await holds.is_halted(connection, bot)
                if released is None:
                    return None if halted else "the bot was released"
                open_ = {each.id: each for each in await controls.left(connection)}
            mine = open_.get(released.id)
            still = mine is not None and mine.released_by is not None and not halted
            return None if still else "its entries were stopped again, or it is released already"

        def guard() -> None:
            if why := self._threads.ask(refusal()):
                raise OrderRefused(why)

        return guard
