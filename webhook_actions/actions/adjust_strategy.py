"""Makes a bot that loses too often trade more cautiously."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action("adjust_strategy", effect=Effect.DISRUPTIVE, verbs=(Verb.ADJUST_STRATEGY,))
def adjust_strategy(bot: BotControl, incident: Incident) -> Outcome:
    """Have the bot trade more cautiously from its next entry on, as its strategy defines it."""
    return bot.adjust_strategy()
