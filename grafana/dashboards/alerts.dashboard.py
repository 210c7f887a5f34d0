"""Alerts and actions: what fired, what was done about it, whether it helped, and whom it reached."""

from grafanalib.core import Panel

from grafana.firing import firing, how_many
from grafana.frame import frame
from grafana.lacking import Dashboard, Stat, Step
from grafana.look import Look
from grafana.parts import COUNT, NUMBER, SECONDS, Pace, Query, named_values, painted
from grafana.promql import ALERTS, RATE, increase

UID = "trading-bot-alerts"
SPAN = "$__range"


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_now(look),
        *_counts(look),
        firing(look, "xlarge"),
        *_alerts(look),
        *_outcomes(look),
        *_actions(look),
        *_people(look),
    ]
    purpose = "What fired, what was done about it, whether it helped, and whom it reached."
    return frame(look, UID, "Alerts and actions", purpose, look.settings.dashboards.refresh, panels)


def _counted(metric: str, *labels: str) -> str:
    """Return how much a counter of the engine grew in the time shown; replicas each count what they did."""
    found = increase(f"nightdesk_{metric}_total", SPAN, begin=f" offset {SPAN}")
    return f"sum by ({', '.join(labels)}) {found}"


def _hourly(metric: str, label: str) -> Query:
    """Return how much a counter grew in the hour that begins at each point."""
    found = increase(f"nightdesk_{metric}_total", "1h", begin="", end=" offset -1h")
    return Query(f"round(sum by ({label}) {found})", f"{{{{{label}}}}}")


def _mean(metric: str) -> str:
    total, count = (
        f"sum({increase(f'nightdesk_{metric}_{part}', SPAN, begin=f' offset {SPAN}')})"
        for part in ("sum", "count")
    )
    return f"{total} / ({count} > 0)"


def _now(look: Look) -> list[Stat]:
    return [
        look.stat(
            "Open incidents",
            "Of severity info none: they need nobody. A reply on the on-call page stops the climb.",
            [Query('sum(max by (severity) (nightdesk_incidents_open{severity!="info"}))', "open")],
            empty="none",
            steps=[Step(look.good), Step(look.warn, 1)],
        ),
        how_many(look),
    ]


def _counts(look: Look) -> list[Stat]:
    in_span = "In the time shown."
    counts = {
        "Actions": ("actions", "none", ()),
        "Escalations": ("escalations", "none", [Step(look.good), Step(look.warn, 1)]),
        "Nobody answered": ("escalations_exhausted", "never", [Step(look.good), Step(look.bad, 1)]),
        "Incidents closed": ("incidents_closed", "none", ()),
    }
    times = {
        "Alert to action": (
            "alert_to_action_seconds",
            "no action",
            "From an incident's opening to an action",
        ),
        "Alert to proof": (
            "alert_to_verified_seconds",
            "nothing proven",
            "From an incident's opening to the proof that an action helped",
        ),
    }
    return [
        *(
            look.stat(
                title,
                in_span,
                [Query(f"round({_counted(metric)})", title.lower())],
                decimals=0,
                empty=empty,
                steps=steps,
            )
            for title, (metric, empty, steps) in counts.items()
        ),
        *(
            look.stat(
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


def _alerts(look: Look) -> list[Panel]:
    states = named_values({"1": ("firing", look.bad)})
    return [
        look.states(
            "Alerts over time",
            "When each alert fired.",
            [
                Query(
                    f'max by (alertname, bot) (ALERTS{{alertstate="firing",{ALERTS}}})',
                    look.who("{{alertname}}") if look.alone else "{{alertname}} {{bot}}",
                )
            ],
            states,
            empty="nothing fired",
            size="xlarge",
        ),
        look.lines(
            "Alerts by what became of them",
            "Alerts that Alertmanager told of in each hour.",
            [_hourly("alerts", "outcome")],
            unit=COUNT,
            decimals=0,
            empty="none told",
            columns=True,
            many=True,
            pace=Pace("1h"),
        ),
        look.lines(
            "Open incidents over time",
            "By severity.",
            [Query("max by (severity) (nightdesk_incidents_open)", "{{severity}}")],
            unit=COUNT,
            decimals=0,
            empty="none open",
            many=True,
            overrides=[painted("critical", look.bad), painted("warning", look.warn)],
        ),
    ]


def _ended(look: Look) -> dict[str, str]:
    return {"done": look.good, "failed": look.bad, "retry": look.warn}


def _outcomes(look: Look) -> list[Panel]:
    verdicts = {"verified": look.good, "not_verified": look.bad}
    return [
        look.pie(
            "Actions by outcome",
            "In the time shown.",
            [Query(f"round({_counted('actions', 'outcome')})", "{{outcome}}")],
            unit=COUNT,
            empty="no action",
            colours=_ended(look),
        ),
        look.pie(
            "Did it help?",
            "What samples said of the actions, in the time shown.",
            [Query(f"round({_counted('action_verdicts', 'verdict')})", "{{verdict}}")],
            unit=COUNT,
            empty="nothing judged",
            colours=verdicts,
        ),
        look.bars(
            "Actions by name",
            "In the time shown.",
            [Query(f"sort_desc(round({_counted('actions', 'action')}))", "{{action}}")],
            unit=COUNT,
            decimals=0,
            empty="no action",
        ),
    ]


def _actions(look: Look) -> list[Panel]:
    proven = "sum by (le) (increase(nightdesk_alert_to_verified_seconds_bucket[1h]))"
    quantiles = [
        Query(f"histogram_quantile({share}, {proven}) >= 0", f"p{share * 100:g}") for share in (0.5, 0.95)
    ]
    return [
        look.lines(
            "Actions per hour",
            "By how they ended.",
            [_hourly("actions", "outcome")],
            unit=COUNT,
            decimals=0,
            empty="no action",
            columns=True,
            many=True,
            overrides=[painted(name, colour) for name, colour in _ended(look).items()],
            pace=Pace("1h"),
            size="large",
        ),
        look.lines(
            "Alert to proof over time",
            "From an incident's opening to the proof that an action helped, over the hour before.",
            quantiles,
            unit=SECONDS,
            decimals=0,
            empty="nothing proven",
            many=True,
        ),
    ]


def _people(look: Look) -> list[Panel]:
    return [
        look.lines(
            "Escalations per hour",
            "Incidents handed to a person.",
            [_hourly("escalations", "severity")],
            unit=COUNT,
            decimals=0,
            empty="none",
            columns=True,
            many=True,
            overrides=[painted("critical", look.bad), painted("warning", look.warn)],
            pace=Pace("1h"),
        ),
        look.lines(
            "Messages",
            "Of the engine to people and programs, a minute, by channel and what became of a try.",
            [
                Query(
                    f"60 * sum by (channel, outcome) (rate(nightdesk_messages_total[{RATE}]))",
                    "{{channel}} {{outcome}}",
                )
            ],
            unit=NUMBER,
            decimals=1,
            empty="none sent",
            many=True,
        ),
    ]
