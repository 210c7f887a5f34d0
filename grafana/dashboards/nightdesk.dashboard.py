"""Nightdesk itself: whether its own parts are healthy."""

from grafana.firing import ANY_BOT
from grafana.frame import frame
from grafana.grafanalib_extensions import Dashboard, Json, Panel, Stat, Step
from grafana.grid import Row
from grafana.panel_fields import BYTES, COUNT, NUMBER, RATIO, SECONDS, Pace, Query, named_values, override
from grafana.panels import PanelFactory
from grafana.promql import BOT, PART, RATE, increase, of

UID = "trading-bot-nightdesk"
POLLS = "nightdesk_exporter"


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_failures(factory),
        *_sizes(factory),
        Row("Parts", _targets(factory)),
        Row("Polls of bots", _exporter(factory)),
        Row("Prometheus", _prometheus(factory)),
        Row("Messages and webhooks", _sending(factory)),
        Row("People", _people(factory)),
    ]
    purpose = "The health of Nightdesk's own parts: exporter, Prometheus, Alertmanager and engine."
    return frame(factory, UID, "Nightdesk itself", purpose, factory.settings.dashboards.refresh, panels)


def _failures(factory: PanelFactory) -> list[Stat]:
    none_is_good = [Step(factory.good), Step(factory.bad, 1)]
    failures = {
        "Rules failing": ("prometheus_rule_evaluation_failures_total", "In the time shown: evaluations."),
        "Sending failed": ("alertmanager_notifications_failed_total", "In the time shown: messages."),
    }
    return [
        factory.stat(
            "Targets down",
            "The targets of Prometheus that do not answer.",
            [Query(f"count(up{{{PART}}} == 0) or 0 * count(up{{{PART}}})", "down")],
            empty="nothing is scraped",
            steps=none_is_good,
            size="medium",
        ),
        *(
            factory.stat(
                title,
                words,
                [Query(f"sum(increase({metric}{{{PART}}}[$__range]))", title.lower())],
                decimals=0,
                empty="not known",
                steps=none_is_good,
                size="medium",
            )
            for title, (metric, words) in failures.items()
        ),
    ]


def _sizes(factory: PanelFactory) -> list[Stat]:
    return [
        factory.stat(
            "Series",
            "Series in Prometheus's memory.",
            [Query(f"max(prometheus_tsdb_head_series{{{PART}}})", "series")],
            empty="not known",
        ),
        factory.stat(
            "Storage",
            "Prometheus's blocks on disk, without the last two hours.",
            [Query(f"max(prometheus_tsdb_storage_blocks_bytes{{{PART}}})", "blocks")],
            unit=BYTES,
            empty="not known",
        ),
        factory.stat(
            "Jobs waiting",
            "Due jobs of the engine that no worker has taken.",
            [Query(f"max(nightdesk_queue_jobs{{{PART}}})", "waiting")],
            empty="engine not known",
        ),
        factory.stat(
            "Oldest job",
            "Age of the engine's oldest due job.",
            [Query(f"max(nightdesk_queue_age_seconds{{{PART}}})", "age")],
            unit=SECONDS,
            decimals=0,
            empty="engine not known",
        ),
    ]


def _targets(factory: PanelFactory) -> list[Panel]:
    return [
        factory.states(
            "Targets",
            "The times at which each part answered Prometheus.",
            [Query(f"min by (job) (up{{{PART}}})", "{{job}}")],
            named_values({"0": ("down", factory.bad), "1": ("up", factory.good)}),
            empty="nothing is scraped",
            size="xlarge",
        ),
        factory.lines(
            "Time of a scrape",
            "Each part's response time to Prometheus.",
            [Query(f"max by (job) (scrape_duration_seconds{{{PART}}})", "{{job}}")],
            unit=SECONDS,
            empty="nothing is scraped",
            many=True,
        ),
        factory.lines(
            "Memory of the parts",
            "Resident.",
            [
                Query(f"max by (job) (process_resident_memory_bytes{{{PART}}})", "{{job}}"),
                Query(f"max(nightdesk_exporter_resident_memory_bytes{{{PART}}})", "exporter"),
            ],
            unit=BYTES,
            empty="not known",
            many=True,
            size="large",
        ),
    ]


def _exporter(factory: PanelFactory) -> list[Panel]:
    succeeded = f"{POLLS}_last_success_timestamp_seconds{{{BOT}}}"
    before = of("bot:trading_bot_answered_timestamp_seconds:known")
    return [
        factory.lines(
            "Time of a poll",
            "",
            [Query(f"max by (bot) ({POLLS}_poll_duration_seconds{{{BOT}}})")],
            unit=SECONDS,
            empty="no bot polled",
        ),
        factory.lines(
            "Polls by outcome",
            "A minute, of all chosen bots.",
            [Query(f"60 * sum by (outcome) (rate({POLLS}_polls_total{{{BOT}}}[{RATE}]))", "{{outcome}}")],
            unit=NUMBER,
            empty="no bot polled",
            many=True,
            overrides=_outcomes(factory),
        ),
        factory.lines(
            "Since a poll succeeded",
            "Also where the exporter started after a bot went down.",
            [Query(f"time() - max by (bot) ({succeeded} or on (bot) {before})")],
            unit=SECONDS,
            empty="no poll succeeded",
            size="large",
        ),
        factory.lines(
            "Refused input",
            "Values an hour, by reason.",
            [
                Query(
                    f"sum by (bot, reason) (increase({POLLS}_rejected_input_total{{{BOT}}}[1h]))",
                    factory.who("{{reason}}"),
                )
            ],
            unit=COUNT,
            empty="nothing refused",
            many=True,
            size="large",
        ),
    ]


