"""Carries out a person's acts on the page or by the API: checks them, does them, and writes the audit log."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from clients.alertmanager import SilenceError
from stack.settings import Settings
from webhook_actions.actions import Action, Effect
from webhook_actions.engine.reconcile import fingerprint
from webhook_actions.escalation.steps import Escalation
from webhook_actions.notify import silences
from webhook_actions.outgoing import WEBHOOK
from webhook_actions.payload import Alert
from webhook_actions.store import acknowledgements, audit, controls, deliveries, holds, incidents, runs
from webhook_actions.store.audit import Caller
from webhook_actions.store.database import Connection, Pool
from webhook_actions.store.incidents import Incident

log = logging.getLogger(__name__)

Lacks = Callable[[str, str], Awaitable[str | None]]

REQUESTED = "TradingBotRequested"  # the alert name of an incident that a person's request opened

_EXPIRES = 120.0  # seconds after which a request that could not run is refused


class Done(StrEnum):
    """The result of an act."""

    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    NOT_SILENCED = "not_silenced"  # done, although Alertmanager made no silence
    COMMENTED = "commented"
    ASKED = "asked"
    PAUSED = "paused"
    RESUMED = "resumed"
    RELEASED = "released"
    SENT_AGAIN = "sent_again"
    OVERRIDDEN = "overridden"  # the on-call schedule
    SWAPPED = "swapped"
    CANCELLED = "cancelled"


class Refused(Exception):
    """A refused act; the text says why and what to do, `status` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Unconfirmed(Refused):
    """An action that moves money and needs the bot's name as confirmation."""

    def __init__(self, action: str, bot: str) -> None:
        super().__init__(422, f"{action} moves money: confirm it with the bot's name, {bot}")
        self.bot = bot


@dataclass(frozen=True)
class Offer:
    """An action that a person may request."""

    name: str
    effect: Effect
    armed: bool  # whether Nightdesk runs it by itself
    says: str


