"""Logs: what the bots' logs say, by event and by words, and whether reading keeps up; with Loki the lines."""

from grafanalib.core import Panel

from grafana.frame import frame
from grafana.grid import Row
from grafana.lacking import Dashboard, Logs, Step, Table, Target
from grafana.look import Look
from grafana.parts import BYTES, COUNT, NUMBER, SECONDS, Query, override, painted
from grafana.promql import BOT, grown, quantile, rate
from grafana.provisioning import LOKI
from grafana.tables import Column, table

UID = "trading-bot-logs"
EVENT = ("category", "event", "severity")
BAD = 'severity=~"error|critical"'
NONE = "no log watched"


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_now(look),
        Row("Events", [*_over_time(look), *_most(look)]),
        Row("Reading", _reading(look)),
        Row("Lines", _lines(look)),
    ]
    purpose = "What the bots' logs say, by event and by words, and whether reading keeps up."
    return frame(look, UID, "Logs", purpose, look.settings.dashboards.refresh, panels)


def _over(look: Look) -> str:
    """Return the time over which rates are taken: logs may be asked for more rarely than the rest."""
    return f"{4 * round(look.settings.collection.logs.interval)}s"


def _now(look: Look) -> list[Panel]:
    lines = grown("log_lines_total", over="$__range")
    errors = grown("log_events_total", *EVENT, where=(BAD,), over="$__range")
    span = "In the time shown, of all chosen bots."
    return [
        look.stat(
            "Lines",
            span,
            [Query(f"sum({lines})", "lines")],
            decimals=0,
            empty=NONE,
            size="medium",
        ),
        look.stat(
            "Errors",
            f"{span} Errors and worse.",
            [Query(f"sum({errors})", "errors")],
            decimals=0,
            empty="no error logged",
            steps=[Step(look.good), Step(look.warn, 1)],
            size="medium",
        ),
        look.stat(
            "Unread",
            "Of several bots the most.",
            [Query(f"topk(1, max by (bot) (nightdesk_exporter_log_unread_bytes{{{BOT}}}))")],
            unit=BYTES,
            empty=NONE,
            text="value_and_name",
            size="medium",
        ),
        look.stat(
            "Slow operations",
            "95% of those that the logs tell took less, in the time shown. Of several bots the longest.",
            [Query(f"topk(1, {quantile(0.95, 'log_slow_operation_seconds', over='$__range')})")],
            unit=SECONDS,
            empty="none logged",
            text="value_and_name",
            size="medium",
        ),
    ]


def _over_time(look: Look) -> list[Panel]:
    severities = {"critical": look.bad, "error": look.bad, "warning": look.warn, "info": look.calm}
    minute = rate("log_events_total", *EVENT, over=_over(look))
    return [
        look.lines(
            "Events by severity",
            "A minute, of all chosen bots.",
            [Query(f"60 * sum by (severity) ({minute})", "{{severity}}")],
            unit=NUMBER,
            empty="no event logged",
            many=True,
            overrides=[painted(name, colour) for name, colour in severities.items()],
        ),
        look.lines(
            "Events by category",
            "A minute, of all chosen bots.",
            [Query(f"60 * sum by (category) ({minute})", "{{category}}")],
            unit=NUMBER,
            empty="no event logged",
            many=True,
        ),
        look.lines(
            "Lines per minute",
            "",
            [Query(f"60 * {rate('log_lines_total', over=_over(look))}")],
            unit=NUMBER,
            empty=NONE,
        ),
    ]


def _most(look: Look) -> list[Table]:
    counted = grown("log_events_total", *EVENT, over="$__range")
    told = grown("log_messages_total", "message", over="$__range")
    return [
        table(
            look,
            "Events",
            "In the time shown.",
            {"bot": "Bot", "category": "Category", "event": "Event", "severity": "Severity"},
            [Column("Count", f"{counted} > 0", COUNT, 0)],
            empty="no event logged",
            first="Count",
        ),
        table(
            look,
            "Failures by their words",
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


def _reading(look: Look) -> list[Panel]:
    return [
        look.lines(
            "Unread over time",
            "",
            [Query(f"max by (bot) (nightdesk_exporter_log_unread_bytes{{{BOT}}})")],
            unit=BYTES,
            empty=NONE,
        ),
        *(
            [
                look.lines(
                    "Matches of own patterns",
                    "A minute, of the patterns of `logs.patterns`.",
                    [
                        Query(
                            f"60 * {rate('log_matches_total', 'event', over=_over(look))}",
                            look.who("{{event}}"),
                        )
                    ],
                    unit=NUMBER,
                    empty="no pattern matched",
                    many=True,
                )
            ]
            if look.settings.logs.patterns
            else []
        ),
    ]


def _lines(look: Look) -> list[Logs]:
    if not look.settings.logs.loki.enabled:
        return []
    source = {"type": LOKI, "uid": LOKI}
    words = 'Of the chosen bots, the newest first. Add a filter in Explore: `|= "ERROR"`.'
    return [
        Logs(
            **look.common("The lines themselves", words, [], "full") | {"dataSource": source},
            targets=[Target(expr=f"{{{BOT}}}", refId="A", datasource=source)],
            showTime=True,
            wrapLogMessages=True,
            enableLogDetails=True,
        )
    ]
