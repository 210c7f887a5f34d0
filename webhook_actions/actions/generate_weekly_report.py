"""Reports the week."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import reported
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident


@action("generate_weekly_report", effect=Effect.OBSERVE)
def generate_weekly_report(bot: BotControl, incident: Incident) -> Outcome:
    """Report the last seven days of the bot, or of each: kept on the on-call page and sent to `reports`."""
    return reported(bot, "week", incident)
