"""Nightdesk itself: whether what watches the bots is well."""

from grafanalib.core import Panel

from grafana.frame import frame
from grafana.lacking import Dashboard, Stat, Step
from grafana.look import Look
from grafana.parts import BYTES, COUNT, NUMBER, RATIO, SECONDS, Query, named_values
from grafana.promql import BOT, RATE

UID = "trading-bot-nightdesk"
POLLS = "nightdesk_exporter"


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_failures(look),
        *_sizes(look),
        *_targets(look),
        *_exporter(look),
        *_prometheus(look),
        *_sending(look),
        *_people(look),
    ]
    purpose = "Whether what watches the bots is well: exporter, Prometheus, Alertmanager and engine."
    return frame(look, UID, "Nightdesk itself", purpose, look.settings.dashboards.refresh, panels)


def _failures(look: Look) -> list[Stat]:
    none_is_good = [Step(look.good), Step(look.bad, 1)]
    failures = {
        "Rules failing": ("prometheus_rule_evaluation_failures_total", "In the time shown: evaluations."),
        "Sending failed": ("alertmanager_notifications_failed_total", "In the time shown: messages."),
    }
    return [
        look.stat(
            "Targets down",
            "What Prometheus asks for metrics and gets no answer from.",
            [Query("count(up == 0) or 0 * count(up)", "down")],
            empty="nothing is scraped",
            steps=none_is_good,
            size="medium",
        ),
        *(
            look.stat(
                title,
                words,
                [Query(f"sum(increase({metric}[$__range]))", title.lower())],
                decimals=0,
                empty="not known",
                steps=none_is_good,
            )
            for title, (metric, words) in failures.items()
        ),
    ]


def _sizes(look: Look) -> list[Stat]:
    return [
        look.stat(
            "Series",
            "In the head of Prometheus.",
            [Query("max(prometheus_tsdb_head_series)", "series")],
            empty="not known",
        ),
        look.stat(
            "Storage",
            "Blocks of Prometheus on disk; what is younger than two hours is not among them.",
            [Query("max(prometheus_tsdb_storage_blocks_bytes)", "blocks")],
            unit=BYTES,
            empty="not known",
        ),
        look.stat(
            "Jobs waiting",
            "Jobs of the engine that are due and not running.",
            [Query("max(nightdesk_queue_jobs)", "waiting")],
            empty="engine not known",
        ),
        look.stat(
            "Oldest job",
            "Age of the oldest job of the engine that is due.",
            [Query("max(nightdesk_queue_age_seconds)", "age")],
            unit=SECONDS,
            decimals=0,
            empty="engine not known",
        ),
    ]


def _targets(look: Look) -> list[Panel]:
    return [
        look.states(
            "Targets",
            "When each part answered Prometheus.",
            [Query("min by (job) (up)", "{{job}}")],
            named_values({"0": ("down", look.bad), "1": ("up", look.good)}),
            empty="nothing is scraped",
            size="xlarge",
        ),
        look.lines(
            "Time of a scrape",
            "How long each part took to answer Prometheus.",
            [Query("max by (job) (scrape_duration_seconds)", "{{job}}")],
            unit=SECONDS,
            empty="nothing is scraped",
            many=True,
        ),
        look.lines(
            "Memory of the parts",
            "Resident.",
            [
                Query("max by (job) (process_resident_memory_bytes)", "{{job}}"),
                Query("max(nightdesk_exporter_resident_memory_bytes)", "exporter"),
            ],
            unit=BYTES,
            empty="not known",
            many=True,
            size="large",
        ),
    ]


