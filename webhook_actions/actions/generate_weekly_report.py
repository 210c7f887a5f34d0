"""Reports the week."""

from collections.abc import Iterable

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import findings
from webhook_actions.incidents import Incident
from webhook_actions.periods import report


@action("generate_weekly_report", effect=Effect.OBSERVE)
@findings
def generate_weekly_report(bot: BotControl, incident: Incident) -> Iterable[str]:
    """Report the last seven days: profit, trades, drawdown, uptime, alerts."""
    return report(bot, "the last 7 days", "7d")
