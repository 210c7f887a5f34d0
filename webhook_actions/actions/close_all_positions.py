"""Closes everything, pauses the bot, and leaves it so until a person releases it."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


def is_out_of_the_market(bot: BotControl) -> Outcome:
    """Return done when the bot holds nothing and enters nothing, by what it says itself."""
    flat = bot.is_flat()
    return bot.is_paused() if flat.done else flat


@action(
    "close_all_positions",
    effect=Effect.MONEY,
    verbs=(Verb.CLOSE_POSITIONS,),
    proof_at_bot=is_out_of_the_market,
    halts=True,
    once=True,
)
def close_all_positions(bot: BotControl, incident: Incident) -> Outcome:
    """Pause the bot, close all its positions at the market, and leave it halted."""
    return bot.flatten()
