"""Closes positions that nobody manages any more."""

from webhook_actions.actions import Effect, target_action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import BotStatus, Target, Verb
from webhook_actions.outcome import Outcome


@target_action("close_positions", effect=Effect.MONEY, verbs=(Verb.CLOSE_POSITIONS,), halts=True)
def close_positions(bot: BotControl, standing: BotStatus) -> Target | Outcome:
    """Pause the bot and close its positions, again while some are left; the bot stays halted."""
    return Target(others=0.0, paused=True)
