"""Trading activity: number, times, length and size of the bots' trades."""

from grafana.frame import frame, span
from grafana.grafanalib_extensions import Dashboard, Kind, Panel, Stat, Step
from grafana.grid import Row
from grafana.panel_fields import COUNT, NUMBER, SECONDS, Pace, Query, painted
from grafana.panels import PanelFactory
from grafana.promql import OUTCOME, SIDE, SYMBOL, by_hour, each, known, last_known, traded
from grafana.sums import by_age, by_symbol_and_age, share, summed

UID = "trading-bot-activity"
CHOSEN = (SYMBOL, SIDE, OUTCOME)
LABELS = ("symbol", "side", "outcome")


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_now(factory),
        Row("Trades", [*_trades(factory), *_pace(factory)]),
        Row("By side, symbol and hour", [*_shares(factory), _by_hour(factory)]),
        Row("Positions and orders", [*_places(factory), *_positions(factory)]),
    ]
    purpose = "Number, times, length and size of the bots' trades."
    pace = factory.settings.dashboards.widgets.activity.refresh
    return frame(factory, UID, "Trading activity", purpose, pace, panels)


def _counted(*where: str) -> str:
    """Return the number of closed trades of each bot."""
    return f"sum by (bot) ({last_known('trades_total', *LABELS, where=(*CHOSEN, *where))})"


def _now(factory: PanelFactory) -> list[Stat]:
    chosen, won = _counted(), _counted('outcome="won"')
    return [
        factory.stat(
            "Trades",
            "Of all chosen bots.",
            summed(chosen, "closed"),
            empty="no trade closed",
            text="value_and_name",
        ),
        factory.stat(
            "Last 24 hours",
            "Of all chosen bots, whatever the symbol.",
            summed(last_known("trades_per_day"), "closed"),
            empty="no trade closed",
            text="value_and_name",
        ),
        factory.stat(
            "Trades per hour",
            "The lowest of several bots; orange below the alert's limit.",
            by_age(factory.worst(last_known("trades_per_hour"), "lowest")),
            unit=NUMBER,
            decimals=1,
            empty="no trade closed",
            steps=factory.at_least(factory.settings.thresholds.warning.trades_per_hour),
            text="value_and_name",
        ),
        factory.stat(
            "Last trade",
            "Time since then; the longest of several bots.",
            by_age(
                factory.worst(
                    f"time() - {last_known('last_trade_timestamp_seconds')}", "highest", word="oldest"
                )
            ),
            unit=SECONDS,
            decimals=0,
            empty="no trade closed",
            text="value_and_name",
        ),
        factory.stat(
            "Won",
            "Of the chosen trades.",
            share(won, chosen, "won"),
            **factory.ratio,
            empty="none",
            text="value_and_name",
        ),
    ]


def _places(factory: PanelFactory) -> list[Stat]:
    every = "Of all chosen bots."
    return [
        factory.stat(
            "Active positions",
            f"{every[:-1]}, whatever the symbol.",
            summed(known("active_positions"), "open"),
            empty="none known",
            text="value_and_name",
        ),
        factory.stat(
            "Pending orders",
            every,
            summed(last_known("pending_orders"), "waiting"),
            empty="none known",
            text="value_and_name",
        ),
        factory.stat(
            "Holding time",
            "The longest of several bots.",
            by_age(factory.worst(last_known("position_duration_avg_seconds"), "highest", word="longest")),
            unit=SECONDS,
            empty="no trade closed",
            text="value_and_name",
        ),
    ]


def _trades(factory: PanelFactory) -> list[Panel]:
    colours = factory.colours
    hourly, daily = (traded(hours, where=CHOSEN) for hours in (1, 24))
    sides = {"long": colours.lines.default, "short": colours.lines.accuracy}
    outcomes = {"won": colours.won, "lost": colours.lost, "even": factory.calm}
    return [
        factory.lines(
            "Trades per hour by outcome",
            "Closed trades of each hour, of all chosen bots.",
            [Query(f"sum by (outcome) ({hourly})", "{{outcome}}")],
            unit=COUNT,
            empty="no trade closed",
            columns=True,
            many=True,
            overrides=[painted(name, colour) for name, colour in outcomes.items()],
            pace=Pace("1h"),
        ),
        factory.lines(
            "Trades per day by side",
            "Closed trades of each day of UTC, today so far, of all chosen bots.",
            [Query(f"sum by (side) ({daily})", "{{side}}")],
            unit=COUNT,
            empty="no trade closed",
            columns=True,
            many=True,
            overrides=[painted(name, colour) for name, colour in sides.items()],
            pace=Pace("1d", span(max(factory.settings.dashboards.ranges))),
        ),
    ]


def _shares(factory: PanelFactory) -> list[Panel]:
    sides = {"long": factory.colours.lines.default, "short": factory.colours.lines.accuracy}
    return [
        factory.pie(
            "Long and short",
            "Of all chosen bots.",
            [query for side in sides for query in summed(_counted(f'side="{side}"'), side)],
            unit=COUNT,
            empty="no trade closed",
            colours=sides,
            size="xlarge",
        ),
        factory.bars(
            "Trades by symbol",
            "Of all chosen bots; the eight that are traded most.",
            by_symbol_and_age(last_known("trades_total", *LABELS, where=CHOSEN), 8),
            unit=COUNT,
            empty="no trade closed",
            size="xlarge",
        ),
    ]


def _by_hour(factory: PanelFactory) -> Kind:
    return factory.heat(
        "Activity by hour of day",
        "Closed trades by day and hour of UTC, of all chosen bots.",
        Query(by_hour(f"round(sum({traded(1, where=CHOSEN, behind=True)}))"), "{{hour}}:00"),
        unit=COUNT,
        empty="no trade closed",
        pace=Pace("1d", "7d"),
    )


def _pace(factory: PanelFactory) -> list[Panel]:
    activity = factory.colours.lines.activity
    return [
        factory.lines(
            "Trades per hour over time",
            "The line is the alert's limit.",
            [Query(each("trades_per_hour"))],
            unit=NUMBER,
            empty="no trade closed",
            colour=activity,
            worst="lowest",
            limits=[Step(factory.warn, factory.settings.thresholds.warning.trades_per_hour)],
        ),
        factory.lines(
            "Holding time over time",
            "",
            [Query(each("position_duration_avg_seconds"))],
            unit=SECONDS,
            empty="no trade closed",
            colour=activity,
        ),
    ]


def _positions(factory: PanelFactory) -> list[Panel]:
    activity = factory.colours.lines.activity
    return [
        *factory.money_lines(
            "Position size",
            "Mean stake of a closed trade.",
            [Query("max by (bot) (trading_bot_position_size_avg{%s})")],
            empty="no stake known",
            worst="highest",
        ),
        factory.lines(
            "Open positions over time",
            "The chosen symbols together.",
            [Query(f"sum by (bot) ({each('active_positions', 'symbol', where=(SYMBOL,))})")],
            unit=COUNT,
            empty="none known",
            colour=activity,
        ),
        factory.lines(
            "Pending orders over time",
            "",
            [Query(each("pending_orders"))],
            unit=COUNT,
            empty="none known",
            colour=activity,
        ),
    ]
