"""Logs a milestone that a bot reached."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import noted
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action("log_achievement", effect=Effect.OBSERVE)
def log_achievement(bot: BotControl, incident: Incident) -> Outcome:
    """Write the milestone into the log and the timeline."""
    return noted("achievement", incident)
