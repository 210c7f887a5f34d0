"""Reports the day, or the month where a monthly summary is due."""

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import reported
from webhook_actions.outcome import Outcome
from webhook_actions.store.incidents import Incident

_MONTHLY = "MonthlySummary"


@action("generate_report", effect=Effect.OBSERVE)
def generate_report(bot: BotControl, incident: Incident) -> Outcome:
    """Report the last day, or month, of the bot or of each: kept on the on-call page, sent to `reports`."""
    return reported(bot, "month" if incident.kind == _MONTHLY else "day", incident)
