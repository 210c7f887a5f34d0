"""Logs an event."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import noted
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action("log_event", effect=Effect.OBSERVE)
def log_event(bot: BotControl, incident: Incident) -> Outcome:
    """Write the event into the log and the timeline."""
    return noted("event", incident)
