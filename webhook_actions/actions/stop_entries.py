"""Lets a bot open no more positions, while it manages those it has."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action(
    "stop_entries",
    effect=Effect.DISRUPTIVE,
    verbs=(Verb.PAUSE,),
    # The day's loss and the model's accuracy stay what they are: only the bot can say that it worked.
    proof_at_bot=BotControl.is_paused,
)
def stop_entries(bot: BotControl, incident: Incident) -> Outcome:
    """Pause the bot: no new positions, exits go on. A person lets it enter again."""
    return bot.pause()
