"""The overview: is the money safe, are the bots alive, must someone act; then what lies behind it."""

from grafanalib.core import Panel

from grafana import usual
from grafana.boards import leads_to
from grafana.bots import SINCE, alive, since, state, states
from grafana.firing import FIRES, firing, how_many, incidents
from grafana.frame import frame
from grafana.grid import Row
from grafana.lacking import Dashboard, Stat, Step, Table
from grafana.look import Look
from grafana.parts import COUNT, NUMBER, RATIO, SECONDS, Query, named_values, override, painted
from grafana.promql import BOT, each, known, known_money
from grafana.tables import Column, table
from grafana.today import pnl_today

UID = "trading-bot"


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    every = [] if look.alone else [_each_bot(look)]
    rows = [
        Row("Money", [*_made(look), *_money_over_time(look)]),
        Row(
            "Alerts and incidents", [how_many(look), *_verdicts(look), firing(look, size="xlarge"), _up(look)]
        ),
        Row("Bots, the worst first", [*every, *_figures(look)]),
        Row("Trends", _trends(look)),
        usual.row(look),
    ]
    purpose = "Is the money safe, are the bots alive, must someone act; then what lies behind the answers."
    pace = look.settings.dashboards.widgets.overview.refresh
    return frame(look, UID, "Trading bots", purpose, pace, [*_answers(look), *rows])


def _answers(look: Look) -> list[Stat]:
    """Return what can be read in five seconds, each a link to what lies behind it."""
    limit = look.settings.thresholds.critical.max_drawdown
    return [
        alive(look),
        incidents(look),
        look.money(
            "Equity now",
            "Of all chosen bots, open positions included.",
            known_money("equity"),
            empty="no equity known",
            size="small",
            to=leads_to(look.settings, "performance"),
        ),
        pnl_today(look),
        look.stat(
            "Drawdown",
            "Of several bots the deepest; red from the limit of HighDrawdown.",
            [
                Query(
                    f"topk(1, {known('drawdown_ratio')})",
                    look.who(f"limit {limit:.0%}") if look.alone else f"{{{{bot}}}}, limit {limit:.0%}",
                )
            ],
            **look.ratio,
            empty="not known",
            steps=look.at_most(None, limit),
            text="value_and_name",
            to=leads_to(look.settings, "risk"),
        ),
    ]


def _made(look: Look) -> list[Stat]:
    return [
        look.money(
            "P&L",
            "Of closed trades and open positions, of all chosen bots.",
            known_money("profit_loss"),
            empty="no P&L known",
            steps=look.earned,
        ),
        look.money(
            "Exposure",
            "Money in open positions of all chosen bots.",
            known_money("current_exposure"),
            empty="no exposure known",
        ),
        look.stat(
            "Win rate",
            "Of several bots the lowest.",
            [Query(f"bottomk(1, {each('win_rate')})")],
            **look.ratio,
            empty="no trade closed",
            steps=look.at_least(look.settings.thresholds.warning.win_rate),
            text="value_and_name",
            size="medium",
        ),
        look.stat(
            "Total trades",
            "Closed trades of all chosen bots; of those that are down as last known.",
            [Query(f"sum({known('trades')})", "closed")],
            empty="no trade closed",
            size="medium",
        ),
    ]


def _money_over_time(look: Look) -> list[Panel]:
    last = "Of a bot that is down the last known."
    return [
        *look.money_lines(
            "Equity over time",
            last,
            [Query(f"max by (bot) {known_money('equity')}")],
            empty="no equity known",
        ),
        *look.money_lines(
            "P&L over time",
            last,
            [Query(f"max by (bot) {known_money('profit_loss')}")],
            empty="no P&L known",
            filled=True,
        ),
    ]


