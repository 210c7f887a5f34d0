"""The overview: what the bots earn, whether they run, and what is wrong, on one page."""

from grafanalib.core import Panel

from grafana.firing import firing, how_many
from grafana.frame import frame
from grafana.lacking import Dashboard, Stat, Step, Table
from grafana.look import Look
from grafana.parts import COUNT, NUMBER, RATIO, Query, named_values, painted
from grafana.promql import each
from grafana.tables import Column, table

UID = "trading-bot"
HOURS = "suffix:h"


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    tiles = [*_trades_now(look), *_risks_now(look), *_verdicts(look)]
    panels = [*_money_now(look), *tiles, *_over_time(look), _each_bot(look)]
    purpose = "What the bots earn, whether they run, and what is wrong."
    pace = look.settings.dashboards.widgets.overview.refresh
    return frame(look, UID, "Trading bots", purpose, pace, panels)


def _money_now(look: Look) -> list[Stat]:
    colours = look.settings.dashboards.colours
    earned = [Step(colours.lost), Step(colours.won, 0)]
    loss = -look.settings.thresholds.critical.daily_loss
    status = look.stat(
        "Status",
        "Bots by state. A bot is down when its source does not answer, not when its owner stopped it.",
        [
            Query(f"count({each('up')} == 0)", "down"),
            Query(f"count by (state) ({each('state', 'state')} == 1)", "{{state}}"),
        ],
        empty="no bot known",
        steps=[Step(look.warn)],
        overrides=[painted("down", look.bad), painted("running", look.good)],
        text="value_and_name",
        size="medium",
    )
    return [
        status,
        look.money(
            "P&L", "Of all chosen bots.", "trading_bot_profit_loss{%s}", empty="no P&L known", steps=earned
        ),
        look.money(
            "P&L today",
            "Of all chosen bots; red beyond one bot's daily loss limit.",
            'trading_bot_pnl{window="day",%s}',
            empty="no P&L known",
            steps=[Step(look.bad), Step(look.warn, loss), Step(colours.won, 0)],
        ),
        look.money("Equity", "Of all chosen bots.", "trading_bot_equity{%s}", empty="no equity known"),
    ]


def _trades_now(look: Look) -> list[Stat]:
    return [
        look.stat(
            "Win rate",
            "Of several bots the lowest.",
            [Query(f"bottomk(1, {each('win_rate')})")],
            **look.ratio,
            empty="no trade closed",
            steps=look.at_least(look.settings.thresholds.warning.win_rate),
            text="value_and_name",
        ),
        look.stat(
            "Active positions",
            "Of all chosen bots.",
            [Query(f"sum({each('active_positions', 'symbol')})", "open")],
            empty="none known",
        ),
        look.stat(
            "Uptime",
            "Of several bots the shortest.",
            [Query(f"bottomk(1, {each('uptime_seconds')}) / 3600")],
            unit=HOURS,
            decimals=look.settings.dashboards.decimals.ratio,
            empty="not running",
            text="value_and_name",
        ),
        look.stat(
            "Total trades",
            "Of all chosen bots.",
            [Query(f"sum({each('trades_total', 'symbol', 'side', 'outcome')})", "closed")],
            empty="no trade closed",
        ),
    ]


