"""System health: hosts, processes, the connection to the exchange, and health checks."""

from grafana.frame import frame
from grafana.grafanalib_extensions import Dashboard, Panel, StateTimeline, Step
from grafana.grid import Row
from grafana.panel_fields import NUMBER, RATIO, SECONDS, Query, named_values
from grafana.panels import PanelFactory
from grafana.promql import ENDPOINT, HOST, each, quantile

UID = "trading-bot-system"
LATENCY = f"max by (endpoint) (trading_bot_network_latency_seconds{{{ENDPOINT}}})"


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    bot_checks, host_checks = _checks(factory)
    of_bot, of_host, disks = _usage(factory)
    panels: list[Panel | Row] = [
        Row("Hosts and endpoints", [*_gauges(factory), host_checks, *of_host, disks, *_latency(factory)]),
        Row(
            "Bot" if factory.alone else "$bot",
            [bot_checks, *_calls(factory), *of_bot, *_age(factory)],
            each=None if factory.alone else "bot",
        ),
    ]
    purpose = "Hosts, processes, the connection to the exchange, and health checks."
    pace = factory.settings.dashboards.widgets.system.refresh
    return frame(factory, UID, "System health", purpose, pace, panels)


def _host(what: str, *labels: str) -> str:
    return f"max by ({', '.join(('host', *labels))}) (trading_bot_host_{what}_usage_ratio{{{HOST}}})"


def _gauges(factory: PanelFactory) -> list[Panel]:
    limits = factory.settings.thresholds
    usage = {"steps": factory.scale("usage"), **factory.ratio}
    slow = factory.at_most(float(limits.warning.network_latency), float(limits.critical.network_latency))
    return [
        factory.gauge("CPU", "", [Query(_host("cpu"), "{{host}}")], empty="no host known", **usage),
        factory.gauge("Memory", "", [Query(_host("memory"), "{{host}}")], empty="no host known", **usage),
        factory.gauge(
            "Disk",
            "The fullest file system of each host.",
            [Query(f"max by (host) ({_host('disk', 'mountpoint')})", "{{host}}")],
            empty="no host known",
            **usage,
        ),
        *(
            [
                factory.gauge(
                    "Latency",
                    "Orange and red from the alerts' limits.",
                    [Query(LATENCY, "{{endpoint}}")],
                    unit=SECONDS,
                    empty="no endpoint probed",
                    steps=slow,
                    top=1.5 * float(limits.critical.network_latency),
                )
            ]
            if factory.settings.collection.probes
            else []
        ),
    ]


def _checks(factory: PanelFactory) -> list[StateTimeline]:
    verdicts = named_values({"0": ("unhealthy", factory.bad), "1": ("healthy", factory.good)})
    around = [
        Query(f"max by (host, check) (host_check:trading_bot_health:bool{{{HOST}}})", "{{host}} {{check}}"),
        Query(
            f"max by (endpoint, check) (endpoint_check:trading_bot_health:bool{{{ENDPOINT}}})",
            "{{endpoint}} {{check}}",
        ),
    ]
    return [
        factory.states(
            "Checks of each bot",
            "The checks of `health` of the settings. A check whose input is unknown has no band.",
            [Query(each("bot_check:trading_bot_health:bool", "check"), "{{check}}")],
            verdicts,
            empty="no check known",
            size="xlarge",
        ),
        factory.states(
            "Checks of hosts and endpoints",
            "Disk space of each host, and the way to each endpoint.",
            around,
            verdicts,
            empty="no check known",
            size="xlarge",
        ),
    ]


def _calls(factory: PanelFactory) -> list[Panel]:
    limits = factory.settings.thresholds
    times = [
        Query(quantile(share, "response_time_seconds"), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)
    ]
    return [
        factory.lines(
            "Response time",
            "The lines are the alerts' limits of p95.",
            times,
            unit=SECONDS,
            empty="no API calls known",
            many=True,
            limits=[
                Step(factory.warn, float(limits.warning.response_time)),
                Step(factory.bad, float(limits.critical.response_time)),
            ],
        ),
        factory.lines(
            "API calls per minute",
            "",
            [Query(each("api_calls_per_minute"))],
            unit=NUMBER,
            empty="no API calls known",
        ),
        factory.lines(
            "API error rate",
            "The line is the alert's limit.",
            [Query(each("error_rate"))],
            unit=RATIO,
            empty="no API calls known",
            colour=factory.colours.lines.drawdown,
            limits=[Step(factory.bad, limits.critical.error_rate)],
        ),
    ]


def _latency(factory: PanelFactory) -> list[Panel]:
    limits = factory.settings.thresholds
    if not factory.settings.collection.probes:
        return []
    chart = factory.lines(
        "Latency over time",
        "The lines are the alerts' limits.",
        [Query(LATENCY, "{{endpoint}}")],
        unit=SECONDS,
        empty="no endpoint probed",
        many=True,
        limits=[
            Step(factory.warn, float(limits.warning.network_latency)),
            Step(factory.bad, float(limits.critical.network_latency)),
        ],
    )
    return [chart]


def _usage(factory: PanelFactory) -> tuple[list[Panel], list[Panel], Panel]:
    """Return the usage of CPU and memory by bot, by host, and of disks."""
    limits = factory.settings.thresholds

    def chart(title: str, name: str, query: Query, empty: str) -> Panel:
        steps = [
            Step(factory.warn, getattr(limits.warning, f"{name}_usage")),
            Step(factory.bad, getattr(limits.critical, f"{name}_usage")),
        ]
        words = "The lines are the alerts' limits."
        return factory.lines(title, words, [query], unit=RATIO, empty=empty, many=True, limits=steps)

    kinds = {"CPU": "cpu", "Memory": "memory"}
    disks = Query(_host("disk", "mountpoint"), "{{host}} {{mountpoint}}")
    return (
        [
            chart(f"{title} of the bot", name, Query(each(f"{name}_usage_ratio")), "no process known")
            for title, name in kinds.items()
        ],
        [
            chart(f"{title} of hosts", name, Query(_host(name), "{{host}}"), "no host known")
            for title, name in kinds.items()
        ],
        chart("Disks", "disk", disks, "no host known"),
    )


def _age(factory: PanelFactory) -> list[Panel]:
    limits = factory.settings.thresholds
    return [
        factory.lines(
            "Age of market data",
            "The lines are the alerts' limits.",
            [Query(each("data_freshness_seconds", "feed"), "{{feed}}")],
            unit=SECONDS,
            empty="no feed known",
            many=True,
            limits=[
                Step(factory.warn, float(limits.warning.data_age)),
                Step(factory.bad, float(limits.critical.data_age)),
            ],
        ),
        factory.lines(
            "Since the loop last ran",
            "The line is the limit of LoopHung.",
            [Query(f"time() - {each('last_activity_timestamp_seconds')}")],
            unit=SECONDS,
            empty="no activity known",
            limits=[Step(factory.bad, float(limits.critical.loop_hung_after))],
        ),
    ]
