"""System health: hosts, processes, the way to the exchange, and the checks of health."""

from grafanalib.core import Panel

from grafana.frame import frame
from grafana.grid import Row
from grafana.lacking import Dashboard, StateTimeline, Step
from grafana.look import Look
from grafana.parts import NUMBER, RATIO, SECONDS, Query, named_values
from grafana.promql import ENDPOINT, HOST, each, quantile

UID = "trading-bot-system"
LATENCY = f"max by (endpoint) (trading_bot_network_latency_seconds{{{ENDPOINT}}})"


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    bot_checks, host_checks = _checks(look)
    of_bot, of_host, disks = _usage(look)
    panels: list[Panel | Row] = [
        Row("Hosts and endpoints", [*_gauges(look), host_checks, *of_host, disks, *_latency(look)]),
        Row(
            "Bot" if look.alone else "$bot",
            [bot_checks, *_calls(look), *of_bot, *_age(look)],
            each=None if look.alone else "bot",
        ),
    ]
    purpose = "Hosts, processes, the way to the exchange, and the checks of health."
    pace = look.settings.dashboards.widgets.system.refresh
    return frame(look, UID, "System health", purpose, pace, panels)


def _host(what: str, *labels: str) -> str:
    return f"max by ({', '.join(('host', *labels))}) (trading_bot_host_{what}_usage_ratio{{{HOST}}})"


def _gauges(look: Look) -> list[Panel]:
    limits = look.settings.thresholds
    usage = {"steps": look.scale("usage"), **look.ratio}
    slow = look.at_most(float(limits.warning.network_latency), float(limits.critical.network_latency))
    return [
        look.gauge("CPU", "", [Query(_host("cpu"), "{{host}}")], empty="no host known", **usage),
        look.gauge("Memory", "", [Query(_host("memory"), "{{host}}")], empty="no host known", **usage),
        look.gauge(
            "Disk",
            "The fullest file system of each host.",
            [Query(f"max by (host) ({_host('disk', 'mountpoint')})", "{{host}}")],
            empty="no host known",
            **usage,
        ),
        *(
            [
                look.gauge(
                    "Latency",
                    "Orange and red from the alerts' limits.",
                    [Query(LATENCY, "{{endpoint}}")],
                    unit=SECONDS,
                    empty="no endpoint probed",
                    steps=slow,
                    top=1.5 * float(limits.critical.network_latency),
                )
            ]
            if look.settings.collection.probes
            else []
        ),
    ]


def _checks(look: Look) -> list[StateTimeline]:
    verdicts = named_values({"0": ("unhealthy", look.bad), "1": ("healthy", look.good)})
    around = [
        Query(f"max by (host, check) (host_check:trading_bot_health:bool{{{HOST}}})", "{{host}} {{check}}"),
        Query(
            f"max by (endpoint, check) (endpoint_check:trading_bot_health:bool{{{ENDPOINT}}})",
            "{{endpoint}} {{check}}",
        ),
    ]
    return [
        look.states(
            "Checks of each bot",
            "The checks of `health` of the settings. A check whose input is unknown has no band.",
            [Query(each("bot_check:trading_bot_health:bool", "check"), "{{check}}")],
            verdicts,
            empty="no check known",
            size="xlarge",
        ),
        look.states(
            "Checks of hosts and endpoints",
            "Disk space of each host, and the way to each endpoint.",
            around,
            verdicts,
            empty="no check known",
            size="xlarge",
        ),
    ]


def _calls(look: Look) -> list[Panel]:
    limits = look.settings.thresholds
    times = [
        Query(quantile(share, "response_time_seconds"), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)
    ]
    return [
        look.lines(
            "Response time",
            "The lines are the alerts' limits of p95.",
            times,
            unit=SECONDS,
            empty="no API calls known",
            many=True,
            limits=[
                Step(look.warn, float(limits.warning.response_time)),
                Step(look.bad, float(limits.critical.response_time)),
            ],
        ),
        look.lines(
            "API calls per minute",
            "",
            [Query(each("api_calls_per_minute"))],
            unit=NUMBER,
            empty="no API calls known",
        ),
        look.lines(
            "API error rate",
            "The line is the alert's limit.",
            [Query(each("error_rate"))],
            unit=RATIO,
            empty="no API calls known",
            colour=look.colours.lines.drawdown,
            limits=[Step(look.bad, limits.critical.error_rate)],
        ),
    ]


def _latency(look: Look) -> list[Panel]:
    limits = look.settings.thresholds
    if not look.settings.collection.probes:
        return []
    chart = look.lines(
        "Latency over time",
        "The lines are the alerts' limits.",
        [Query(LATENCY, "{{endpoint}}")],
        unit=SECONDS,
        empty="no endpoint probed",
        many=True,
        limits=[
            Step(look.warn, float(limits.warning.network_latency)),
            Step(look.bad, float(limits.critical.network_latency)),
        ],
    )
    return [chart]


def _usage(look: Look) -> tuple[list[Panel], list[Panel], Panel]:
    """Return the usage of the CPU and the memory by bots, the same by hosts, and that of disks."""
    limits = look.settings.thresholds

    def chart(title: str, name: str, query: Query, empty: str) -> Panel:
        steps = [
            Step(look.warn, getattr(limits.warning, f"{name}_usage")),
            Step(look.bad, getattr(limits.critical, f"{name}_usage")),
        ]
        words = "The lines are the alerts' limits."
        return look.lines(title, words, [query], unit=RATIO, empty=empty, many=True, limits=steps)

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


def _age(look: Look) -> list[Panel]:
    limits = look.settings.thresholds
    return [
        look.lines(
            "Age of market data",
            "The lines are the alerts' limits.",
            [Query(each("data_freshness_seconds", "feed"), "{{feed}}")],
            unit=SECONDS,
            empty="no feed known",
            many=True,
            limits=[
                Step(look.warn, float(limits.warning.data_age)),
                Step(look.bad, float(limits.critical.data_age)),
            ],
        ),
        look.lines(
            "Since the loop last ran",
            "The line is the limit of LoopHung.",
            [Query(f"time() - {each('last_activity_timestamp_seconds')}")],
            unit=SECONDS,
            empty="no activity known",
            limits=[Step(look.bad, float(limits.critical.loop_hung_after))],
        ),
    ]
