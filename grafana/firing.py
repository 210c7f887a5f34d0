"""Present problems, for two dashboards: open incidents, and firing alerts as a number and a table."""

from grafana.grafanalib_extensions import Stat, Step, Table
from grafana.panel_fields import SECONDS, Query, named_values, override, painted_query
from grafana.panels import PanelFactory, Size
from grafana.promql import ALERTS
from grafana.tables import Column, table

FIRES = f'ALERTS{{alertstate="firing",{ALERTS}}}'
# If rules are evaluated, the Watchdog fires; without it the firing alerts are unknown.
_WATCHED = 'count(ALERTS{alertname=~".*Watchdog"})'
NONE_FIRES = f"0 * {_WATCHED} unless on () count({FIRES})"
ANY_BOT = 'bot=~"$bot|"'  # an alert about no bot is about all bots
OPEN = f'max by (bot, severity, acknowledged_by) (nightdesk_incidents_open{{severity!="info",{ANY_BOT}%s}})'


def incidents(factory: PanelFactory) -> Stat:
    """Return the number of open incidents, by the person who acknowledged them."""
    every, held = (OPEN % f',acknowledged_by{which}""' for which in ("=", "!="))
    nobodys = OPEN % ',acknowledged_by="",severity="critical"'
    critical = f"count({nobodys})"
    none = f'0 * (max(up{{job="webhook_actions"}}) == 1) unless on () count({OPEN % ""})'
    return factory.stat(
        "Open incidents",
        "By the person who acknowledged them, without severity info. A click opens the page.",
        [
            Query(f"sum({every}) and on () {critical}", "critical, nobody acknowledged"),
            Query(f"sum({every}) unless on () {critical}", "nobody acknowledged"),
            Query(f"sum by (acknowledged_by) ({held})", "acknowledged by {{acknowledged_by}}"),
            Query(none, "none open"),
        ],
        empty="not known",
        steps=[Step(factory.calm)],
        overrides=[
            painted_query("A", factory.bad),
            painted_query("B", factory.warn),
            painted_query("D", factory.good),
        ],
        text="value_and_name",
        to=f"{factory.settings.link('webhook_actions')}/",
    )


def how_many(factory: PanelFactory) -> Stat:
    """Return the number of firing alerts."""
    critical, others = (
        f'count(max by (alertname, bot) ({FIRES} and ALERTS{{severity{which}"critical"}}))'
        for which in ("=", "!=")
    )
    return factory.stat(
        "Firing alerts",
        "Alerts that need someone: critical, and others: warnings and those about Nightdesk itself.",
        [
            Query(critical, "critical"),
            Query(others, "others"),
            Query(NONE_FIRES, "none fires"),
        ],
        empty="not known",
        overrides=[
            painted_query("A", factory.bad),
            painted_query("B", factory.warn),
            painted_query("C", factory.good),
        ],
        text="value_and_name",
    )


def firing(factory: PanelFactory, size: Size) -> Table:
    """Return the firing alerts, critical and newest first, with age; each links to its runbook."""
    severities = named_values(
        {
            "critical": ("critical", factory.bad),
            "meta": ("Nightdesk", factory.warn),
            "warning": ("warning", factory.warn),
        }
    )
    runbooks = factory.settings.link("runbooks")
    runbook = {"title": "Runbook", "url": f"{runbooks}/TradingBot${{__value.raw}}.md", "targetBlank": True}
    ages = f"time() - ALERTS_FOR_STATE{{{ALERTS}}} and ignoring (alertstate) {FIRES}"
    held = f"max by (alertname, bot, severity) ({ages})"
    short = f'label_replace({held}, "alert", "$1", "alertname", "(?:TradingBot)?(.*)")'
    return table(
        factory,
        "Alerts",
        "The firing alerts, critical first, with the age of their conditions. Alerts link to runbooks.",
        {"severity": "Severity", "bot": "Bot", "alert": "Alert"},
        [Column("For", f"max by (severity, alert, bot) ({short})", SECONDS, 0)],
        overrides=[
            override(
                "Severity",
                mappings=[severities],
                custom__cellOptions={"type": "color-text"},
                custom__width=96,
            ),
            override("Alert", links=[runbook]),
            override("For", custom__width=80),
        ],
        empty="nothing fires",
        first={"Severity": False, "For": False},
        size=size,
    )
