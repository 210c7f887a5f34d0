"""What was made today, open positions included, which several dashboards show."""

from grafana.boards import leads_to
from grafana.grafanalib_extensions import Stat, Step
from grafana.panel_fields import NEUTRAL
from grafana.panels import PanelFactory
from grafana.promql import known_money

_CLOSED = {window: f"max by (bot) {known_money('pnl', window)}" for window in ("day", "total")}
# All that was made less what closed trades made is what open positions stand at.
TODAY = f"{_CLOSED['day']} + on (bot) max by (bot) {known_money('profit_loss')} - on (bot) {_CLOSED['total']}"


def pnl_today(factory: PanelFactory) -> Stat:
    """Return the tile."""
    loss = -factory.settings.thresholds.critical.daily_loss
    return factory.money(
        "P&L today",
        "Of all chosen bots: what was closed since midnight and what open positions stand at now; of a "
        "bot that is down as last known. Red beyond one bot's daily loss limit.",
        TODAY,
        empty="no P&L known",
        steps=[Step(factory.bad), Step(NEUTRAL, loss), Step(factory.colours.won, 0)],
        size="small",
        to=leads_to(factory.settings, "risk", "performance"),
    )
