"""Reconnects a bot to its exchange."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action("retry_connection", effect=Effect.DISRUPTIVE, verbs=(Verb.RETRY_CONNECTION,), needs_exchange=True)
def retry_connection(bot: BotControl, incident: Incident) -> Outcome:
    """Have the bot reconnect to its exchange; it runs or is paused afterwards as before."""
    return bot.retry_connection()
