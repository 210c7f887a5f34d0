"""What proves that an action worked or that an incident's cause is gone, and how long that may take."""

import asyncio
from datetime import datetime, timedelta

from clients.observer import for_bot
from clients.prometheus import Prometheus
from stack.settings import Settings
from webhook_actions.actions import Action, Effect, Proof
from webhook_actions.bots import BotControl, control
from webhook_actions.engine.decide import UNKNOWN, VERIFIED
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident, Step

NOT_VERIFIED = "not_verified"


class Proofs:
    """Asks Prometheus, or the bot itself, whether something has come true."""

    def __init__(self, settings: Settings, prometheus: Prometheus, actions: dict[str, Action]) -> None:
        self._settings = settings
        self._prometheus = prometheus
        self._actions = actions
        # Until then a sample may hold what the exporter saw before an action had ended.
        self._until_fresh = timedelta(seconds=settings.collection.poll_interval)

    def within(self, bot: str) -> float:
        """Return the seconds that a proof may take: boot, two scrapes and an evaluation, unless set."""
        chosen = self._settings.actions.verify_within
        if chosen is not None:
            return float(chosen)
        watched = self._settings.bots.get(bot)
        boot = float((watched and watched.boot) or self._settings.actions.restart.boot)
        collection = self._settings.collection
        return boot + 2 * float(collection.trading.interval) + float(collection.evaluation_interval)

    async def of_action(self, incident: Incident, step: Step) -> tuple[str, str]:
        """Return the verdict on a step as it is now, and by what. Raises Unreachable.

        Money is proven at the bot: the alert may clear for another reason. All else is proven by samples
        that the exporter took after the action had ended.
        """
        action = self._actions.get(step.action)
        if action is not None and action.proof_at_bot is not None:
            bot = control(self._settings, incident.bot, key=f"proof-{step.id}")
            return await asyncio.to_thread(_ask_bot, action.proof_at_bot, bot)
        expression = self._expression(incident, action)
        if expression is None:
            return VERIFIED, "nothing that could be asked"
        since = step.ended_at and step.ended_at + self._until_fresh
        holds = await self._prometheus.holds(expression, since)
        return VERIFIED if holds else NOT_VERIFIED, expression

    def first_look(self, action: Action, ended: datetime) -> datetime:
        """Return from when on there may be a proof of an action that has ended."""
        at_once = not needs_proof(action) or action.proof_at_bot is not None
        return ended if at_once else ended + self._until_fresh

    async def of_end(self, incident: Incident) -> bool:
        """Return whether a sample shows that the cause is gone. Raises Unreachable.

        A series that vanished shows nothing. An alert about no bot, without `verify`, is taken at its word.
        """
        expression = self._expression(incident, None)
        return expression is None or await self._prometheus.holds(expression)

    def _expression(self, incident: Incident, action: Action | None) -> str | None:
        """Return PromQL that is true once all is well: the alert's, the action's, or that the bot is up."""
        own = action.proof if action else None
        general = 'trading_bot_up{bot="$bot"} == 1' if incident.bot else None
        chosen = own or general
        return incident.annotations.get("verify") or (chosen and for_bot(chosen, incident.bot))


def _ask_bot(proof: Proof, bot: BotControl) -> tuple[str, str]:
    seen = bot.as_it_stands()
    if isinstance(seen, Outcome):
        return UNKNOWN, f"the bot, which does not say how it stands: {seen.detail}"
    answer = proof(seen)
    return VERIFIED if answer.done else NOT_VERIFIED, f"the bot itself: {answer.detail}"


def needs_proof(action: Action | None) -> bool:
    """Return whether an action changes something that can be proven; what only looks changes nothing."""
    return action is None or action.effect is not Effect.OBSERVE
