"""Trains a bot's models again."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.bots.protocol import Verb
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action(
    "retrain_model",
    effect=Effect.DISRUPTIVE,
    verbs=(Verb.RETRAIN_MODEL,),
    proof='max by (bot) (trading_bot_model_drift_detected{bot="$bot"}) == 0',
)
def retrain_model(bot: BotControl, incident: Incident) -> Outcome:
    """Have the bot train its models on the present market; their figures restart."""
    return bot.retrain_model()
