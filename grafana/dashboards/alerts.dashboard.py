"""Alerts and actions: what fired, what Nightdesk did, whether it helped, and who was notified."""

from grafana.firing import ANY_BOT, FIRES, NONE_FIRES, OPEN, firing, how_many, incidents
from grafana.frame import frame
from grafana.grafanalib_extensions import Dashboard, Panel, Stat, Step
from grafana.grid import Row
from grafana.panel_fields import COUNT, SECONDS, Pace, Query, named_values, override, painted
from grafana.panels import PanelFactory
from grafana.promql import increase

UID = "trading-bot-alerts"
SPAN = "$__range"


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_now(factory),
        Row("What fires", [firing(factory, "xlarge"), _alerts(factory)]),
        Row("Actions, and whether they helped", _done(factory)),
        # Folded: without incidents it is empty.
        Row("Over time, and by action", _over_time(factory), folded=True),
    ]
    purpose = "Fired alerts, actions, their effect, and the notified people."
    return frame(factory, UID, "Alerts and actions", purpose, factory.settings.dashboards.refresh, panels)


def _counted(metric: str, *labels: str) -> str:
    """Return an engine's counter's growth in the time shown, summed over replicas."""
    found = increase(f"nightdesk_{metric}_total{{{ANY_BOT}}}", SPAN, begin=f" offset {SPAN}")
    return f"sum by ({', '.join(labels)}) {found}"


def _hourly(metric: str, label: str) -> Query:
    """Return a counter's growth in the hour that begins at each point."""
    found = increase(f"nightdesk_{metric}_total{{{ANY_BOT}}}", "1h", begin="", end=" offset -1h")
    return Query(f"sum by ({label}) {found}", f"{{{{{label}}}}}")


def _mean(metric: str) -> str:
    total, count = (
        f"sum({increase(f'nightdesk_{metric}_{part}{{{ANY_BOT}}}', SPAN, begin=f' offset {SPAN}')})"
        for part in ("sum", "count")
    )
    return f"{total} / ({count} > 0)"


def _now(factory: PanelFactory) -> list[Stat]:
    return [
        incidents(factory),
        how_many(factory),
        factory.stat(
            "Escalations",
            "Incidents handed to a person in the time shown.",
            [Query(f"round({_counted('escalations')})", "escalations")],
            empty="none",
            steps=[Step(factory.good), Step(factory.warn, 1)],
        ),
        factory.stat(
            "Incidents closed",
            "In the time shown.",
            [Query(f"round({_counted('incidents_closed')})", "closed")],
            empty="none",
        ),
    ]


def _done(factory: PanelFactory) -> list[Stat]:
    in_span = "In the time shown."
    verdicts = [("verified", "helped", factory.good), ("not_verified", "did not help", factory.bad)]
    times = {
        "Alert to action": (
            "alert_to_action_seconds",
            "no action",
            "From an incident's opening to an action",
        ),
        "Alert to proof": (
            "alert_to_verified_seconds",
            "none proven",
            "From an incident's opening to the proof that an action helped",
        ),
    }
    return [
        factory.stat(
            "Actions",
            in_span,
            [Query(f"round({_counted('actions')})", "actions")],
            decimals=0,
            empty="none",
        ),
        factory.stat(
            "Did it help?",
            f"Verdicts on the actions, by samples. {in_span}",
            [Query(f"round({_counted('action_verdicts', 'verdict')}) > 0", "{{verdict}}")],
            empty="none judged",
            overrides=[
                override(verdict, displayName=name, color={"mode": "fixed", "fixedColor": colour})
                for verdict, name, colour in verdicts
            ],
            text="value_and_name",
        ),
        *(
            factory.stat(
                title,
                f"{words}, on average. {in_span}",
                [Query(_mean(metric), "mean")],
                unit=SECONDS,
                decimals=1,
                empty=empty,
            )
            for title, (metric, empty, words) in times.items()
        ),
    ]


def _alerts(factory: PanelFactory) -> Panel:
    states = named_values(
        {"0": ("calm", factory.good), "1": ("warning", factory.warn), "2": ("critical", factory.bad)}
    )
    fires = f'2 * max by (alertname, bot) ({FIRES} and ALERTS{{severity="critical"}})'
    fires = f"{fires} or max by (alertname, bot) ({FIRES})"
    return factory.states(
        "Alerts over time",
        "The times of each alert. A gap in all lines: Prometheus did not run.",
        [
            Query(
                f'label_replace({fires}, "alert", "$1", "alertname", "(?:TradingBot)?(.*)")',
                "{{alert}} {{bot}}",
            ),
            Query(NONE_FIRES, "no alert"),
        ],
        states,
        empty="not known",
        size="xlarge",
    )


def _ended(factory: PanelFactory) -> dict[str, str]:
    return {
        "done": factory.good,
        "failed": factory.bad,
        "refused": factory.bad,
        "retry": factory.warn,
        "would_have": factory.calm,
    }


def _over_time(factory: PanelFactory) -> list[Panel]:
    severities = [painted("critical", factory.bad), painted("warning", factory.warn)]
    buckets = f"nightdesk_alert_to_verified_seconds_bucket{{{ANY_BOT}}}"
    proven = f"sum by (le) {increase(buckets, '1h', begin=' offset 1h')}"
    quantiles = [
        Query(f"histogram_quantile({share}, {proven}) >= 0", f"p{share * 100:g}") for share in (0.5, 0.95)
    ]
    return [
        factory.lines(
            "Open incidents over time",
            "By severity.",
            [Query(f"sum by (severity) ({OPEN % ''})", "{{severity}}")],
            unit=COUNT,
            empty="none open",
            many=True,
            overrides=severities,
        ),
        factory.lines(
            "Actions per hour",
            "By result.",
            [_hourly("actions", "outcome")],
            unit=COUNT,
            empty="no action",
            columns=True,
            many=True,
            overrides=[painted(name, colour) for name, colour in _ended(factory).items()],
            pace=Pace("1h"),
        ),
        factory.lines(
            "Escalations per hour",
            "Incidents handed to a person.",
            [_hourly("escalations", "severity")],
            unit=COUNT,
            empty="none",
            columns=True,
            many=True,
            overrides=severities,
            pace=Pace("1h"),
        ),
        factory.lines(
            "Alert to proof over time",
            "From an incident's opening to the proof that an action helped, over the hour before.",
            quantiles,
            unit=SECONDS,
            empty="nothing proven",
            many=True,
        ),
        factory.bars(
            "Actions by name",
            "In the time shown, the eight most frequent.",
            [Query(f"topk(8, round({_counted('actions', 'action')}))", "{{action}}")],
            unit=COUNT,
            decimals=0,
            empty="no action",
            size="xlarge",
        ),
        factory.bars(
            "Escalations by bot",
            "In the time shown, the eight most frequent.",
            [Query(f"topk(8, round({_counted('escalations', 'bot')}))", "{{bot}}")],
            unit=COUNT,
            decimals=0,
            empty="none",
            size="xlarge",
        ),
    ]
