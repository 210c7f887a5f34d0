"""Compares a bot's figures with its usual: median and band of the last four weeks at that hour."""

from typing import Any

from grafana.grafanalib_extensions import Json, Panel
from grafana.grid import Row
from grafana.panel_fields import COUNT, NEUTRAL, NUMBER, RATIO, SECONDS, Query, override
from grafana.panels import PanelFactory
from grafana.promql import each, known, weeks_before

_WEEKS = (1, 2, 3, 4)


def row(factory: PanelFactory) -> Row:
    """Return the folded row, one for each bot."""
    charts = [
        _against(factory, "Drawdown", known("drawdown_ratio"), unit=RATIO, empty="no drawdown known"),
        _against(factory, "Win rate", each("win_rate"), unit=RATIO, empty="no trade closed"),
        _against(
            factory, "Open positions", known("active_positions"), unit=COUNT, empty="no positions known"
        ),
        _against(factory, "Trades per hour", each("trades_per_hour"), unit=NUMBER, empty="no trade closed"),
        _against(factory, "Error rate", each("error_rate"), unit=RATIO, empty="no API calls known"),
        _against(
            factory,
            "Response time, p95",
            each("bot:trading_bot_response_time_seconds:p95"),
            unit=SECONDS,
            empty="no API calls known",
        ),
    ]
    if factory.alone:
        return Row("Against its own usual", charts, folded=True)
    return Row("$bot against its own usual", charts, folded=True, each="bot")


def _against(factory: PanelFactory, title: str, now: str, **more: Any) -> Panel:  # noqa: ANN401 - handed on
    before = " or ".join(
        f'label_replace({weeks_before(now, week)}, "week", "{week}", "", "")' for week in _WEEKS
    )
    grey = {"mode": "fixed", "fixedColor": NEUTRAL}
    band: Json = {"color": grey, "custom__lineWidth": 0}
    return factory.lines(
        f"{title} against the usual",
        "The median and the band of the last four weeks at that hour, or of fewer if there are no more. "
        "Empty until a week has passed.",
        [
            Query(now, "now"),
            Query(f"quantile by (bot) (0.5, {before})", "usual"),
            Query(f"min by (bot) ({before})", "lowest"),
            Query(f"max by (bot) ({before})", "highest"),
        ],
        many=True,
        overrides=[
            override("now", color={"mode": "fixed", "fixedColor": factory.colours.lines.default}),
            override("usual", color=grey, custom__lineStyle={"fill": "dash", "dash": [6, 6]}),
            override("lowest", **band),
            override("highest", **band, custom__fillBelowTo="lowest", custom__fillOpacity=15),
        ],
        **more,
    )
