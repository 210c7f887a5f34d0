"""Logs: the bots' log events and messages, and the exporter's backlog; with Loki the lines."""

from grafana.frame import frame
from grafana.grafanalib_extensions import Dashboard, Logs, Panel, Step, Table, Target
from grafana.grid import Row
from grafana.panel_fields import BYTES, COUNT, NUMBER, SECONDS, Query, override, painted
from grafana.panels import PanelFactory
from grafana.promql import BOT, grown, quantile, rate
from grafana.provisioning import LOKI
from grafana.tables import Column, table

UID = "trading-bot-logs"
EVENT = ("category", "event", "severity")
BAD = 'severity=~"error|critical"'
NONE = "no log watched"


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_now(factory),
        Row("Events", [*_over_time(factory), *_most(factory)]),
        Row("Reading", _reading(factory)),
        Row("Lines", _lines(factory)),
    ]
    purpose = "Events and messages of the bots' logs, and whether reading keeps up."
    return frame(factory, UID, "Logs", purpose, factory.settings.dashboards.refresh, panels)


def _over(factory: PanelFactory) -> str:
    """Return the window of rates: the logs group may have a longer interval than the others."""
    return f"{4 * round(factory.settings.collection.logs.interval)}s"


def _now(factory: PanelFactory) -> list[Panel]:
    lines = grown("log_lines_total", over="$__range")
    errors = grown("log_events_total", *EVENT, where=(BAD,), over="$__range")
    span = "In the time shown, of all chosen bots."
    return [
        factory.stat(
            "Lines",
            span,
            [Query(f"sum({lines})", "lines")],
            decimals=0,
            empty=NONE,
            size="medium",
        ),
        factory.stat(
            "Errors",
            f"{span} Errors and worse.",
            [Query(f"sum({errors})", "errors")],
            decimals=0,
            empty="no error logged",
            steps=[Step(factory.good), Step(factory.warn, 1)],
            size="medium",
        ),
        factory.stat(
            "Unread",
            "The most of several bots.",
            [factory.worst(f"max by (bot) (nightdesk_exporter_log_unread_bytes{{{BOT}}})", "highest")],
            unit=BYTES,
            empty=NONE,
            text="value_and_name",
            size="medium",
        ),
        factory.stat(
            "Slow operations",
            "95% of the logged operations took less, in the time shown; the longest of several bots.",
            [factory.worst(quantile(0.95, "log_slow_operation_seconds", over="$__range"), "highest")],
            unit=SECONDS,
            empty="none logged",
            text="value_and_name",
            size="medium",
        ),
    ]


def _over_time(factory: PanelFactory) -> list[Panel]:
    severities = {
        "critical": factory.bad,
        "error": factory.bad,
        "warning": factory.warn,
        "info": factory.calm,
    }
    minute = rate("log_events_total", *EVENT, over=_over(factory))
    # A rate needs two scrapes: right after the start it is not known, though a log is watched.
    return [
        factory.lines(
            "Events by severity",
            "A minute, of all chosen bots.",
            [Query(f"60 * sum by (severity) ({minute})", "{{severity}}")],
            unit=NUMBER,
            empty="no event known yet",
            many=True,
            overrides=[painted(name, colour) for name, colour in severities.items()],
        ),
        factory.lines(
            "Events by category",
            "A minute, of all chosen bots.",
            [Query(f"60 * sum by (category) ({minute})", "{{category}}")],
            unit=NUMBER,
            empty="no event known yet",
            many=True,
        ),
        factory.lines(
            "Lines per minute",
            "",
            [Query(f"60 * {rate('log_lines_total', over=_over(factory))}")],
            unit=NUMBER,
            empty="no line known yet",
        ),
    ]


def _most(factory: PanelFactory) -> list[Table]:
    counted = grown("log_events_total", *EVENT, over="$__range")
    told = grown("log_messages_total", "message", over="$__range")
    return [
        table(
            factory,
            "Events",
            "In the time shown.",
            {"bot": "Bot", "category": "Category", "event": "Event", "severity": "Severity"},
            [Column("Count", f"{counted} > 0", COUNT, 0)],
            empty="no event logged",
            first="Count",
        ),
        table(
            factory,
            "Failures by message",
            "In the time shown.",
            {"bot": "Bot", "message": "Message"},
            [Column("Count", f"{told} > 0", COUNT, 0)],
            empty="no failure logged",
            first="Count",
            overrides=[
                override("Bot", custom__width=120),
                override("Count", custom__width=90),
                override("Message", custom__wrapText=True),
            ],
        ),
    ]


def _reading(factory: PanelFactory) -> list[Panel]:
    return [
        factory.lines(
            "Unread over time",
            "",
            [Query(f"max by (bot) (nightdesk_exporter_log_unread_bytes{{{BOT}}})")],
            unit=BYTES,
            empty=NONE,
        ),
        *(
            [
                factory.lines(
                    "Matches of own patterns",
                    "A minute, of the patterns of `logs.patterns`.",
                    [
                        Query(
                            f"60 * {rate('log_matches_total', 'event', over=_over(factory))}",
                            factory.who("{{event}}"),
                        )
                    ],
                    unit=NUMBER,
                    empty="no pattern matched",
                    many=True,
                )
            ]
            if factory.settings.logs.patterns
            else []
        ),
    ]


def _lines(factory: PanelFactory) -> list[Logs]:
    if not factory.settings.logs.loki.enabled:
        return []
    source = {"type": LOKI, "uid": LOKI}
    words = 'Of the chosen bots, the newest first. Add a filter in Explore: `|= "ERROR"`.'
    return [
        Logs(
            **factory.common("The lines themselves", words, [], "full") | {"dataSource": source},
            targets=[Target(expr=f"{{{BOT}}}", refId="A", datasource=source)],
            showTime=True,
            wrapLogMessages=True,
            enableLogDetails=True,
        )
    ]
