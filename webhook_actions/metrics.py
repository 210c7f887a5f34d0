"""The engine's own metrics."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from webhook_actions.store.database import Connection

# In the default registry: connections close before the engine and its registry exist.
CLOSED = Counter(
    "nightdesk_connections_closed",
    "Connections closed before their request arrived: it was slow, or there were too many.",
    ["reason"],
    registry=None,
)

_ANSWERS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


class Metrics:
    """The engine's counts, in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(CLOSED)
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        seconds = partial(Histogram, registry=self.registry, buckets=_SECONDS)
        self.webhooks = counter("nightdesk_webhooks", "Webhooks received, by result.", ["outcome"])
        self.alerts = counter("nightdesk_alerts", "Alerts in webhooks, by result.", ["outcome"])
        self.actions = counter("nightdesk_actions", "Actions, by result.", ["bot", "action", "outcome"])
        self.verdicts = counter(
            "nightdesk_action_verdicts", "Actions judged by samples.", ["bot", "action", "verdict"]
        )
        self.escalations = counter(
            "nightdesk_escalations", "Incidents handed to a person.", ["bot", "severity"]
        )
        self.exhausted = counter(
            "nightdesk_escalations_exhausted", "Incidents whose escalation got no answer from anyone."
        )
        self.responses = counter(
            "nightdesk_responses",
            "Incidents by a person's first answer or command: within severities.*.respond, late, or never.",
            ["bot", "severity", "outcome"],
        )
        self.to_response = Histogram(
            "nightdesk_response_seconds",
            "From an incident's opening to a person's first answer or command.",
            ["bot", "severity"],
            registry=self.registry,
            buckets=_ANSWERS,
        )
        self.messages = counter(
            "nightdesk_messages",
            "Attempts to send messages to people and programs, by result.",
            ["channel", "outcome"],
        )
        self.interrupted = counter(
            "nightdesk_messages_interrupted",
            "Messages sent again because a process died while it sent them: each may have arrived twice.",
            ["channel"],
        )
        self.undelivered = counter(
            "nightdesk_deliveries_failed",
            "Messages that were given up, by the class of the reason.",
            ["channel", "reason"],
        )
        self.receipts = counter(
            "nightdesk_receipts",
            "Messages whose receipt is known or given up, by result.",
            ["channel", "arrived"],
        )
        self.answers = counter(
            "nightdesk_answers",
            "Answers from phones (buttons, keys, signed links), by result.",
            ["way", "outcome"],
        )
        self.polls = counter(
            "nightdesk_telegram_polls", "Polls of Telegram for pressed buttons, by result.", ["outcome"]
        )
        self.closed = counter("nightdesk_incidents_closed", "Incidents closed.", ["bot", "severity"])
        self.reconciliations = counter(
            "nightdesk_reconciliations", "Comparisons with Prometheus, by result.", ["outcome"]
        )
        self.reloaded = gauge(
            "nightdesk_config_last_reload_successful",
            "1 when the last read of the settings succeeded; at 0 the earlier settings are in force.",
        )
        self.reloaded_at = gauge(
            "nightdesk_config_last_reload_success_timestamp_seconds",
            "When a read of the settings last succeeded.",
        )
        self.to_action = seconds(
            "nightdesk_alert_to_action_seconds",
            "From an incident's opening to the start of an action.",
            ["bot"],
        )
        self.to_verified = seconds(
            "nightdesk_alert_to_verified_seconds",
            "From an incident's opening to the proof that an action helped.",
            ["bot"],
        )
        self.open = gauge(
            "nightdesk_incidents_open",
            "Open incidents, by the person who acknowledged them; empty for nobody.",
            ["bot", "severity", "acknowledged_by"],
        )
        self.blocked = counter(
            "nightdesk_actions_blocked",
            "Times that an incident's actions became blocked.",
            ["kind"],
        )
        self.restarts = counter(
            "nightdesk_task_restarts", "Tasks of the engine that failed and were started again.", ["task"]
        )
        self.round_trip = gauge(
            "nightdesk_round_trip_timestamp_seconds",
            "Time of the last scrape whose Watchdog passed rule, Alertmanager, engine and database, and "
            "reached the outside switch.",
        )
        self.queued = gauge("nightdesk_queue_jobs", "Due rows that no engine has claimed.")
        self.queue_age = gauge("nightdesk_queue_age_seconds", "Age of the oldest due row.")
        self.channel_age = gauge(
            "nightdesk_delivery_queue_age_seconds",
            "Waiting time of the oldest due message of a channel.",
            ["channel"],
        )

    async def look(self, connection: Connection) -> None:
        """Set the gauges from the database, which all replicas share."""
        counts = await connection.execute(
            """
            SELECT bot, severity, coalesce(
                (SELECT CASE WHEN until IS NULL OR until > clock_timestamp() THEN "by" END
                 FROM acknowledgements WHERE incident = incidents.id ORDER BY id DESC LIMIT 1), ''),
                count(*)
            FROM incidents WHERE closed_at IS NULL AND NOT labels ? 'drill' GROUP BY 1, 2, 3
            """
        )
        self.open.clear()
        for bot, severity, by, count in await counts.fetchall():
            self.open.labels(bot, severity, by).set(count)
        due = await connection.execute(
            """
            SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(due_at)), 0) FROM (
                SELECT due_at FROM incidents WHERE closed_at IS NULL
                UNION ALL SELECT due_at FROM escalation_steps WHERE state = 'waiting'
                UNION ALL SELECT due_at FROM deliveries WHERE state IN ('waiting', 'sending')) due
            WHERE due_at <= clock_timestamp()
            """
        )
        row = await due.fetchone()
        if row:
            self.queued.set(row[0])
            self.queue_age.set(float(row[1]))
        waiting = await connection.execute(
            "SELECT channel, extract(epoch FROM clock_timestamp() - min(due_at))::float8 FROM deliveries "
            "WHERE state IN ('waiting', 'sending') AND due_at <= clock_timestamp() GROUP BY channel"
        )
        self.channel_age.clear()
        for channel, age in await waiting.fetchall():
            self.channel_age.labels(channel).set(age)
