"""Frees a bot's memory."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action("clear_cache", effect=Effect.DISRUPTIVE, verbs=(Verb.CLEAR_CACHE,))
def clear_cache(bot: BotControl, incident: Incident) -> Outcome:
    """Have the bot drop its caches."""
    return bot.clear_cache()
