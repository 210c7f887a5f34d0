"""Reports the day, or the month where a monthly summary is due."""

from collections.abc import Iterable

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import findings
from webhook_actions.incidents import Incident
from webhook_actions.periods import report

_MONTHLY = "MonthlySummary"


@action("generate_report", effect=Effect.OBSERVE)
@findings
def generate_report(bot: BotControl, incident: Incident) -> Iterable[str]:
    """Report the last day, or month: profit, trades, drawdown, uptime, alerts."""
    if incident.kind == _MONTHLY:
        return report(bot, "the last 30 days", "30d")
    return report(bot, "the last day", "1d")