class Commands:
    """The acts. Each raises Refused if it is not possible."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        escalation: Escalation,
        actions: dict[str, Action],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        lacks: Lacks | None = None,
    ) -> None:
        """`lacks` returns why a bot cannot do an action; None if it can, or if that is unknown."""
        self._settings = settings
        self._pool = pool
        self._escalation = escalation
        self._actions = actions
        self._now = now
        self._lacks = lacks
        self.offers = tuple(self._offer(actions[name]) for name in sorted(actions))

    async def acknowledge(
        self, caller: Caller, incident_id: int, comment: str, silence: float | None = None
    ) -> Done:
        """Acknowledge: escalation stops. `silence` is the seconds for which Alertmanager is silent."""
        incident = await self._open(incident_id)
        made, failed = await self._silence(caller, incident, comment, silence)
        async with self._pool.transaction() as connection:
            if not await self._escalation.acknowledged(connection, incident, caller.who, comment, made):
                raise _closed(incident_id)
            await self._write(connection, caller, "acknowledge", incident, comment)
            await incidents.wake(connection, [incident_id])
        return failed or Done.ACKNOWLEDGED

    async def snooze(
        self, caller: Caller, incident_id: int, seconds: float, comment: str, silence: bool
    ) -> Done:
        """Snooze an incident; then escalation starts again."""
        incident = await self._open(incident_id)
        made, failed = await self._silence(caller, incident, comment, seconds if silence else None)
        until = self._now() + timedelta(seconds=seconds)
        async with self._pool.transaction() as connection:
            if not await self._escalation.snoozed(connection, incident, caller.who, until, comment, made):
                raise _closed(incident_id)
            await self._write(connection, caller, "snooze", incident, f"until {until:%Y-%m-%d %H:%M} UTC")
            await incidents.wake(connection, [incident_id])
        return failed or Done.SNOOZED

    async def comment(self, caller: Caller, incident_id: int, text: str) -> Done:
        """Add a comment to an incident's timeline."""
        if not text:
            raise Refused(422, "the comment is empty")
        incident = await self._open(incident_id)
        async with self._pool.transaction() as connection:
            await acknowledgements.comment(connection, incident_id, caller.who, text)
            await self._write(connection, caller, "comment", incident, text)
        return Done.COMMENTED

    async def run(
        self, caller: Caller, incident_id: int, name: str, confirm: str, key: str | None = None
    ) -> int:
        """Request an action now, and return its run; `confirm` is the bot's name, for money.

        A repeated `key` of the same incident and action returns the same run; so does an unfinished run.
        """
        action = self._action(name)
        incident = await self._open(incident_id)
        if not incident.bot and action.effect is not Effect.OBSERVE:
            raise Refused(
                409, f"{incident.alert} is not about one bot: it allows only actions that change nothing"
            )
        await self._refuse_unfit(action, incident.bot, confirm)
        async with self._pool.transaction() as connection:
            await self._lock(connection, incident.bot)
            once = key and f"{incident.id} {name} {key}"
            run = await self._want(connection, caller, incident, action, once)
            await self._escalation.responded(connection, incident)
        return run

    async def run_on(self, caller: Caller, bot: str, name: str, confirm: str, key: str | None = None) -> int:
        """Request an action on a bot now, and return its run, as `run` does for an incident.

        The request opens its own incident, which notifies nobody and closes once the bot is well.
        """
        action = self._action(name)
        if bot not in self._settings.bots:
            raise Refused(404, f"there is no bot {bot}; known: {', '.join(sorted(self._settings.bots))}")
        await self._refuse_unfit(action, bot, confirm)
        labels = {"alertname": REQUESTED, "bot": bot, "severity": "info"}
        alert = Alert.firing(labels, {"summary": f"requested, on {bot}"}, self._now(), fingerprint(labels))
        async with self._pool.transaction() as connection:
            await self._lock(connection, bot)
            await incidents.accept(connection, [alert])
            incident = await incidents.open_by(connection, alert.fingerprint)
            if incident is None:  # the database's clock is ahead of ours, and the last request has just ended
                raise Refused(409, f"the last request on {bot} has just ended; request it again")
            once = key and f"bot {bot} {name} {key}"
            return await self._want(connection, caller, incident, action, once)

    def _action(self, name: str) -> Action:
        if action := self._actions.get(name):
            return action
        raise Refused(404, f"{name} is not an action; choose one of {', '.join(self._actions)}")

    async def _refuse_unfit(self, action: Action, bot: str, confirm: str) -> None:
        """Raise Refused if an action on money is not confirmed, or the bot cannot do the action."""
        if action.effect is Effect.MONEY and confirm != bot:
            raise Unconfirmed(action.name, bot)
        if bot and self._lacks is not None and (why := await self._lacks(bot, action.name)):
            raise Refused(409, f"{bot} cannot do {action.name}: {why}")

    async def _lock(self, connection: Connection, bot: str) -> None:
        """Lock a bot, and raise Refused while all actions are paused."""
        await incidents.lock_bots(connection, [bot])
        if paused := await holds.paused(connection):
            raise Refused(409, f"all actions are paused by {paused.paused_by}; resume them first")

    async def _want(
        self, connection: Connection, caller: Caller, incident: Incident, action: Action, once: str | None
    ) -> int:
        run = await runs.want(
            connection, incident.id, incident.bot, action.name, action.effect, caller.who, once, _EXPIRES
        )
        await self._write(connection, caller, "run", incident, action.name)
        await incidents.wake(connection, [incident.id])
        return run

    async def pause(self, caller: Caller, reason: str) -> Done:
        """Stop all actions, until they are resumed."""
        async with self._pool.transaction() as connection:
            if not await holds.pause(connection, caller.who, reason):
                raise Refused(409, "all actions are paused already")
            await self._write(connection, caller, "pause", detail=reason)
            await incidents.wake_all(connection)
        return Done.PAUSED

    async def resume(self, caller: Caller) -> Done:
        """Let actions run again."""
        async with self._pool.transaction() as connection:
            if not await holds.resume(connection, caller.who):
                raise Refused(409, "actions are not paused")
            await self._write(connection, caller, "resume")
            await incidents.wake_all(connection)
        return Done.RESUMED

    async def release(self, caller: Caller, bot: str) -> Done:
        """Release a bot that was halted or whose entries were stopped: undo that on the bot."""
        async with self._pool.transaction() as connection:
            halted = await holds.release(connection, bot, caller.who)
            left = await controls.release(connection, bot, caller.who)
            if not (halted or left):
                raise Refused(409, f"{bot} is not halted, and Nightdesk did not stop its entries")
            await self._write(connection, caller, "release", bot=bot)
            await incidents.wake_all(connection, bot)
        return Done.RELEASED

    async def send_again(self, caller: Caller, delivery: int) -> Done:
        """Retry an event that an outgoing webhook did not accept."""
        async with self._pool.transaction() as connection:
            if not await deliveries.send_again(connection, WEBHOOK, delivery):
                raise Refused(404, f"there is no dead letter {delivery}")
            await self._write(connection, caller, "send_again", detail=f"delivery {delivery}")
        return Done.SENT_AGAIN

    async def login(self, caller: Caller) -> None:
        """Write a login to the page into the audit log."""
        async with self._pool.transaction() as connection:
            await self._write(connection, caller, "login")

    async def _open(self, incident_id: int) -> Incident:
        async with self._pool.connection() as connection:
            incident = await incidents.incident(connection, incident_id)
        if incident is None:
            raise Refused(404, f"there is no incident {incident_id}")
        if incident.closed_at is not None:
            raise _closed(incident_id)
        return incident

    async def _silence(
        self, caller: Caller, incident: Incident, comment: str, seconds: float | None
    ) -> tuple[str | None, Done | None]:
        """Return the id of a new silence in Alertmanager, or the notice to show if that failed."""
        if seconds is None:
            return None, None
        until = self._now() + timedelta(seconds=seconds)
        try:
            return await silences.make(self._settings, incident, caller.who, comment, until), None
        except SilenceError as error:
            log.warning("not silenced", extra={"incident": incident.id, "reason": str(error)})
            return None, Done.NOT_SILENCED

    async def _write(
        self,
        connection: Connection,
        caller: Caller,
        act: str,
        incident: Incident | None = None,
        detail: str = "",
        bot: str | None = None,
    ) -> None:
        number, bot = (incident.id, incident.bot) if incident else (None, bot)
        await audit.write(connection, caller, act, incident=number, bot=bot, detail=detail)
        about = {"incident": number, "bot": bot, "who": caller.who, "address": caller.address}
        log.info("a person acted", extra=about | {"act": act})

    def _offer(self, action: Action) -> Offer:
        armed = action.effect is not Effect.MONEY or action.name in self._settings.actions.armed
        says = action.about.partition(" Source:")[0].strip()
        return Offer(action.name, action.effect, armed, says)


def _closed(incident_id: int) -> Refused:
    return Refused(409, f"incident {incident_id} is closed")
