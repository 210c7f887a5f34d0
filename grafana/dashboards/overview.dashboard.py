"""The overview: is the money safe, are the bots alive, must someone act; then the details."""

from grafana import baseline
from grafana.boards import leads_to
from grafana.bots import SINCE, alive, since, state, states
from grafana.firing import FIRES, firing, how_many, incidents
from grafana.frame import frame
from grafana.grafanalib_extensions import Dashboard, Panel, Stat, Step, Table
from grafana.grid import Row
from grafana.panel_fields import COUNT, NUMBER, RATIO, SECONDS, Query, named_values, override, painted
from grafana.panels import PanelFactory
from grafana.pnl import pnl, pnl_today
from grafana.promql import BOT, each, known, known_money, last_known
from grafana.sums import by_age, summed
from grafana.tables import Column, amount, table

UID = "trading-bot"


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    every = [] if factory.alone else [_each_bot(factory)]
    rows = [
        # Firing alerts come first: on a phone all panels stand in one column.
        Row(
            "Alerts and incidents",
            [firing(factory, size="xlarge"), _up(factory), how_many(factory), *_verdicts(factory)],
        ),
        Row("Money", [*_made(factory), *_money_over_time(factory)]),
        Row("Bots, the worst first", [*every, *_figures(factory)]),
        Row("Trends", _trends(factory)),
        baseline.row(factory),
    ]
    purpose = "Is the money safe, are the bots alive, must someone act? The details are below."
    pace = factory.settings.dashboards.widgets.overview.refresh
    return frame(factory, UID, "Trading bots", purpose, pace, [*_answers(factory), *rows])


def _answers(factory: PanelFactory) -> list[Stat]:
    """Return the tiles for the first five seconds, each a link to its details."""
    limit = factory.settings.thresholds.critical.max_drawdown
    return [
        alive(factory),
        incidents(factory),
        factory.money(
            "Equity now",
            "Of all chosen bots, open positions included.",
            known_money("equity"),
            empty="no equity known",
            size="small",
            to=leads_to(factory.settings, "performance"),
        ),
        pnl_today(factory),
        factory.stat(
            "Drawdown",
            "The deepest of several bots; red from the limit of HighDrawdown.",
            [factory.worst(known("drawdown_ratio"), "highest", f"(limit {limit:.0%})")],
            **factory.ratio,
            empty="not known",
            steps=factory.at_most(None, limit),
            text="value_and_name",
            to=leads_to(factory.settings, "risk"),
        ),
    ]


def _made(factory: PanelFactory) -> list[Stat]:
    return [
        pnl(factory),
        factory.money(
            "Exposure",
            "Money in open positions of all chosen bots.",
            known_money("current_exposure"),
            empty="no exposure known",
        ),
        factory.stat(
            "Win rate",
            "The lowest of several bots.",
            by_age(factory.worst(last_known("win_rate"), "lowest")),
            **factory.ratio,
            empty="no trade closed",
            steps=factory.at_least(factory.settings.thresholds.warning.win_rate),
            text="value_and_name",
            size="medium",
        ),
        factory.stat(
            "Total trades",
            "Closed trades of all chosen bots.",
            summed(known("trades"), "closed"),
            empty="no trade closed",
            text="value_and_name",
            size="medium",
        ),
    ]


def _money_over_time(factory: PanelFactory) -> list[Panel]:
    last = "A down bot's is the last known."
    return [
        *factory.money_lines(
            "Equity over time",
            last,
            [Query(f"max by (bot) {known_money('equity')}")],
            empty="no equity known",
        ),
        *factory.money_lines(
            "P&L over time",
            last,
            [Query(f"max by (bot) {known_money('profit_loss')}")],
            empty="no P&L known",
            filled=True,
        ),
    ]


