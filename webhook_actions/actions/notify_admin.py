"""Notifies the administrator of everything that was tried and found."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import message
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action("notify_admin", effect=Effect.OBSERVE, tells=True)
def notify_admin(bot: BotControl, incident: Incident) -> Outcome:
    """Notify the administrator of the incident, with all actions and findings."""
    return Outcome.ok(message(incident))
