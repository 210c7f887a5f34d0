"""P&L with open positions, in total and today, for several dashboards."""

from grafana.boards import leads_to
from grafana.grafanalib_extensions import Stat, Step
from grafana.panel_defaults import Size
from grafana.panel_fields import NEUTRAL
from grafana.panels import PanelFactory
from grafana.promql import known_money
from stack.settings.names import PNL, PNL_TODAY

TODAY = f"max by (bot) {known_money('pnl_all', 'day')}"
UNKNOWN_TODAY = "not known"  # the change of open positions since midnight


def pnl(factory: PanelFactory, size: Size = "medium") -> Stat:
    """Return the tile of total P&L."""
    return factory.money(
        PNL,
        "Closed trades and open positions of all chosen bots.",
        known_money("profit_loss"),
        empty="no P&L known",
        steps=factory.earned,
        size=size,
    )


def pnl_today(factory: PanelFactory) -> Stat:
    """Return the tile of P&L since midnight."""
    loss = -factory.settings.thresholds.critical.daily_loss
    return factory.money(
        PNL_TODAY,
        "Of all chosen bots: closed since midnight, and by how much open positions moved since; of a "
        "bot that went down today as last known. Red beyond one bot's daily loss limit.",
        TODAY,
        whole=known_money("profit_loss"),
        empty=UNKNOWN_TODAY,
        steps=[Step(factory.bad), Step(NEUTRAL, loss), Step(factory.colours.won, 0)],
        size="small",
        to=leads_to(factory.settings, "risk", "performance"),
    )
