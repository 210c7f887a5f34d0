"""Switches away from an exchange endpoint that fails."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action("switch_api_endpoint", effect=Effect.DISRUPTIVE, verbs=(Verb.SWITCH_ENDPOINT,))
def switch_api_endpoint(bot: BotControl, incident: Incident) -> Outcome:
    """Have the bot use another endpoint of its exchange."""
    return bot.switch_endpoint()
