"""Positions: what the bots hold, the worst first: without a stop, near liquidation, drained by funding."""

from grafanalib.core import Panel

from grafana.frame import frame
from grafana.grid import Row
from grafana.lacking import Dashboard, Step, Table
from grafana.look import Look
from grafana.parts import NUMBER, RATIO, SECONDS, Query, named_values
from grafana.promql import SYMBOL, each, of
from grafana.tables import Column, table

UID = "trading-bot-positions"
_OF = ("symbol", "side")
_HERE = (SYMBOL,)


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    panels = [*_now(look), Row("Each position", [_held(look)]), Row("Over time", _over_time(look))]
    purpose = "What the bots hold, the worst first: without a stop, near liquidation, drained by funding."
    return frame(look, UID, "Positions", purpose, look.settings.dashboards.widgets.risk.refresh, panels)


def _of(metric: str) -> str:
    return each(f"position_{metric}", *_OF, where=_HERE)


def _nearest() -> str:
    """Return the distance to liquidation: two exporters that watch one bot say everything twice."""
    return f"min by (bot, symbol, side) ({of('position_liquidation_distance_ratio', SYMBOL)})"


def _danger(look: Look) -> str:
    """Return how far each position is on the way to the alert that it is nearest to, which fires at 1."""
    critical, warning = look.settings.thresholds.critical, look.settings.thresholds.warning
    ways = {
        "stop": _of("unprotected"),
        "liquidation": f"{critical.liquidation_distance} / clamp_min({_nearest()}, 1e-6)",
        "margin": f"{_of('margin_ratio')} / {critical.margin_ratio}",
        "funding": f"{_of('funding_paid')} / {_of('value')} / {warning.funding_paid}",
    }
    named = (f'label_replace({expr}, "way", "{way}", "", "")' for way, expr in ways.items())
    return f"max by (bot, symbol, side) ({' or '.join(named)})"


def _now(look: Look) -> list[Panel]:
    critical, warning = look.settings.thresholds.critical, look.settings.thresholds.warning
    return [
        look.stat(
            "Open positions",
            "Of all chosen bots.",
            [Query(f"sum({each('active_positions', 'symbol', where=_HERE)})", "open")],
            empty="none known",
            size="medium",
        ),
        look.stat(
            "Without a stop",
            "Symbols and sides of all chosen bots in which no live stop is known.",
            [Query(f"sum({_of('unprotected')})", "unprotected")],
            empty="no position",
            steps=[Step(look.good), Step(look.warn, 1)],
            size="medium",
        ),
        look.stat(
            "Nearest to liquidation",
            "Of all chosen bots; red from LiquidationNear's limit.",
            [Query(f"bottomk(1, {_nearest()})", look.who("{{symbol}}"))],
            **look.ratio,
            empty="none known",
            steps=[Step(look.bad), Step(look.good, critical.liquidation_distance)],
            text="value_and_name",
            size="medium",
        ),
        look.stat(
            "Oldest order that waits",
            "Of all chosen bots; orange from OrderStuck's limit.",
            [Query(f"topk(1, {each('order_age_seconds', 'symbol', where=_HERE)})", look.who("{{symbol}}"))],
            unit=SECONDS,
            decimals=0,
            empty="none waits",
            steps=look.at_most(float(warning.order_age)),
            text="value_and_name",
            size="medium",
        ),
    ]


def _money(look: Look, title: str, metric: str, steps: list[Step]) -> list[Column]:
    """Return a column of money for each currency."""
    return [
        Column(
            f"{title} {currency}",
            f"max by (bot, symbol, side) (trading_bot_position_{metric}{{{matchers},{SYMBOL}}})",
            f"suffix:{currency}",
            look.settings.dashboards.decimals.money,
            steps,
        )
        for currency, matchers in look.currencies().items()
    ]


def _held(look: Look) -> Table:
    critical, decimals = look.settings.thresholds.critical, look.settings.dashboards.decimals.ratio
    stop = named_values({"0": ("live", look.good), "1": ("none known", look.warn)})
    words = (
        "The worst first: Danger is how far a position is on the way to its nearest alert, which fires at 1. "
        "Several positions of a symbol and side are one row. An empty cell is not known."
    )
    columns = [
        Column(
            "Danger", _danger(look), NUMBER, 2, [Step(look.good), Step(look.warn, 0.5), Step(look.bad, 1)]
        ),
        *_money(look, "Value", "value", []),
        *_money(look, "P&L", "profit", [Step(look.colours.lost), Step(look.colours.won, 0)]),
        Column("Stop", _of("unprotected"), mapping=stop),
        Column("To stop", _of("stop_distance_ratio"), RATIO, decimals),
        Column(
            "To liquidation",
            _nearest(),
            RATIO,
            decimals,
            [Step(look.bad), Step(look.good, critical.liquidation_distance)],
        ),
        Column("Leverage", _of("leverage"), NUMBER, 1),
        Column(
            "Margin",
            _of("margin_ratio"),
            RATIO,
            decimals,
            [Step(look.good), Step(look.bad, critical.margin_ratio)],
        ),
        *_money(look, "Funding", "funding_paid", []),
        Column("Age", _of("age_seconds"), SECONDS, 0),
    ]
    rows = {"bot": "Bot", "symbol": "Symbol", "side": "Side"}
    return table(look, "All positions", words, rows, columns, empty="–", first="Danger")


def _over_time(look: Look) -> list[Panel]:
    critical, warning = look.settings.thresholds.critical, look.settings.thresholds.warning
    name = look.who("{{symbol}} {{side}}")
    return [
        look.lines(
            "To liquidation over time",
            "The eight nearest; the line is LiquidationNear's limit.",
            [Query(f"bottomk(8, {_nearest()})", name)],
            **look.ratio,
            empty="none known",
            limits=[Step(look.bad, critical.liquidation_distance)],
        ),
        look.lines(
            "Funding paid over time",
            "As a share of the position's value, the eight highest; the line is FundingDrain's limit.",
            [Query(f"topk(8, {_of('funding_paid')} / {_of('value')})", name)],
            **look.ratio,
            empty="none known",
            limits=[Step(look.warn, warning.funding_paid)],
        ),
    ]
