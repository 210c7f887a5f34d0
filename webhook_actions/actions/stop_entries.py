"""Stops a bot's entries, while it manages its open positions."""

from webhook_actions.actions import Effect, target_action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import BotStatus, Target, Verb
from webhook_actions.outcome import Outcome


@target_action("stop_entries", effect=Effect.DISRUPTIVE, verbs=(Verb.PAUSE,))
def stop_entries(bot: BotControl, standing: BotStatus) -> Target | Outcome:
    """Pause the bot: no new positions, exits continue. A person lets it enter again."""
    return Target(paused=True)
