"""Fleet: all bots in one table, the worst first, and their sums."""

from grafana.bots import alive, state, states
from grafana.frame import frame
from grafana.grafanalib_extensions import Dashboard, Panel, Step, Table
from grafana.grid import Row
from grafana.panel_fields import COUNT, NUMBER, RATIO, Query, named_values, override
from grafana.panels import PanelFactory
from grafana.pnl import pnl
from grafana.promql import BOT, each, known, known_money, last_known
from grafana.sums import share
from grafana.tables import Column, amount, table

UID = "trading-bot-fleet"


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_together(factory),
        Row("All bots, the worst first", [_bots(factory)]),
        Row("Over time", _over_time(factory)),
    ]
    purpose = "All bots in one table, the worst first, and their sums."
    return frame(factory, UID, "Fleet", purpose, factory.settings.dashboards.refresh, panels)


def _together(factory: PanelFactory) -> list[Panel]:
    labels = ("symbol", "side", "outcome")
    trades, won = (
        f"sum by (bot) ({last_known('trades_total', *labels, where=where)})"
        for where in ((), ('outcome="won"',))
    )
    return [
        alive(factory),
        pnl(factory, "small"),
        factory.money(
            "Equity",
            "Of all chosen bots.",
            known_money("equity"),
            empty="no equity known",
            size="small",
        ),
        factory.stat(
            "Win rate",
            "Of all trades of all chosen bots.",
            share(won, trades, "won"),
            **factory.ratio,
            empty="no trade closed",
            steps=factory.at_least(factory.settings.thresholds.warning.win_rate),
            text="value_and_name",
        ),
        factory.stat(
            "Healthy",
            "Share of the chosen bots.",
            [Query(f"avg({each('bot:trading_bot_health:min')})", "healthy")],
            unit=RATIO,
            decimals=0,
            empty="no check known",
            steps=[Step(factory.warn), Step(factory.good, 1)],
        ),
    ]


def _money_columns(factory: PanelFactory) -> list[Column]:
    limits, shown = factory.settings.thresholds, factory.settings.dashboards
    decimals = shown.decimals.ratio
    health = named_values({"0": ("unhealthy", factory.bad), "1": ("healthy", factory.good)})
    firing = f'ALERTS{{alertstate="firing",severity!="info",drill="",{BOT}}}'
    return [
        Column("State", state(), mapping=states(factory)),
        Column("Health", each("bot:trading_bot_health:min"), mapping=health),
        Column(
            "Alerts",
            f"count by (bot) (max by (alertname, bot) ({firing}))",
            COUNT,
            0,
            [Step(factory.warn)],
        ),
        Column(
            "Drawdown",
            known("drawdown_ratio"),
            RATIO,
            decimals,
            factory.at_most(None, limits.critical.max_drawdown),
            top=limits.critical.critical_loss,
        ),
        Column("Risk used", each("risk_utilization_ratio"), RATIO, decimals, factory.scale("risk"), top=1),
        Column(
            "Win rate",
            last_known("win_rate"),
            RATIO,
            decimals,
            factory.at_least(limits.warning.win_rate),
            top=1,
        ),
        amount(factory, "P&L", f"max by (bot) {known_money('profit_loss')}"),
    ]


def _machine_columns(factory: PanelFactory) -> list[Column]:
    decimals = factory.settings.dashboards.decimals.ratio
    usage = {title: each(f"{name}_usage_ratio") for title, name in (("CPU", "cpu"), ("Memory", "memory"))}
    return [
        Column("Trades/h", last_known("trades_per_hour"), NUMBER, 1),
        Column(
            "Error rate",
            each("error_rate"),
            RATIO,
            decimals,
            factory.at_most(None, factory.settings.thresholds.critical.error_rate),
            top=factory.settings.thresholds.critical.error_rate,
        ),
        *(
            Column(title, expr, RATIO, decimals, factory.scale("usage"), top=1)
            for title, expr in usage.items()
        ),
        *(
            [Column("Score", each("bot:trading_bot_performance:score"), RATIO, 0, top=1)]
            if factory.settings.performance.tracking.enabled
            else []
        ),
    ]


def _bots(factory: PanelFactory) -> Table:
    words = (
        "Each chosen bot, silent ones first, then by drawdown; any column sorts. "
        "A down bot's money, drawdown and trades are the last known. An empty cell is unknown."
    )
    alone = {"title": "This bot alone", "url": "/d/trading-bot?var-bot=${__value.raw}&${__url_time_range}"}
    return table(
        factory,
        "All bots",
        words,
        {"bot": "Bot"} | factory.by_currency,
        [*_money_columns(factory), *_machine_columns(factory)],
        empty="–",
        first={"State": False, "Drawdown": True},
        overrides=[override("Bot", links=[alone])],
    )


def _over_time(factory: PanelFactory) -> list[Panel]:
    return [
        *factory.money_lines(
            "P&L of each bot",
            "A down bot's is the last known.",
            [Query(f"max by (bot) {known_money('profit_loss')}")],
            empty="no P&L known",
            filled=True,
        ),
        factory.states(
            "Up",
            "",
            [Query(each("up"))],
            named_values({"0": ("down", factory.bad), "1": ("up", factory.good)}),
            empty="no bot known",
        ),
        factory.bars(
            "Drawdown by bot",
            "The eight deepest; red from the limit of HighDrawdown.",
            [Query(f"topk(8, {known('drawdown_ratio')})")],
            **factory.ratio,
            empty="no drawdown known",
            steps=factory.at_most(None, factory.settings.thresholds.critical.max_drawdown),
            top=factory.settings.thresholds.critical.critical_loss,
        ),
    ]
