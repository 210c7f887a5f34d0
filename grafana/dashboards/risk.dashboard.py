"""Risk: how far the bots have fallen, how much is at stake, and how close both are to their limits."""

from grafanalib.core import Panel

from grafana.frame import frame
from grafana.grid import Row
from grafana.lacking import Dashboard, Stat, Step
from grafana.look import Look
from grafana.parts import RATIO, Query
from grafana.promql import each, known, known_money
from grafana.today import TODAY, pnl_today

UID = "trading-bot-risk"


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_gauges(look),
        Row("Drawdown and the day", _falls(look)),
        Row("What is at stake", _stakes(look)),
        Row("Tails, runs and the deepest fall", [*_now(look), _tails(look)]),
    ]
    purpose = "How far the bots have fallen, how much is at stake, and how close both are to their limits."
    pace = look.settings.dashboards.widgets.risk.refresh
    return frame(look, UID, "Risk", purpose, pace, panels)


def _gauges(look: Look) -> list[Panel]:
    critical = look.settings.thresholds.critical
    return [
        look.gauge(
            "Risk used",
            "",
            [Query(each("risk_utilization_ratio"))],
            **look.ratio,
            empty="no limit known",
            steps=look.scale("risk"),
            size="small",
        ),
        look.stat(
            "Drawdown",
            "Of several bots the deepest; red from the limit of HighDrawdown.",
            [Query(f"topk(1, {known('drawdown_ratio')})")],
            **look.ratio,
            empty="not known",
            steps=look.at_most(None, critical.max_drawdown),
            text="value_and_name",
        ),
        pnl_today(look),
        look.money(
            "Exposure",
            "Of all chosen bots.",
            known_money("current_exposure"),
            empty="no exposure known",
            size="small",
        ),
    ]


def _now(look: Look) -> list[Stat]:
    tails = {"Value at risk": "value_at_risk", "Shortfall": "expected_shortfall"}
    daily = [
        look.stat(
            name,
            "Loss of a day as a share of the equity, by confidence; of several bots the largest.",
            [
                Query(f"topk(1, {each(metric, where=(f'confidence={confidence!r}',))})", words)
                for confidence, words in (("0.95", look.who("95%")), ("0.99", look.who("99%")))
            ],
            **look.ratio,
            empty="under 20 days",
            text="value_and_name",
        )
        for name, metric in tails.items()
    ]
    deepest = look.stat(
        "Deepest closed fall",
        "Of closed trades alone, of all time: the drawdown now, open positions included, may be deeper.",
        [Query(f"topk(1, {each('max_drawdown_ratio')})")],
        **look.ratio,
        empty="not known",
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
    return [*daily, deepest, *runs]


def _falls(look: Look) -> list[Panel]:
    critical = look.settings.thresholds.critical
    return [
        look.lines(
            "Drawdown over time",
            "The lines are the limits of HighDrawdown and CriticalLoss.",
            [Query(known("drawdown_ratio"))],
            unit=RATIO,
            empty="no drawdown known",
            colour=look.colours.lines.drawdown,
            limits=[Step(look.bad, critical.max_drawdown), Step(look.bad, critical.critical_loss)],
        ),
        *look.money_lines(
            "P&L today over time",
            "Closed since midnight, and what open positions stood at. The line is daily_loss, the "
            "limit of bots that have none of their own.",
            [Query(TODAY)],
            empty="no P&L known",
            limits=[Step(look.bad, -critical.daily_loss)],
        ),
    ]


def _stakes(look: Look) -> list[Panel]:
    warning, critical = look.settings.thresholds.warning, look.settings.thresholds.critical
    return [
        *look.money_lines(
            "Exposure against its limit",
            "Of a bot that is down the last known.",
            [
                Query(f"max by (bot) {known_money('current_exposure')}", look.who("exposure")),
                Query("max by (bot) (trading_bot_max_exposure{%s})", look.who("limit")),
            ],
            empty="no exposure known",
            many=True,
            worst="highest",
        ),
        look.lines(
            "Risk used over time",
            "The line is the alert's limit.",
            [Query(each("risk_utilization_ratio"))],
            unit=RATIO,
            empty="no limit known",
            limits=[Step(look.warn, warning.risk_utilization)],
        ),
        look.bars(
            "Drawdown by bot",
            "The eight deepest; red from the limit of HighDrawdown.",
            [Query(f"topk(8, {known('drawdown_ratio')})")],
            **look.ratio,
            empty="no drawdown known",
            steps=look.at_most(None, critical.max_drawdown),
            top=critical.critical_loss,
        ),
    ]


def _tails(look: Look) -> Panel:
    tails = [
        Query(each(metric, "confidence"), look.who(name, "{{confidence}}"))
        for name, metric in {"at risk": "value_at_risk", "shortfall": "expected_shortfall"}.items()
    ]
    return look.lines(
        "Value at risk and shortfall",
        "Losses of a day, as shares of the equity.",
        tails,
        unit=RATIO,
        empty="too few days",
        many=True,
    )
