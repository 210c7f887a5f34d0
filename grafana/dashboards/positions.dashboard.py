"""Positions: open positions, the worst first: without a stop, near liquidation, drained by funding."""

from collections.abc import Sequence

from grafana.frame import frame
from grafana.grafanalib_extensions import Dashboard, Panel, Step, Table
from grafana.grid import Row
from grafana.panel_fields import NEUTRAL, NUMBER, RATIO, SECONDS, Query, from_value, named_values, override
from grafana.panels import PanelFactory
from grafana.promql import SYMBOL, counted_beside, each, of
from grafana.tables import Column, amount, table

UID = "trading-bot-positions"
_OF = ("symbol", "side")
_HERE = (SYMBOL,)
_SILENT = 1_000_000  # the danger of positions of which nobody knows: more than any that is measured


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    watched = any(account.exchange for account in factory.settings.accounts.values())
    panels = [
        *_now(factory),
        Row("Each position", [_held(factory)]),
        *([Row("At the exchange", [_differences(factory)])] if watched else []),
        Row("Over time", _over_time(factory)),
    ]
    purpose = "The bots' positions, the worst first: without a stop, near liquidation, drained by funding."
    return frame(factory, UID, "Positions", purpose, factory.settings.dashboards.widgets.risk.refresh, panels)


def _of(metric: str) -> str:
    return each(f"position_{metric}", *_OF, where=_HERE)


def _nearest() -> str:
    """Return the distance to liquidation; if two exporters watch one bot, each series counts once."""
    return f"min by (bot, symbol, side) ({of('position_liquidation_distance_ratio', SYMBOL)})"


def _danger(factory: PanelFactory) -> str:
    """Return how close each position is to its nearest alert, which fires at 1."""
    critical, warning = factory.settings.thresholds.critical, factory.settings.thresholds.warning
    ways = {
        "stop": _of("unprotected"),
        "liquidation": f"{critical.liquidation_distance} / clamp_min({_nearest()}, 1e-6)",
        "margin": f"{_of('margin_ratio')} / {critical.margin_ratio}",
        "funding": f"{_of('funding_paid')} / {_of('value')} / {warning.funding_paid}",
    }
    named = (f'label_replace({expr}, "way", "{way}", "", "")' for way, expr in ways.items())
    return f"max by (bot, symbol, side) ({' or '.join(named)})"


def _beside_silent(total: str, name: str) -> list[Query]:
    """Return a sum over bots that answer; its name says how many others may have positions as well."""
    silent = f"count({each('up')} == 0)"
    lacking = counted_beside(f"({total} or NaN * {silent})", down=silent, of=f"count({each('up')})")
    return [
        Query(f"{total} unless on () {silent}", name),
        Query(lacking, f"{name}: {{{{down}}}} of {{{{of}}}} silent"),
    ]


def _now(factory: PanelFactory) -> list[Panel]:
    critical, warning = factory.settings.thresholds.critical, factory.settings.thresholds.warning
    doubted = [Step(NEUTRAL), Step(factory.warn, 1)]
    return [
        factory.stat(
            "Open positions",
            "Of all chosen bots.",
            _beside_silent(f"sum({each('active_positions', 'symbol', where=_HERE)})", "open"),
            empty="none known",
            text="value_and_name",
            size="medium",
        ),
        factory.stat(
            "Without a stop",
            "Symbols and sides of all chosen bots without a known live stop.",
            _beside_silent(f"sum({_of('unprotected')})", "unprotected"),
            empty="no position",
            steps=[Step(factory.good), Step(factory.warn, 1)],
            overrides=[override("B", "byFrameRefID", thresholds={"mode": "absolute", "steps": doubted})],
            text="value_and_name",
            size="medium",
        ),
        factory.stat(
            "Nearest to liquidation",
            "Of all chosen bots; red from LiquidationNear's limit.",
            [factory.worst(_nearest(), "lowest", "{{symbol}}")],
            **factory.ratio,
            empty="none known",
            steps=[Step(factory.bad), Step(factory.good, critical.liquidation_distance)],
            text="value_and_name",
            size="medium",
        ),
        factory.stat(
            "Oldest waiting order",
            "Of all chosen bots; orange from OrderStuck's limit.",
            [
                factory.worst(
                    each("order_age_seconds", "symbol", where=_HERE), "highest", "{{symbol}}", word="oldest"
                )
            ],
            unit=SECONDS,
            decimals=0,
            empty="none waits",
            steps=factory.at_most(float(warning.order_age)),
            text="value_and_name",
            size="medium",
        ),
    ]


