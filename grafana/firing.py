"""Firing alerts as a number and as a table, which two dashboards have."""

from grafana.lacking import Stat, Step, Table
from grafana.look import Look, Size
from grafana.parts import SECONDS, Query, named_values, override
from grafana.promql import ALERTS
from grafana.tables import Column, table


def how_many(look: Look) -> Stat:
    """Return the number of alerts that fire now."""
    return look.stat(
        "Firing alerts",
        "Alerts that need someone: critical, warning, and those about Nightdesk itself.",
        [Query(f'count(max by (alertname, bot) (ALERTS{{alertstate="firing",{ALERTS}}}))', "firing")],
        empty="none",
        steps=[Step(look.bad)],
    )


def firing(look: Look, size: Size) -> Table:
    """Return what fires now, and for how long its condition has held; each alert links to its runbook."""
    severities = named_values({"critical": ("critical", look.bad), "warning": ("warning", look.warn)})
    runbooks = look.settings.link("runbooks")
    runbook = {"title": "Runbook", "url": f"{runbooks}/${{__value.raw}}.md", "targetBlank": True}
    return table(
        look,
        "Alerts",
        "What fires now, and for how long its condition has held. An alert links to its runbook.",
        {"alertname": "Alert", "bot": "Bot", "severity": "Severity"},
        [
            Column(
                "For",
                f"max by (alertname, bot, severity) (time() - ALERTS_FOR_STATE{{{ALERTS}}}"
                f' and ignoring (alertstate) ALERTS{{alertstate="firing",{ALERTS}}})',
                SECONDS,
                0,
            )
        ],
        overrides=[
            override("Severity", mappings=[severities], custom__displayMode="color-text"),
            override("Alert", links=[runbook]),
        ],
        empty="nothing fires",
        first="For",
        size=size,
    )
