"""Says what the administrator is to be told."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import message
from webhook_actions.incidents import Incident
from webhook_actions.outcome import Outcome


@action("notify_admin", effect=Effect.OBSERVE)
def notify_admin(bot: BotControl, incident: Incident) -> Outcome:
    """Put together the message to the administrator; the engine delivers it."""
    return Outcome.ok(message(incident))
