"""Risk: drawdown and exposure of the bots, and how close both are to their limits."""

from grafana.frame import frame
from grafana.grafanalib_extensions import Dashboard, Panel, Stat, Step
from grafana.grid import Row
from grafana.panel_fields import RATIO, Query
from grafana.panels import PanelFactory
from grafana.pnl import TODAY, UNKNOWN_TODAY, pnl_today
from grafana.promql import each, in_percent, known, known_money
from stack.settings.names import PNL_TODAY

UID = "trading-bot-risk"


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_gauges(factory),
        Row("Drawdown and the day", _falls(factory)),
        Row("Exposure", _stakes(factory)),
        Row("Tails, runs and the deepest fall", [*_now(factory), _tails(factory)]),
    ]
    purpose = "Drawdown and exposure of the bots, and how close both are to their limits."
    pace = factory.settings.dashboards.widgets.risk.refresh
    return frame(factory, UID, "Risk", purpose, pace, panels)


def _gauges(factory: PanelFactory) -> list[Panel]:
    critical = factory.settings.thresholds.critical
    return [
        factory.gauge(
            "Risk used",
            "",
            [Query(each("risk_utilization_ratio"))],
            **factory.ratio,
            empty="no limit known",
            steps=factory.scale("risk"),
            size="small",
        ),
        factory.stat(
            "Drawdown",
            "The deepest of several bots; red from the limit of HighDrawdown.",
            [factory.worst(known("drawdown_ratio"), "highest")],
            **factory.ratio,
            empty="not known",
            steps=factory.at_most(None, critical.max_drawdown),
            text="value_and_name",
        ),
        pnl_today(factory),
        factory.money(
            "Exposure",
            "Of all chosen bots.",
            known_money("current_exposure"),
            empty="no exposure known",
            size="small",
        ),
    ]


def _now(factory: PanelFactory) -> list[Stat]:
    tails = {"Value at risk": "value_at_risk", "Shortfall": "expected_shortfall"}
    daily = [
        factory.stat(
            name,
            "Loss of a day as a share of the equity, by confidence; the largest of several bots.",
            [
                factory.worst(
                    each(metric, where=(f"confidence={share!r}",)), "highest", f"{float(share):.0%}"
                )
                for share in ("0.95", "0.99")
            ],
            **factory.ratio,
            empty="under 20 days",
            text="value_and_name",
        )
        for name, metric in tails.items()
    ]
    deepest = factory.stat(
        "Deepest closed fall",
        "Closed trades only, all time: the present drawdown, open positions included, may be deeper.",
        [factory.worst(each("max_drawdown_ratio"), "highest")],
        **factory.ratio,
        empty="not known",
        text="value_and_name",
    )
    runs = [
        factory.stat(
            f"Longest {name}",
            "The longest of several bots.",
            [factory.worst(each(metric), "highest", word="longest")],
            empty="no trade closed",
            text="value_and_name",
        )
        for name, metric in {"wins": "max_consecutive_wins", "losses": "max_consecutive_losses"}.items()
    ]
    return [*daily, deepest, *runs]


def _falls(factory: PanelFactory) -> list[Panel]:
    critical = factory.settings.thresholds.critical
    return [
        factory.lines(
            "Drawdown over time",
            "The lines are the limits of HighDrawdown and CriticalLoss.",
            [Query(known("drawdown_ratio"))],
            unit=RATIO,
            empty="no drawdown known",
            colour=factory.colours.lines.drawdown,
            limits=[Step(factory.bad, critical.max_drawdown), Step(factory.bad, critical.critical_loss)],
        ),
        *factory.money_lines(
            f"{PNL_TODAY} over time",
            "Closed since midnight, and by how much open positions moved since. The line is daily_loss, the "
            "limit of bots that have none of their own.",
            [Query(TODAY)],
            empty=UNKNOWN_TODAY,
            limits=[Step(factory.bad, -critical.daily_loss)],
        ),
    ]


def _stakes(factory: PanelFactory) -> list[Panel]:
    warning, critical = factory.settings.thresholds.warning, factory.settings.thresholds.critical
    return [
        *factory.money_lines(
            "Exposure against its limit",
            "A down bot's is the last known.",
            [
                Query(f"max by (bot) {known_money('current_exposure')}", factory.who("exposure")),
                Query("max by (bot) (trading_bot_max_exposure{%s})", factory.who("limit")),
            ],
            empty="no exposure known",
            many=True,
            worst="highest",
        ),
        factory.lines(
            "Risk used over time",
            "The line is the alert's limit.",
            [Query(each("risk_utilization_ratio"))],
            unit=RATIO,
            empty="no limit known",
            limits=[Step(factory.warn, warning.risk_utilization)],
        ),
        factory.bars(
            "Drawdown by bot",
            "The eight deepest; red from the limit of HighDrawdown.",
            [Query(f"topk(8, {known('drawdown_ratio')})")],
            **factory.ratio,
            empty="no drawdown known",
            steps=factory.at_most(None, critical.max_drawdown),
            top=critical.critical_loss,
        ),
    ]


def _tails(factory: PanelFactory) -> Panel:
    tails = [
        Query(in_percent(each(metric, "confidence")), factory.who(name, "{{percent}}"))
        for name, metric in {"at risk": "value_at_risk", "shortfall": "expected_shortfall"}.items()
    ]
    return factory.lines(
        "Value at risk and shortfall",
        "Losses of a day, as shares of the equity.",
        tails,
        unit=RATIO,
        empty="too few days",
        many=True,
    )
