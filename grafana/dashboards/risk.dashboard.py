"""Risk: how far the bots have fallen, how much is at stake, and how close both are to their limits."""

from grafanalib.core import Panel

from grafana.frame import frame
from grafana.lacking import Dashboard, Stat, Step
from grafana.look import Look
from grafana.parts import RATIO, Query
from grafana.promql import each

UID = "trading-bot-risk"


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    panels = [*_gauges(look), *_now(look), *_falls(look), *_stakes(look)]
    purpose = "How far the bots have fallen, how much is at stake, and how close both are to their limits."
    pace = look.settings.dashboards.widgets.risk.refresh
    return frame(look, UID, "Risk", purpose, pace, panels)


def _gauges(look: Look) -> list[Panel]:
    thresholds, colours = look.settings.thresholds, look.settings.dashboards.colours
    loss = -thresholds.critical.daily_loss
    return [
        look.gauge(
            "Risk used",
            "",
            [Query(each("risk_utilization_ratio"))],
            **look.ratio,
            empty="no limit known",
            steps=look.scale("risk"),
        ),
        look.stat(
            "Drawdown",
            "Of several bots the deepest; orange and red from the alerts' limits.",
            [Query(f"topk(1, {each('drawdown_ratio')})")],
            **look.ratio,
            empty="not known",
            steps=look.at_most(thresholds.critical.max_drawdown, thresholds.critical.critical_loss),
            text="value_and_name",
            size="medium",
        ),
        look.money(
            "P&L today",
            "Of all chosen bots; red beyond one bot's daily loss limit.",
            'trading_bot_pnl{window="day",%s}',
            empty="no trade closed",
            steps=[Step(look.bad), Step(look.warn, loss), Step(colours.won, 0)],
        ),
        look.money(
            "Exposure", "Of all chosen bots.", "trading_bot_current_exposure{%s}", empty="no exposure known"
        ),
    ]


def _now(look: Look) -> list[Stat]:
    few = {"0.95": "under 20 days", "0.99": "under 100 days"}
    tails = {"Value at risk": "value_at_risk", "Shortfall": "expected_shortfall"}
    daily = [
        look.stat(
            f"{name} {float(confidence):.0%}",
            "Of several bots the largest.",
            [Query(f"topk(1, {each(metric, where=(f'confidence={confidence!r}',))})")],
            **look.ratio,
            empty=empty,
            text="value_and_name",
        )
        for name, metric in tails.items()
        for confidence, empty in few.items()
    ]
    deepest = look.stat(
        "Deepest fall",
        "Of closed trades; of several bots the deepest; orange and red from the alerts' limits.",
        [Query(f"topk(1, {each('max_drawdown_ratio')})")],
        **look.ratio,
        empty="not known",
        steps=look.at_most(
            look.settings.thresholds.critical.max_drawdown, look.settings.thresholds.critical.critical_loss
        ),
        text="value_and_name",
    )
    runs = [
        look.stat(
            f"Longest {name}",
            "Of several bots the longest.",
            [Query(f"topk(1, {each(metric)})")],
            empty="no trade closed",
            text="value_and_name",
        )
        for name, metric in {"wins": "max_consecutive_wins", "losses": "max_consecutive_losses"}.items()
    ]
    open_positions = look.stat(
        "Open positions",
        "Of all chosen bots.",
        [Query(f"sum({each('active_positions', 'symbol')})", "open")],
        empty="none known",
    )
    return [*daily, deepest, *runs, open_positions]


def _falls(look: Look) -> list[Panel]:
    critical = look.settings.thresholds.critical
    red = look.settings.dashboards.colours.lines.drawdown
    return [
        look.lines(
            "Drawdown over time",
            "The lines are the limits of HighDrawdown and CriticalLoss.",
            [Query(each("drawdown_ratio"))],
            **look.ratio,
            empty="no drawdown known",
            colour=red,
            limits=[Step(look.warn, critical.max_drawdown), Step(look.bad, critical.critical_loss)],
        ),
        look.lines(
            "P&L of the day over time",
            "The line is daily_loss, the limit of bots that have none of their own.",
            [Query(each("pnl", where=('window="day"',)))],
            **look.money_of_bots(),
            empty="no trade closed",
            limits=[Step(look.bad, -critical.daily_loss)],
        ),
    ]


def _stakes(look: Look) -> list[Panel]:
    warning = look.settings.thresholds.warning
    tails = [
        Query(each(metric, "confidence"), look.who(name, "{{confidence}}"))
        for name, metric in {"at risk": "value_at_risk", "shortfall": "expected_shortfall"}.items()
    ]
    return [
        look.lines(
            "Exposure against its limit",
            "",
            [
                Query(each("current_exposure"), look.who("exposure")),
                Query(each("max_exposure"), look.who("limit")),
            ],
            **look.money_of_bots(),
            empty="no exposure known",
            many=True,
        ),
        look.lines(
            "Risk used over time",
            "The line is the alert's limit.",
            [Query(each("risk_utilization_ratio"))],
            **look.ratio,
            empty="no limit known",
            limits=[Step(look.warn, warning.risk_utilization)],
        ),
        look.lines(
            "Value at risk and shortfall",
            "Losses of a day, as shares of the equity.",
            tails,
            **look.ratio,
            empty="too few days",
            many=True,
        ),
        look.bars(
            "Drawdown by bot",
            "Deepest first.",
            [Query(f"sort_desc({each('drawdown_ratio')})")],
            unit=RATIO,
            decimals=look.settings.dashboards.decimals.ratio,
            empty="no drawdown known",
            steps=look.at_most(
                look.settings.thresholds.critical.max_drawdown,
                look.settings.thresholds.critical.critical_loss,
            ),
            top=look.settings.thresholds.critical.critical_loss,
        ),
    ]