def _verdicts(factory: PanelFactory) -> list[Stat]:
    health = factory.stat(
        "Health",
        "Chosen bots by health: a bot is healthy when no check of its fails; one that is unknown does not.",
        [
            Query(f"count({each('bot:trading_bot_health:min')} == 1)", "healthy"),
            Query(f"count({each('bot:trading_bot_health:min')} == 0)", "unhealthy"),
        ],
        empty="no check known",
        overrides=[painted("healthy", factory.good), painted("unhealthy", factory.bad)],
        text="value_and_name",
    )
    errors = factory.stat(
        "Error rate",
        "Failed calls to the exchange; the highest of several bots; red from the alert's limit.",
        [factory.worst(each("error_rate"), "highest")],
        **factory.ratio,
        empty="not known",
        steps=factory.at_most(None, factory.settings.thresholds.critical.error_rate),
        text="value_and_name",
    )
    if not factory.settings.performance.tracking.enabled:
        return [health, errors]
    score = factory.stat(
        "Performance score",
        "Weighted mean of win rate, Sharpe ratio, drawdown, P&L, activity, errors and uptime, "
        "with the weights of `performance.weights`. The lowest of several bots.",
        [factory.worst(each("bot:trading_bot_performance:score"), "lowest")],
        **factory.ratio,
        empty="not known",
        text="value_and_name",
    )
    return [health, errors, score]


def _figures(factory: PanelFactory) -> list[Stat]:
    return [
        factory.stat(
            "Active positions",
            "Of all chosen bots.",
            summed(known("active_positions"), "open"),
            empty="none known",
            text="value_and_name",
        ),
        factory.stat(
            "Sharpe ratio",
            "Whole days only: today does not count yet. The lowest of several bots.",
            by_age(factory.worst(last_known("sharpe_ratio"), "lowest")),
            unit=NUMBER,
            decimals=2,
            empty="too few days",
            text="value_and_name",
        ),
        factory.stat(
            "Uptime",
            "The shortest of several bots.",
            [factory.worst(each("uptime_seconds"), "lowest", word="shortest")],
            unit=SECONDS,
            empty="not known",
            text="value_and_name",
        ),
    ]


def _up(factory: PanelFactory) -> Panel:
    return factory.states(
        "Up",
        "",
        [Query(each("up"))],
        named_values({"0": ("down", factory.bad), "1": ("up", factory.good)}),
        empty="no bot known",
    )


def _trends(factory: PanelFactory) -> list[Panel]:
    critical = factory.settings.thresholds.critical
    return [
        factory.lines(
            "Drawdown over time",
            "The line is the alert's limit.",
            [Query(known("drawdown_ratio"))],
            empty="no drawdown known",
            limits=[Step(factory.bad, critical.max_drawdown)],
            colour=factory.colours.lines.drawdown,
            unit=RATIO,
        ),
        factory.lines(
            "API error rate",
            "The line is the alert's limit.",
            [Query(each("error_rate"))],
            empty="no API calls known",
            limits=[Step(factory.bad, critical.error_rate)],
            colour=factory.colours.lines.drawdown,
            unit=RATIO,
        ),
    ]


def _each_bot(factory: PanelFactory) -> Table:
    limits, shown = factory.settings.thresholds, factory.settings.dashboards
    of_bots = f"{FIRES} and ALERTS{{{BOT}}}"
    columns = [
        Column("State", state(), mapping=states(factory)),
        Column("Silent since", since(), SINCE),
        Column(
            "Alerts", f"count by (bot) (max by (alertname, bot) ({of_bots}))", COUNT, 0, [Step(factory.warn)]
        ),
        Column(
            "Drawdown",
            known("drawdown_ratio"),
            RATIO,
            shown.decimals.ratio,
            factory.at_most(None, limits.critical.max_drawdown),
        ),
        amount(factory, "P&L", f"max by (bot) {known_money('profit_loss')}"),
        Column("Positions", known("active_positions"), COUNT),
        Column("Trades", known("trades"), COUNT),
        Column(
            "Win rate",
            last_known("win_rate"),
            RATIO,
            shown.decimals.ratio,
            factory.at_least(limits.warning.win_rate),
        ),
        Column(
            "Error rate",
            each("error_rate"),
            RATIO,
            shown.decimals.ratio,
            factory.at_most(None, limits.critical.error_rate),
        ),
        Column("Uptime", each("uptime_seconds"), SECONDS),
    ]
    words = (
        "Each chosen bot, silent ones first, then by drawdown. A silent bot's drawdown, P&L, positions, "
        "trades and win rate are the last known. An empty cell is unknown."
    )
    alone = {"title": "This bot alone", "url": f"/d/{UID}?var-bot=${{__value.raw}}&${{__url_time_range}}"}
    first = {"State": False, "Drawdown": True}
    links = [override("Bot", links=[alone])]
    return table(
        factory,
        "Each bot",
        words,
        {"bot": "Bot"} | factory.by_currency,
        columns,
        empty="no bot known",
        first=first,
        overrides=links,
    )
