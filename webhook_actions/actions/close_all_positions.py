"""Closes everything and keeps the bot paused until a person releases it."""

from webhook_actions.actions import Effect, target_action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import BotStatus, Target, Verb
from webhook_actions.outcome import Outcome


@target_action(
    "close_all_positions", effect=Effect.MONEY, verbs=(Verb.CLOSE_POSITIONS,), halts=True, once=True
)
def close_all_positions(bot: BotControl, standing: BotStatus) -> Target | Outcome:
    """Pause the bot, close all its positions at the market, and leave it halted."""
    return Target(others=0.0, paused=True)