def _prometheus(factory: PanelFactory) -> list[Panel]:
    seconds = f"prometheus_rule_group_last_duration_seconds{{{PART}}}"
    return [
        factory.lines(
            "Time of rules",
            "Evaluation time of each group of rules.",
            [
                Query(
                    f"max by (rule_group) (label_replace({seconds},"
                    ' "rule_group", "$1", "rule_group", ".*;(.*)"))',
                    "{{rule_group}}",
                )
            ],
            unit=SECONDS,
            empty="not known",
            many=True,
        ),
        factory.lines(
            "Samples a second",
            "Samples that Prometheus stored.",
            [Query(f"sum(rate(prometheus_tsdb_head_samples_appended_total{{{PART}}}[{RATE}]))", "samples")],
            unit=NUMBER,
            empty="not known",
        ),
    ]


def _sending(factory: PanelFactory) -> list[Panel]:
    sent = f"rate(alertmanager_notifications%s{{{PART}}}[{RATE}])"
    return [
        factory.lines(
            "Sent by Alertmanager",
            "Messages a minute, by integration; failed ones are separate.",
            [
                Query(
                    f"60 * sum by (integration) ({sent % '_total'}) > 0",
                    "{{integration}}",
                ),
                Query(
                    f"60 * sum by (integration) ({sent % '_failed_total'}) > 0",
                    "{{integration}} failed",
                ),
            ],
            unit=NUMBER,
            empty="nothing sent",
            many=True,
            overrides=_outcomes(factory),
        ),
        factory.lines(
            "Webhooks received",
            "Received by the engine, a minute, by result.",
            [
                Query(
                    f"60 * sum by (outcome) (rate(nightdesk_webhooks_total{{{PART}}}[{RATE}]))", "{{outcome}}"
                )
            ],
            unit=NUMBER,
            empty="none received",
            many=True,
            overrides=_outcomes(factory),
        ),
        factory.lines(
            "Messages",
            "Attempts of the engine to reach people and programs, a minute, by channel and result.",
            [
                Query(
                    f"60 * sum by (channel, outcome) (rate(nightdesk_messages_total{{{PART}}}[{RATE}]))",
                    "{{channel}} {{outcome}}",
                )
            ],
            unit=NUMBER,
            empty="none sent",
            many=True,
            overrides=_outcomes(factory),
        ),
        factory.lines(
            "Alerts by result",
            "Alerts in Alertmanager's webhooks, in each hour.",
            [Query(f"sum by (outcome) {_alerts()}", "{{outcome}}")],
            unit=COUNT,
            empty="none told",
            columns=True,
            many=True,
            overrides=_outcomes(factory),
            pace=Pace("1h"),
        ),
        factory.lines(
            "Comparisons with Prometheus",
            "Comparisons of the engine's incidents, a minute, by result.",
            [
                Query(
                    f"60 * sum by (outcome) (rate(nightdesk_reconciliations_total{{{PART}}}[{RATE}]))",
                    "{{outcome}}",
                )
            ],
            unit=NUMBER,
            empty="none yet",
            many=True,
            overrides=_outcomes(factory),
            size="large",
        ),
    ]


def _outcomes(factory: PanelFactory) -> list[Json]:
    """Return the colours of successes, failures and retries, by the end of the series' name."""
    ends = {
        "ok|accepted|done|resolved|sent|delivered": factory.good,
        "failed|refused|malformed|unauthorized|unavailable|auth|http|parse|way": factory.bad,
        "opened|found|retried|unreachable|timeout": factory.warn,
        "repeated|ignored": factory.calm,
    }
    return [
        override(f"/(^| )({names})$/", "byRegexp", color={"mode": "fixed", "fixedColor": colour})
        for names, colour in ends.items()
    ]


def _alerts() -> str:
    """Return the number of alerts that people got in the hour that begins at each point."""
    return increase(f"nightdesk_alerts_total{{{PART}}}", "1h", begin="", end=" offset -1h")


def _grown(selector: str, span: str) -> str:
    """Return the growth of an engine's counter in a time that ends now."""
    return increase(f"nightdesk_{selector}", span, begin=f" offset {span}")


def _people(factory: PanelFactory) -> list[Panel]:
    """Return how soon people answer, with the targets for critical alerts and warnings."""
    wanted = {name: getattr(factory.settings.severities, name).respond for name in ("critical", "warning")}
    said = ", ".join(f"{name} {length}" for name, length in wanted.items())
    never = _grown(f"escalations_exhausted_total{{{PART}}}", "$__range")
    answers = f"response_seconds_bucket{{{ANY_BOT}}}"
    return [
        factory.stat(
            "Nobody answered",
            "Incidents in the time shown whose escalation notified everyone and got no answer.",
            [Query(f"round(sum({never}))", "times")],
            empty="engine not known",
            steps=[Step(factory.good), Step(factory.bad, 1)],
        ),
        factory.stat(
            "Answered in time",
            f"Share of the incidents in the time shown that people answered within {said}.",
            [
                Query(
                    " / ".join(
                        f"sum by (severity) {_grown(f'responses_total{{{matchers}}}', '$__range')}"
                        for matchers in (f'outcome="within",{ANY_BOT}', ANY_BOT)
                    ),
                    "{{severity}}",
                )
            ],
            unit=RATIO,
            decimals=0,
            text="value_and_name",
            empty="no answer counted",
        ),
        factory.lines(
            "Time to the first answer",
            f"The median time until a person answered an incident or acted on it. Wanted: {said}.",
            [
                Query(
                    f"histogram_quantile(0.5, sum by (severity, le) {_grown(answers, '1d')})",
                    "{{severity}}",
                )
            ],
            unit=SECONDS,
            empty="nothing was answered within a day",
            many=True,
            limits=[Step(factory.bad, float(wanted["critical"]))],
            size="large",
        ),
    ]
