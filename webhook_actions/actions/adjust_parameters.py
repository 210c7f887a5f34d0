"""Makes a bot use only confident predictions."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action("adjust_parameters", effect=Effect.DISRUPTIVE, verbs=(Verb.ADJUST_PARAMETERS,))
def adjust_parameters(bot: BotControl, incident: Incident) -> Outcome:
    """Have the bot's models abstain when they are unsure: fewer and better predictions."""
    return bot.adjust_parameters()
