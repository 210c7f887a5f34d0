"""Fleet: all bots in one table, the worst first, and what they come to together."""

from grafanalib.core import Panel

from grafana.bots import alive, state, states
from grafana.frame import frame
from grafana.grid import Row
from grafana.lacking import Dashboard, Step, Table
from grafana.look import Look
from grafana.parts import COUNT, NUMBER, RATIO, Query, named_values, override
from grafana.promql import BOT, each, known, known_money
from grafana.tables import Column, table

UID = "trading-bot-fleet"


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_together(look),
        Row("All bots, the worst first", [_bots(look)]),
        Row("Over time", _over_time(look)),
    ]
    purpose = "All bots in one table, the worst first, and what they come to together."
    return frame(look, UID, "Fleet", purpose, look.settings.dashboards.refresh, panels)


def _together(look: Look) -> list[Panel]:
    trades = each("trades_total", "symbol", "side", "outcome")
    won = each("trades_total", "symbol", "side", where=('outcome="won"',))
    return [
        alive(look),
        look.money(
            "P&L",
            "Of all chosen bots.",
            known_money("profit_loss"),
            empty="no P&L known",
            steps=look.earned,
            size="small",
        ),
        look.money(
            "Equity",
            "Of all chosen bots.",
            known_money("equity"),
            empty="no equity known",
            size="small",
        ),
        look.stat(
            "Win rate",
            "Of all trades of all chosen bots.",
            [Query(f"sum({won}) / sum({trades})", "won")],
            **look.ratio,
            empty="no trade closed",
            steps=look.at_least(look.settings.thresholds.warning.win_rate),
        ),
        look.stat(
            "Healthy",
            "Share of the chosen bots.",
            [Query(f"avg({each('bot:trading_bot_health:min')})", "healthy")],
            unit=RATIO,
            decimals=0,
            empty="no check known",
            steps=[Step(look.warn), Step(look.good, 1)],
        ),
    ]


def _money_columns(look: Look) -> list[Column]:
    limits, shown = look.settings.thresholds, look.settings.dashboards
    decimals = shown.decimals.ratio
    health = named_values({"0": ("unhealthy", look.bad), "1": ("healthy", look.good)})
    firing = f'ALERTS{{alertstate="firing",severity!="info",drill="",{BOT}}}'
    return [
        Column("State", state(), mapping=states(look)),
        Column("Health", each("bot:trading_bot_health:min"), mapping=health),
        Column(
            "Alerts",
            f"count by (bot) (max by (alertname, bot) ({firing}))",
            COUNT,
            0,
            [Step(look.warn)],
        ),
        Column(
            "Drawdown",
            known("drawdown_ratio"),
            RATIO,
            decimals,
            look.at_most(None, limits.critical.max_drawdown),
            top=limits.critical.critical_loss,
        ),
        Column("Risk used", each("risk_utilization_ratio"), RATIO, decimals, look.scale("risk"), top=1),
        Column("Win rate", each("win_rate"), RATIO, decimals, look.at_least(limits.warning.win_rate), top=1),
        *(
            Column(
                f"P&L {currency}",
                f"max by (bot) {known_money('profit_loss')}".replace("%s", matchers),
                COUNT,
                shown.decimals.money,
            )
            for currency, matchers in look.currencies().items()
        ),
    ]


def _machine_columns(look: Look) -> list[Column]:
    decimals = look.settings.dashboards.decimals.ratio
    usage = {title: each(f"{name}_usage_ratio") for title, name in (("CPU", "cpu"), ("Memory", "memory"))}
    return [
        Column("Trades/h", each("trades_per_hour"), NUMBER, 1),
        Column(
            "Error rate",
            each("error_rate"),
            RATIO,
            decimals,
            look.at_most(None, look.settings.thresholds.critical.error_rate),
            top=look.settings.thresholds.critical.error_rate,
        ),
        *(Column(title, expr, RATIO, decimals, look.scale("usage"), top=1) for title, expr in usage.items()),
        *(
            [Column("Score", each("bot:trading_bot_performance:score"), RATIO, 0, top=1)]
            if look.settings.performance.tracking.enabled
            else []
        ),
    ]


def _bots(look: Look) -> Table:
    words = (
        "Each chosen bot, those that do not answer first, then by drawdown; any column sorts. "
        "P&L and drawdown of a bot that is down are the last known. An empty cell is not known."
    )
    alone = {"title": "This bot alone", "url": "/d/trading-bot?var-bot=${__value.raw}&${__url_time_range}"}
    return table(
        look,
        "All bots",
        words,
        {"bot": "Bot"},
        [*_money_columns(look), *_machine_columns(look)],
        empty="–",
        first={"State": False, "Drawdown": True},
        overrides=[override("Bot", links=[alone])],
    )


def _over_time(look: Look) -> list[Panel]:
    return [
        *look.money_lines(
            "P&L of each bot",
            "Of a bot that is down the last known.",
            [Query(f"max by (bot) {known_money('profit_loss')}")],
            empty="no P&L known",
            filled=True,
        ),
        look.states(
            "Up",
            "",
            [Query(each("up"))],
            named_values({"0": ("down", look.bad), "1": ("up", look.good)}),
            empty="no bot known",
        ),
        look.bars(
            "Drawdown by bot",
            "The eight deepest; red from the limit of HighDrawdown.",
            [Query(f"topk(8, {known('drawdown_ratio')})")],
            **look.ratio,
            empty="no drawdown known",
            steps=look.at_most(None, look.settings.thresholds.critical.max_drawdown),
            top=look.settings.thresholds.critical.critical_loss,
        ),
    ]