def _risks_now(look: Look) -> list[Stat]:
    critical, benchmarks = look.settings.thresholds.critical, look.settings.performance.benchmarks
    highest = "Of several bots the highest; red from the alert's limit."
    return [
        look.stat(
            "Sharpe ratio",
            "Of several bots the lowest.",
            [Query(f"bottomk(1, {each('sharpe_ratio')})")],
            unit=NUMBER,
            decimals=2,
            empty="too few days",
            steps=look.at_least(benchmarks.min_sharpe_ratio),
            text="value_and_name",
        ),
        look.stat(
            "Drawdown",
            highest,
            [Query(f"topk(1, {each('drawdown_ratio')})")],
            **look.ratio,
            empty="not known",
            steps=look.at_most(None, critical.max_drawdown),
            text="value_and_name",
        ),
        look.stat(
            "Error rate",
            highest,
            [Query(f"topk(1, {each('error_rate')})")],
            **look.ratio,
            empty="not known",
            steps=look.at_most(None, critical.error_rate),
            text="value_and_name",
        ),
        how_many(look),
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
        size="medium",
    )
    if not look.settings.performance.tracking.enabled:
        return [health]
    score = look.stat(
        "Performance score",
        "Weighted mean of win rate, Sharpe ratio, drawdown, P&L, activity, errors and uptime, as "
        "`performance.weights` has them. Of several bots the lowest.",
        [Query(f"bottomk(1, {each('bot:trading_bot_performance:score')})")],
        **look.ratio,
        empty="not known",
        text="value_and_name",
        size="medium",
    )
    return [health, score]


def _over_time(look: Look) -> list[Panel]:
    critical, colours = look.settings.thresholds.critical, look.settings.dashboards.colours
    return [
        look.lines(
            "Equity over time", "", [Query(each("equity"))], empty="no equity known", **look.money_of_bots()
        ),
        look.lines(
            "P&L over time",
            "",
            [Query(each("profit_loss"))],
            empty="no P&L known",
            filled=True,
            **look.money_of_bots(),
        ),
        firing(look, size="large"),
        look.lines(
            "Drawdown over time",
            "The line is the alert's limit.",
            [Query(each("drawdown_ratio"))],
            empty="no drawdown known",
            limits=[Step(look.bad, critical.max_drawdown)],
            colour=colours.lines.drawdown,
            **look.ratio,
        ),
        look.lines(
            "API error rate",
            "The line is the alert's limit.",
            [Query(each("error_rate"))],
            empty="no API calls known",
            limits=[Step(look.bad, critical.error_rate)],
            colour=colours.lines.drawdown,
            **look.ratio,
        ),
        look.states(
            "Up",
            "",
            [Query(each("up"))],
            named_values({"0": ("down", look.bad), "1": ("up", look.good)}),
            empty="no bot known",
        ),
    ]


def _each_bot(look: Look) -> Table:
    limits, shown = look.settings.thresholds, look.settings.dashboards
    up = named_values({"0": ("down", look.bad), "1": ("up", look.good)})
    trades = f"sum by (bot) ({each('trades_total', 'symbol', 'side', 'outcome')})"
    columns = [
        Column("Up", each("up"), mapping=up),
        Column("State", f"{each('state', 'state')} == 1", label="state"),
        *(
            Column(
                f"P&L {currency}",
                f"max by (bot) (trading_bot_profit_loss{{{matchers}}})",
                f"suffix:{currency}",
                shown.decimals.money,
            )
            for currency, matchers in look.currencies().items()
        ),
        Column(
            "Win rate",
            each("win_rate"),
            RATIO,
            shown.decimals.ratio,
            look.at_least(limits.warning.win_rate),
        ),
        Column("Positions", f"sum by (bot) ({each('active_positions', 'symbol')})", COUNT),
        Column("Trades", trades, COUNT),
        Column("Sharpe ratio", each("sharpe_ratio"), NUMBER, 2),
        Column(
            "Drawdown",
            each("drawdown_ratio"),
            RATIO,
            shown.decimals.ratio,
            look.at_most(None, limits.critical.max_drawdown),
        ),
        Column(
            "Error rate",
            each("error_rate"),
            RATIO,
            shown.decimals.ratio,
            look.at_most(None, limits.critical.error_rate),
        ),
        Column("Uptime", f"{each('uptime_seconds')} / 3600", HOURS, shown.decimals.ratio),
    ]
    words = "Each chosen bot, the deepest drawdown first. An empty cell is not known."
    return table(look, "Bots", words, {"bot": "Bot"}, columns, empty="–", first="Drawdown")