def _money(factory: PanelFactory, title: str, metric: str, steps: Sequence[Step] = ()) -> Column:
    expr = f"max by (bot, symbol, side) (trading_bot_position_{metric}{{%s,{SYMBOL}}})"
    return amount(factory, title, expr, steps)


def _held(factory: PanelFactory) -> Table:
    critical, decimals = factory.settings.thresholds.critical, factory.settings.dashboards.decimals.ratio
    stop = named_values({"0": ("live", factory.good), "1": ("none known", factory.warn)})
    words = (
        "The worst first. Danger is a position's progress to its nearest alert, which fires at 1. "
        "Several positions of a symbol and side are one row. An empty cell is not known. A silent bot comes "
        "first: nobody knows its positions now."
    )
    columns = [
        Column(
            "Danger",
            f"{_danger(factory)} or {_SILENT} + ({each('up')} == 0)",
            NUMBER,
            2,
            [Step(factory.good), Step(factory.warn, 0.5), Step(factory.bad, 1)],
            from_value(_SILENT, "silent", factory.warn),
        ),
        _money(factory, "Value", "value"),
        _money(factory, "P&L", "profit", factory.earned),
        Column("Stop", _of("unprotected"), mapping=stop),
        Column("To stop", _of("stop_distance_ratio"), RATIO, decimals),
        Column(
            "To liquidation",
            _nearest(),
            RATIO,
            decimals,
            [Step(factory.bad), Step(factory.good, critical.liquidation_distance)],
        ),
        Column("Leverage", _of("leverage"), NUMBER, 1),
        Column(
            "Margin",
            _of("margin_ratio"),
            RATIO,
            decimals,
            [Step(factory.good), Step(factory.bad, critical.margin_ratio)],
        ),
        _money(factory, "Funding", "funding_paid"),
        Column("Age", _of("age_seconds"), SECONDS, 0),
    ]
    rows = {"bot": "Bot", "symbol": "Symbol", "side": "Side"} | factory.by_currency
    return table(factory, "All positions", words, rows, columns, empty="–", first="Danger")


def _differences(factory: PanelFactory) -> Table:
    words = (
        "Differences between the exchange and the bots, after a time for fills in flight. "
        "Empty if they agree, or if no account has a key for its exchange (docs/exchange.md)."
    )
    kind = ("account", "difference", "symbol")
    columns = [
        Column("Differs by", each("books_difference", *kind), NUMBER, 4, [Step(factory.warn)]),
        Column("Exchange says", each("books_at_exchange", *kind), NUMBER, 4),
        Column("Bots say", each("books_by_bots", *kind), NUMBER, 4),
    ]
    rows = {"bot": "Bot", "account": "Account", "difference": "Difference", "symbol": "Symbol"}
    title = "Where exchange and bots differ"
    return table(factory, title, words, rows, columns, empty="none", first="Differs by")


def _over_time(factory: PanelFactory) -> list[Panel]:
    critical, warning = factory.settings.thresholds.critical, factory.settings.thresholds.warning
    name = factory.who("{{symbol}} {{side}}")
    return [
        factory.lines(
            "To liquidation over time",
            "The eight nearest; the line is LiquidationNear's limit.",
            [Query(f"bottomk(8, {_nearest()})", name)],
            **factory.ratio,
            empty="none known",
            limits=[Step(factory.bad, critical.liquidation_distance)],
        ),
        factory.lines(
            "Funding paid over time",
            "The eight highest, as a share of the position's value; the line is FundingDrain's limit.",
            [Query(f"topk(8, {_of('funding_paid')} / {_of('value')})", name)],
            **factory.ratio,
            empty="none known",
            limits=[Step(factory.warn, warning.funding_paid)],
        ),
    ]