def _exporter(look: Look) -> list[Panel]:
    return [
        look.lines(
            "Time of a poll",
            "",
            [Query(f"max by (bot) ({POLLS}_poll_duration_seconds{{{BOT}}})")],
            unit=SECONDS,
            empty="no bot polled",
        ),
        look.lines(
            "Polls by outcome",
            "A minute, of all chosen bots.",
            [Query(f"60 * sum by (outcome) (rate({POLLS}_polls_total{{{BOT}}}[{RATE}]))", "{{outcome}}")],
            unit=NUMBER,
            decimals=1,
            empty="no bot polled",
            many=True,
        ),
        look.lines(
            "Since a poll succeeded",
            "",
            [Query(f"time() - max by (bot) ({POLLS}_last_success_timestamp_seconds{{{BOT}}})")],
            unit=SECONDS,
            empty="no poll succeeded",
            size="large",
        ),
        look.lines(
            "Refused input",
            "Values an hour, by reason.",
            [
                Query(
                    f"sum by (bot, reason) (increase({POLLS}_rejected_input_total{{{BOT}}}[1h]))",
                    look.who("{{reason}}"),
                )
            ],
            unit=COUNT,
            decimals=0,
            empty="nothing refused",
            many=True,
            size="large",
        ),
    ]


def _prometheus(look: Look) -> list[Panel]:
    return [
        look.lines(
            "Time of rules",
            "The ten slowest groups of rules.",
            [
                Query(
                    "topk(10, max by (rule_group) (label_replace(prometheus_rule_group_last_duration_seconds,"
                    ' "rule_group", "$1", "rule_group", ".*;(.*)")))',
                    "{{rule_group}}",
                )
            ],
            unit=SECONDS,
            empty="not known",
            many=True,
        ),
        look.lines(
            "Samples a second",
            "Taken by Prometheus.",
            [Query(f"sum(rate(prometheus_tsdb_head_samples_appended_total[{RATE}]))", "samples")],
            unit=NUMBER,
            decimals=0,
            empty="not known",
        ),
    ]


def _sending(look: Look) -> list[Panel]:
    return [
        look.lines(
            "Sent by Alertmanager",
            "Messages a minute, by integration; those that failed beside them.",
            [
                Query(
                    f"60 * sum by (integration) (rate(alertmanager_notifications_total[{RATE}])) > 0",
                    "{{integration}}",
                ),
                Query(
                    f"60 * sum by (integration) (rate(alertmanager_notifications_failed_total[{RATE}])) > 0",
                    "{{integration}} failed",
                ),
            ],
            unit=NUMBER,
            decimals=1,
            empty="nothing sent",
            many=True,
        ),
        look.lines(
            "Webhooks received",
            "By the engine, a minute, by how they ended.",
            [Query(f"60 * sum by (outcome) (rate(nightdesk_webhooks_total[{RATE}]))", "{{outcome}}")],
            unit=NUMBER,
            decimals=1,
            empty="none received",
            many=True,
        ),
        look.lines(
            "Comparisons with Prometheus",
            "Of the engine's incidents, a minute, by how they ended.",
            [Query(f"60 * sum by (outcome) (rate(nightdesk_reconciliations_total[{RATE}]))", "{{outcome}}")],
            unit=NUMBER,
            decimals=1,
            empty="none yet",
            many=True,
            size="large",
        ),
    ]


def _people(look: Look) -> list[Panel]:
    """Return how soon people answer; critical and warning are what they are asked to answer."""
    wanted = {name: getattr(look.settings.severities, name).respond for name in ("critical", "warning")}
    said = ", ".join(f"{name} {length}" for name, length in wanted.items())
    return [
        look.lines(
            "Time to the first answer",
            f"Half of the incidents were answered, or acted on, by a person sooner. Wanted: {said}.",
            [
                Query(
                    "histogram_quantile(0.5, sum by (severity, le) "
                    "(increase(nightdesk_response_seconds_bucket[1d])))",
                    "{{severity}}",
                )
            ],
            unit=SECONDS,
            empty="nothing was answered within a day",
            many=True,
            decimals=0,
            limits=[Step(look.bad, float(wanted["critical"]))],
            size="large",
        ),
        look.bars(
            "Answered in time",
            f"In the time shown: of incidents that people answered or should have, within {said}.",
            [
                Query(
                    'sum by (severity) (increase(nightdesk_responses_total{outcome="within"}[$__range]))'
                    " / sum by (severity) (increase(nightdesk_responses_total[$__range]))",
                    "{{severity}}",
                )
            ],
            unit=RATIO,
            top=1.0,
            empty="no incident to answer",
        ),
    ]
