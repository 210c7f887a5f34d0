"""The frame of a dashboard's panels: the grid, variables, annotations, links and times."""

from collections.abc import Sequence
from typing import Any

from grafana.grafanalib_extensions import Dashboard, Json, TimePicker, Variable, core
from grafana.grid import Row, laid, panels_of
from grafana.panel_fields import DATASOURCE
from grafana.panels import PanelFactory
from grafana.promql import ALERTS, BOT, RATE, increase
from stack.settings import Duration

TAG = "nightdesk"
_DEPLOYED = "deployment"  # the tag under which a pipeline reports a deployment to Grafana
_IN_MENU = {"placement": "inControlsMenu"}  # few people switch these on: the top bar keeps one line


def frame(
    factory: PanelFactory,
    uid: str,
    title: str,
    description: str,
    pace: Duration,
    panels: Sequence[core.Panel | Row],
) -> Dashboard:
    """Return the dashboard of these panels and rows, laid out in their order and refreshed at a pace."""
    shown = factory.settings.dashboards
    paces = {shown.refresh, *(one.refresh for _, one in shown.widgets)}
    zone = factory.settings.timezone
    return Dashboard(
        uid=uid,
        title=title,
        description=description,
        tags=[TAG],
        panels=laid(panels),
        templating=core.Templating(list=_variables(factory, panels_of(panels))),
        annotations=core.Annotations(list=_annotations(factory, panels_of(panels))),
        links=_links(factory),
        refresh=_seconds(pace) if shown.auto_refresh else "",
        time=core.Time(f"now-{span(shown.default_range)}", "now"),
        timePicker=TimePicker(
            refreshIntervals=[_seconds(one) for one in sorted(paces)],
            timeOptions=[span(one) for one in shown.ranges],
        ),
        timezone="utc" if zone == "UTC" else zone,
        graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        editable=False,
    )


def _variables(factory: PanelFactory, panels: Sequence[core.Panel]) -> list[Variable]:
    """Return all variables; those that no panel uses are hidden, but links still pass them on."""
    asked = _asked(panels)
    of_symbols = f'{{__name__=~"trading_bot_(active_positions|trades_total|market_rsi)",{BOT}}}'
    chosen = {
        "bot": ("Bot", "label_values(trading_bot_up, bot)"),
        "symbol": ("Symbol", f"label_values({of_symbols}, symbol)"),
        "exchange": ("Exchange", "label_values(trading_bot_network_latency_seconds, endpoint)"),
        "side": ("Side", f"label_values(trading_bot_trades_total{{{BOT}}}, side)"),
        "outcome": ("Outcome", f"label_values(trading_bot_trades_total{{{BOT}}}, outcome)"),
        "host": ("Host", "label_values(trading_bot_host_cpu_usage_ratio, host)"),
        "part": ("Part", "label_values(up, job)"),
    }
    return [
        Variable(
            name="datasource",
            label="Data source",
            type="datasource",
            query="prometheus",
            hide=core.HIDE_VARIABLE if len(factory.settings.services.prometheus.urls) < 2 else core.SHOW,
        ),
        *(
            Variable(
                name=name,
                label=label,
                query=query,
                dataSource=DATASOURCE,
                includeAll=True,
                allValue=".+",
                multi=True,
                refresh=core.REFRESH_ON_TIME_RANGE_CHANGE,
                hide=core.SHOW if any(f"${name}" in expr for expr in asked) else core.HIDE_VARIABLE,
            )
            for name, (label, query) in chosen.items()
        ),
    ]


def _asked(panels: Sequence[core.Panel]) -> list[str]:
    return [target.expr for panel in panels for target in panel.targets]


def _annotations(factory: PanelFactory, panels: Sequence[core.Panel]) -> list[Json]:
    """Return the annotations; at first only those of critical alerts are shown."""
    grown = increase(f"nightdesk_actions_total{{{BOT}}}", RATE, begin=f" offset {RATE}")
    actions = (
        _tagged("Actions", factory.calm, TAG)
        if factory.settings.channels.grafana.enabled
        else _marked(
            "Actions",
            factory.calm,
            f"sum by (action, outcome) {grown} > 0",
            title="{{action}}",
            text="{{outcome}}",
        )
    )
    # One series, so that overlapping alerts are one region.
    critical = f'max(ALERTS{{alertstate="firing",{ALERTS},severity="critical"}})'
    every = [
        _marked("Critical alert", factory.bad, critical, title="Something critical fired", enable=True),
        actions,
        _marked(
            "Starts",
            factory.good,
            f"max by (bot) (trading_bot_start_time_seconds{{{BOT}}}) * 1000",
            title="{{bot}} started",
            useValueForTime=True,
        ),
        _tagged("Deployments", factory.good, _DEPLOYED),
    ]
    trainings = _marked(
        "Trainings",
        factory.colours.lines.accuracy,
        f"max by (bot, model) (trading_bot_model_last_retraining_timestamp_seconds{{{BOT}}}) * 1000",
        title="{{model}} of {{bot}} trained",
        useValueForTime=True,
    )
    of_models = any("trading_bot_model_" in expr for expr in _asked(panels))
    return [*every, trainings] if of_models else every


def _marked(
    name: str, colour: str, expr: str, *, title: str, text: str = "", enable: bool = False, **more: object
) -> Json:
    """Return an annotation whose times come from a query."""
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": enable,
        "iconColor": colour,
        "expr": expr,
        "step": "60s",
        "titleFormat": title,
        "textFormat": text,
        **({} if enable else _IN_MENU),
        **more,
    }


def _tagged(name: str, colour: str, tag: str) -> Json:
    """Return an annotation of events under a tag; `-- Grafana --` is Grafana's own data source."""
    target: dict[str, Any] = {"type": "tags", "tags": [tag], "matchAny": False, "limit": 100}
    return {
        "name": name,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": False,
        "iconColor": colour,
        "target": target,
        **_IN_MENU,
    }


def _links(factory: PanelFactory) -> list[core.DashboardLink]:
    return [
        core.DashboardLink(
            title="Dashboards",
            type="dashboards",
            tags=[TAG],
            asDropdown=True,
            includeVars=True,
            keepTime=True,
        ),
        core.DashboardLink(
            title="On call",
            type="link",
            icon="bolt",
            uri=f"{factory.settings.link('webhook_actions')}/",
            tooltip="Incidents, actions and acknowledgements",
            targetBlank=True,
            keepTime=False,
        ),
    ]


def _seconds(pace: Duration) -> str:
    """Return a refresh interval in Grafana's notation: one number and one unit."""
    return f"{round(pace)}s"


def span(duration: Duration) -> str:
    """Return a range in the largest unit that divides it; a day is 24h, as in Grafana's own list."""
    seconds = round(duration)
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % length == 0 and (unit != "d" or seconds > length):
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
