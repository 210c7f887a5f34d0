"""Live against backtest: do the bots' trades still make what their reference promised?"""

from collections.abc import Mapping

from grafana.frame import frame
from grafana.grafanalib_extensions import Dashboard, Json, Panel, Stat, Step
from grafana.grid import Row
from grafana.panel_fields import NUMBER, RATIO, SECONDS, Query, named_values, override, painted
from grafana.panels import PanelFactory
from grafana.promql import each
from grafana.sums import summed

UID = "trading-bot-edge"
NOTHING = "nothing compared"
# Costs hardly change: without zero their axes would repeat a label.
ZERO = override(".*", "byRegexp", custom__axisSoftMin=0, custom__axisSoftMax=0)
LIVE, REFERENCE = 'of="live"', 'of="reference"'
_SHARES = {"0.99": "99%", "0.95": "95%", "0.5": "median", "0.05": "5%", "0.01": "1%"}


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    charts = [*_paths(factory), *_figures(factory)]
    panels = [
        *_now(factory),
        Row("Over time" if factory.alone else "$bot", charts, each=None if factory.alone else "bot"),
    ]
    purpose = "Whether live trades still make what a backtest, or the bot's own first trades, promised."
    pace = factory.settings.dashboards.widgets.performance.refresh
    return frame(factory, UID, "Live against backtest", purpose, pace, panels)


def _now(factory: PanelFactory) -> list[Stat]:
    names = {
        "0": ("intact", factory.good),
        "1": ("fading", factory.warn),
        "2": ("gone", factory.bad),
    }
    state = f"clamp_max({each('edge_fading')} + 2 * {each('edge_gone')}, 2)"
    return [
        factory.stat(
            "Edge",
            "Of several bots the worst. Fading: as if half the expectancy is left; gone: as if none is.",
            [factory.worst(state, "highest")],
            empty=NOTHING,
            mapping=named_values(names),
            steps=[Step(factory.good), Step(factory.warn, 1), Step(factory.bad, 2)],
            text="value_and_name",
        ),
        factory.stat(
            "Limit used",
            "The largest sum of shortfalls, as a share of its limit, at which an alarm begins.",
            [factory.worst(f"max by (bot) ({each('edge_cusum_used_ratio', 'figure', 'alarm')})", "highest")],
            **factory.ratio,
            empty=NOTHING,
            steps=factory.at_most(None, 1),
            text="value_and_name",
        ),
        *(
            factory.stat(
                title,
                "Of what the reference has; of several bots the lowest.",
                [factory.worst(f"{_of(name, LIVE)} / {_of(name, REFERENCE)}", "lowest")],
                **factory.ratio,
                empty=NOTHING,
                text="value_and_name",
            )
            for title, name in {"Expectancy left": "expectancy_ratio", "Win rate left": "win_rate"}.items()
        ),
        factory.stat(
            "Trades compared",
            "Of all chosen bots.",
            summed(each("edge_trades"), "closed"),
            empty=NOTHING,
            text="value_and_name",
        ),
    ]


def _of(name: str, which: str) -> str:
    """Return a figure of live trades or of the reference."""
    return each(f"edge_{name}", where=(which,))


def _live(factory: PanelFactory) -> Json:
    """Return the colour of live trades: Grafana's first one is green, as if all were well."""
    return painted("live", factory.colours.lines.default)


def _paths(factory: PanelFactory) -> list[Panel]:
    cone = [
        Query(each("edge_cone_ratio", where=(f'share="{share}"',)), f"{name} of the reference")
        for share, name in _SHARES.items()
    ]
    falls = [
        Query(
            each("edge_drawdown_limit_ratio", where=(f'confidence="{share}"',)),
            f"{share:.0%} of the reference",
        )
        for share in (0.95, 0.99)
    ]
    return [
        factory.lines(
            "Equity over the cone of its reference",
            "Sum of the profits of trades, in stakes, without compounding. Dashed: what so many trades drawn "
            "from the reference make.",
            [Query(each("edge_equity_ratio"), "live"), *cone],
            unit=RATIO,
            empty=NOTHING,
            many=True,
            overrides=[_live(factory)],
            size="full",
        ),
        factory.lines(
            "Sums of shortfalls against their limits",
            "At 1 an alarm begins; it ends at a half.",
            [Query(each("edge_cusum_used_ratio", "figure", "alarm"), "{{figure}}, {{alarm}}")],
            unit=NUMBER,
            empty=NOTHING,
            many=True,
            limits=[Step(factory.bad, 1)],
        ),
        factory.lines(
            "Deepest fall against its reference",
            "In stakes. Dashed: what so many trades drawn from the reference stay below.",
            [Query(each("edge_drawdown_ratio"), "live"), *falls],
            unit=RATIO,
            empty=NOTHING,
            many=True,
            overrides=[_live(factory)],
        ),
    ]


def _figures(factory: PanelFactory) -> list[Panel]:
    return [
        *_both(factory, {"Win rate": "win_rate", "Expectancy": "expectancy_ratio"}, RATIO),
        *_both(factory, {"Slippage": "slippage_ratio", "Fees": "fee_ratio"}, RATIO, ZERO),
        *_both(factory, {"Trades per day": "trades_per_day"}, NUMBER),
        *_both(factory, {"Holding time": "holding_seconds"}, SECONDS),
    ]


def _both(factory: PanelFactory, titles: Mapping[str, str], unit: str, *more: Json) -> list[Panel]:
    """Return charts of figures that live trades and the reference have."""
    return [
        factory.lines(
            f"{title}, live and reference",
            "Dashed: the reference.",
            [
                Query(_of(name, LIVE), "live"),
                Query(_of(name, REFERENCE), "reference"),
            ],
            unit=unit,
            empty=NOTHING,
            many=True,
            overrides=[_live(factory), *more],
        )
        for title, name in titles.items()
    ]