def _verdicts(look: Look) -> list[Stat]:
    health = look.stat(
        "Health",
        "Chosen bots by health: a bot is healthy when no check of its fails; one that is unknown does not.",
        [
            Query(f"count({each('bot:trading_bot_health:min')} == 1)", "healthy"),
            Query(f"count({each('bot:trading_bot_health:min')} == 0)", "unhealthy"),
        ],
        empty="no check known",
        overrides=[painted("healthy", look.good), painted("unhealthy", look.bad)],
        text="value_and_name",
    )
    errors = look.stat(
        "Error rate",
        "Failed calls to the exchange; of several bots the highest; red from the alert's limit.",
        [Query(f"topk(1, {each('error_rate')})")],
        **look.ratio,
        empty="not known",
        steps=look.at_most(None, look.settings.thresholds.critical.error_rate),
        text="value_and_name",
    )
    if not look.settings.performance.tracking.enabled:
        return [health, errors]
    score = look.stat(
        "Performance score",
        "Weighted mean of win rate, Sharpe ratio, drawdown, P&L, activity, errors and uptime, as "
        "`performance.weights` has them. Of several bots the lowest.",
        [Query(f"bottomk(1, {each('bot:trading_bot_performance:score')})")],
        **look.ratio,
        empty="not known",
        text="value_and_name",
    )
    return [health, errors, score]


def _figures(look: Look) -> list[Stat]:
    return [
        look.stat(
            "Active positions",
            "Of all chosen bots; of those that are down as last known.",
            [Query(f"sum({known('active_positions')})", "open")],
            empty="none known",
        ),
        look.stat(
            "Sharpe ratio",
            "Whole days only: today does not count yet. Of several bots the lowest.",
            [Query(f"bottomk(1, {each('sharpe_ratio')})")],
            unit=NUMBER,
            decimals=2,
            empty="too few days",
            text="value_and_name",
        ),
        look.stat(
            "Uptime",
            "Of several bots the shortest.",
            [Query(f"bottomk(1, {each('uptime_seconds')})")],
            unit=SECONDS,
            empty="not known",
            text="value_and_name",
        ),
    ]


def _up(look: Look) -> Panel:
    return look.states(
        "Up",
        "",
        [Query(each("up"))],
        named_values({"0": ("down", look.bad), "1": ("up", look.good)}),
        empty="no bot known",
    )


def _trends(look: Look) -> list[Panel]:
    critical = look.settings.thresholds.critical
    return [
        look.lines(
            "Drawdown over time",
            "The line is the alert's limit.",
            [Query(known("drawdown_ratio"))],
            empty="no drawdown known",
            limits=[Step(look.bad, critical.max_drawdown)],
            colour=look.colours.lines.drawdown,
            unit=RATIO,
        ),
        look.lines(
            "API error rate",
            "The line is the alert's limit.",
            [Query(each("error_rate"))],
            empty="no API calls known",
            limits=[Step(look.bad, critical.error_rate)],
            colour=look.colours.lines.drawdown,
            unit=RATIO,
        ),
    ]


def _each_bot(look: Look) -> Table:
    limits, shown = look.settings.thresholds, look.settings.dashboards
    of_bots = f"{FIRES} and ALERTS{{{BOT}}}"
    columns = [
        Column("State", state(), mapping=states(look)),
        Column("Silent since", since(), SINCE),
        Column(
            "Alerts", f"count by (bot) (max by (alertname, bot) ({of_bots}))", COUNT, 0, [Step(look.warn)]
        ),
        Column(
            "Drawdown",
            known("drawdown_ratio"),
            RATIO,
            shown.decimals.ratio,
            look.at_most(None, limits.critical.max_drawdown),
        ),
        *(
            Column(
                f"P&L {currency}",
                f"max by (bot) {known_money('profit_loss')}".replace("%s", matchers),
                COUNT,
                shown.decimals.money,
            )
            for currency, matchers in look.currencies().items()
        ),
        Column("Positions", known("active_positions"), COUNT),
        Column("Trades", known("trades"), COUNT),
        Column(
            "Win rate", each("win_rate"), RATIO, shown.decimals.ratio, look.at_least(limits.warning.win_rate)
        ),
        Column(
            "Error rate",
            each("error_rate"),
            RATIO,
            shown.decimals.ratio,
            look.at_most(None, limits.critical.error_rate),
        ),
        Column("Uptime", each("uptime_seconds"), SECONDS),
    ]
    words = (
        "Each chosen bot, those that do not answer first, then by drawdown; their drawdown, P&L, "
        "positions and trades are the last known. An empty cell is not known."
    )
    alone = {"title": "This bot alone", "url": f"/d/{UID}?var-bot=${{__value.raw}}&${{__url_time_range}}"}
    first = {"State": False, "Drawdown": True}
    links = [override("Bot", links=[alone])]
    return table(
        look, "Each bot", words, {"bot": "Bot"}, columns, empty="no bot known", first=first, overrides=links
    )
