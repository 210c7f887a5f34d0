"""Reduces the load of a busy bot."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action("reduce_processing", effect=Effect.DISRUPTIVE, verbs=(Verb.REDUCE_PROCESSING,))
def reduce_processing(bot: BotControl, incident: Incident) -> Outcome:
    """Have the bot poll the exchange and its models less often."""
    return bot.reduce_processing()
