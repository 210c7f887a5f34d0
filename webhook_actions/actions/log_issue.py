"""Logs a problem for a person."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import noted
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action("log_issue", effect=Effect.OBSERVE)
def log_issue(bot: BotControl, incident: Incident) -> Outcome:
    """Write the problem, and the recommendation, into the log and the timeline."""
    return noted("issue", incident)
