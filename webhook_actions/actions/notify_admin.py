"""Has the administrator told, with all that was tried and found by then."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import message
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action("notify_admin", effect=Effect.OBSERVE, tells=True)
def notify_admin(bot: BotControl, incident: Incident) -> Outcome:
    """Tell the administrator what this is about, what was tried and what was found."""
    return Outcome.ok(message(incident))
