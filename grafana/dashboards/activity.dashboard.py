"""Trading activity: how much the bots trade, when, for how long and with how much."""

from grafanalib.core import Panel

from grafana.frame import frame, span
from grafana.grid import Row
from grafana.lacking import Dashboard, Kind, Stat, Step
from grafana.look import Look
from grafana.parts import COUNT, NUMBER, SECONDS, Pace, Query, painted
from grafana.promql import OUTCOME, SIDE, SYMBOL, by_hour, each, traded

UID = "trading-bot-activity"
CHOSEN = (SYMBOL, SIDE, OUTCOME)
LABELS = ("symbol", "side", "outcome")


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_now(look),
        Row("Trades", [*_trades(look), *_pace(look)]),
        Row("By side, symbol and hour", [*_shares(look), _by_hour(look)]),
        Row("Positions and orders", [*_places(look), *_positions(look)]),
    ]
    purpose = "How much the bots trade, when, for how long and with how much."
    pace = look.settings.dashboards.widgets.activity.refresh
    return frame(look, UID, "Trading activity", purpose, pace, panels)


def _now(look: Look) -> list[Stat]:
    chosen = each("trades_total", *LABELS, where=CHOSEN)
    won = each("trades_total", *LABELS, where=(*CHOSEN, 'outcome="won"'))
    return [
        look.stat(
            "Trades",
            "Of all chosen bots.",
            [Query(f"sum({chosen})", "closed")],
            empty="no trade closed",
        ),
        look.stat(
            "Last 24 hours",
            "Of all chosen bots, whatever the symbol.",
            [Query(f"sum({each('trades_per_day')})", "closed")],
            empty="no trade closed",
        ),
        look.stat(
            "Trades per hour",
            "Of several bots the lowest; orange below the alert's limit.",
            [Query(f"bottomk(1, {each('trades_per_hour')})")],
            unit=NUMBER,
            decimals=1,
            empty="no trade closed",
            steps=look.at_least(look.settings.thresholds.warning.trades_per_hour),
            text="value_and_name",
        ),
        look.stat(
            "Last trade",
            "Ago. Of several bots the longest.",
            [Query(f"topk(1, time() - {each('last_trade_timestamp_seconds')})")],
            unit=SECONDS,
            decimals=0,
            empty="no trade closed",
            text="value_and_name",
        ),
        look.stat(
            "Won",
            "Of the chosen trades.",
            [Query(f"sum({won}) / sum({chosen})", "won")],
            **look.ratio,
            empty="none",
        ),
    ]


def _places(look: Look) -> list[Stat]:
    every = "Of all chosen bots."
    return [
        look.stat(
            "Active positions",
            every,
            [Query(f"sum({each('active_positions', 'symbol', where=(SYMBOL,))})", "open")],
            empty="none known",
        ),
        look.stat(
            "Pending orders",
            every,
            [Query(f"sum({each('pending_orders')})", "waiting")],
            empty="none known",
        ),
        look.stat(
            "Holding time",
            "Of several bots the longest.",
            [Query(f"topk(1, {each('position_duration_avg_seconds')})")],
            unit=SECONDS,
            empty="no trade closed",
            text="value_and_name",
        ),
    ]


def _trades(look: Look) -> list[Panel]:
    colours = look.colours
    hourly, daily = (traded(hours, where=CHOSEN) for hours in (1, 24))
    sides = {"long": colours.lines.default, "short": colours.lines.accuracy}
    outcomes = {"won": colours.won, "lost": colours.lost, "even": look.calm}
    return [
        look.lines(
            "Trades per hour by outcome",
            "Closed trades of each hour, of all chosen bots.",
            [Query(f"round(sum by (outcome) ({hourly}))", "{{outcome}}")],
            unit=COUNT,
            empty="no trade closed",
            columns=True,
            many=True,
            overrides=[painted(name, colour) for name, colour in outcomes.items()],
            pace=Pace("1h"),
        ),
        look.lines(
            "Trades per day by side",
            "Closed trades of each day of UTC, today so far, of all chosen bots.",
            [Query(f"round(sum by (side) ({daily}))", "{{side}}")],
            unit=COUNT,
            empty="no trade closed",
            columns=True,
            many=True,
            overrides=[painted(name, colour) for name, colour in sides.items()],
            pace=Pace("1d", span(max(look.settings.dashboards.ranges))),
        ),
    ]


def _shares(look: Look) -> list[Panel]:
    sides = {
        side: each("trades_total", *LABELS, where=(*CHOSEN, f'side="{side}"')) for side in ("long", "short")
    }
    return [
        look.pie(
            "Long and short",
            "Of all chosen bots.",
            [Query(f"sum({trades})", side) for side, trades in sides.items()],
            unit=COUNT,
            empty="no trade closed",
            colours={"long": look.colours.lines.default, "short": look.colours.lines.accuracy},
        ),
        look.bars(
            "Trades by symbol",
            "Of all chosen bots; the eight that are traded most.",
            [
                Query(
                    f"topk(8, sum by (symbol) ({each('trades_total', *LABELS, where=CHOSEN)}))",
                    "{{symbol}}",
                )
            ],
            unit=COUNT,
            empty="no trade closed",
        ),
    ]


def _by_hour(look: Look) -> Kind:
    return look.heat(
        "Activity by hour of day",
        "Closed trades by day and hour of UTC, of all chosen bots.",
        Query(by_hour(f"round(sum({traded(1, where=CHOSEN, behind=True)}))"), "{{hour}}:00"),
        unit=COUNT,
        empty="no trade closed",
        pace=Pace("1d", "7d"),
    )


def _pace(look: Look) -> list[Panel]:
    activity = look.colours.lines.activity
    return [
        look.lines(
            "Trades per hour over time",
            "The line is the alert's limit.",
            [Query(each("trades_per_hour"))],
            unit=NUMBER,
            empty="no trade closed",
            colour=activity,
            worst="lowest",
            limits=[Step(look.warn, look.settings.thresholds.warning.trades_per_hour)],
        ),
        look.lines(
            "Holding time over time",
            "",
            [Query(each("position_duration_avg_seconds"))],
            unit=SECONDS,
            empty="no trade closed",
            colour=activity,
        ),
    ]


def _positions(look: Look) -> list[Panel]:
    activity = look.colours.lines.activity
    return [
        *look.money_lines(
            "Position size",
            "Mean stake of a closed trade.",
            [Query("max by (bot) (trading_bot_position_size_avg{%s})")],
            empty="no stake known",
            worst="highest",
        ),
        look.lines(
            "Open positions over time",
            "Of the chosen symbols together.",
            [Query(f"sum by (bot) ({each('active_positions', 'symbol', where=(SYMBOL,))})")],
            unit=COUNT,
            empty="none known",
            colour=activity,
        ),
        look.lines(
            "Pending orders over time",
            "",
            [Query(each("pending_orders"))],
            unit=COUNT,
            empty="none known",
            colour=activity,
        ),
    ]
