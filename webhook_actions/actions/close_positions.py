"""Closes what a bot holds that nobody manages any more."""

from webhook_actions.actions import Effect, action
from webhook_actions.actions.close_all_positions import is_out_of_the_market
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action(
    "close_positions",
    effect=Effect.MONEY,
    verbs=(Verb.CLOSE_POSITIONS,),
    proof_at_bot=is_out_of_the_market,
    halts=True,
)
def close_positions(bot: BotControl, incident: Incident) -> Outcome:
    """Pause the bot and close its positions, tried again while some are left; it stays halted."""
    return bot.flatten()
