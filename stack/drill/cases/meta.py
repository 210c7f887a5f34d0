"""Cases of the alerts about the stack itself, and of summaries: most name no bot, so each case runs alone."""

from collections.abc import Iterator, Mapping, Sequence

from stack.drill.cases.case import BOT, Case, Series, Value, bridge, rising, scrapes
from stack.settings import Settings

NOTHING: Mapping[str, str] = {}
UNRELATED = [Series("unrelated", [1.0])]


def cases(settings: Settings) -> Iterator[Case]:
    """Yield all of them."""
    answers = [_scraped("exporter", [1.0])]
    yield Case(
        "Watchdog", "fires while Prometheus scrapes the exporter", answers, 0, True, NOTHING, together=False
    )
    silent = [_scraped("exporter", [0.0])]
    yield Case("Watchdog", "is silent while it does not", silent, 0, False, NOTHING, together=False)
    yield Case("Watchdog", "absent", UNRELATED, 0, False, NOTHING, together=False)
    yield from _exporter_down(settings)
    yield from _webhook_actions_down(settings)
    yield from _replica_down(settings)
    yield from _unauthorized(settings)
    yield from _counters(settings)
    yield from _actions(settings)
    yield from _waiting(settings)
    yield from _reloads(settings)
    yield from _summaries(settings)


def _scraped(job: str, values: Sequence[Value]) -> Series:
    return Series("up", values, {"job": job}, NOTHING)


def _exporter_down(settings: Settings) -> Iterator[Case]:
    alert, tick = "ExporterDown", settings.collection.evaluation_interval
    scrape = settings.collection.trading.interval
    wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
    long = scrapes(settings, wait)

    def case(says: str, trading: Sequence[Value], at: float, fires: bool) -> Case:
        well = [1.0] * len(trading)
        other = _scraped("alertmanager", [0.0] * len(trading))
        series = [_scraped("exporter", well), _scraped("exporter-trading", trading), other]
        return Case(alert, says, series, at, fires, NOTHING, together=False)

    yield case("one group has no answer", [0.0] * long, wait, True)
    yield case("not long enough", [0.0] * long, wait - tick, False)
    yield Case(alert, "not scraped at all", UNRELATED, wait, True, NOTHING, together=False)
    yield case("every group has an answer", [1.0] * long, wait + tick, False)
    back = [0.0] * long + [1.0] * scrapes(settings, kept + scrape)
    yield case("resolves", back, long * scrape + kept + tick, False)


def _webhook_actions_down(settings: Settings) -> Iterator[Case]:
    alert, tick = "WebhookActionsDown", settings.collection.evaluation_interval
    scrape = settings.collection.trading.interval
    wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
    long = scrapes(settings, wait)

    def case(says: str, replicas: Sequence[Sequence[Value]], at: float, fires: bool) -> Case:
        series = [
            Series("up", values, {"job": "webhook_actions", "shard": str(index)}, NOTHING)
            for index, values in enumerate(replicas)
        ]
        return Case(alert, says, series, at, fires, NOTHING, together=False)

    yield case("no replica answers", [[0.0] * long, [0.0] * long], wait, True)
    yield case("one replica answers", [[0.0] * long, [1.0] * long], wait + tick, False)
    yield case("not long enough", [[0.0] * long], wait - tick, False)
    yield Case(alert, "not scraped at all", UNRELATED, wait, True, NOTHING, together=False)
    back = [0.0] * long + [1.0] * scrapes(settings, kept + scrape)
    yield case("resolves", [back], long * scrape + kept + tick, False)


def _replica_down(settings: Settings) -> Iterator[Case]:
    alert, tick = "ReplicaDown", settings.collection.evaluation_interval
    scrape = settings.collection.trading.interval
    wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
    long = scrapes(settings, wait)
    well, dead = [1.0] * long, [0.0] * long

    for part in ("webhook_actions", "prometheus", "alertmanager"):

        def case(
            says: str, replicas: Sequence[Sequence[Value]], at: float, fires: bool, part: str = part
        ) -> Case:
            series = [
                Series("up", values, {"job": part, "instance": str(index)}, NOTHING)
                for index, values in enumerate(replicas)
            ]
            return Case(alert, f"{part}: {says}", series, at, fires, {"part": part}, together=False)

        yield case("one of two does not answer", [dead, well], wait, True)
        yield case("not long enough", [dead, well], wait - tick, False)
        yield case("both answer", [well, well], wait + tick, False)
        yield case("the only one is down", [dead], wait + tick, False)
        over = scrapes(settings, kept + scrape)
        back = [dead + [1.0] * over, well + [1.0] * over]
        yield case("resolves", back, long * scrape + kept + tick, False)
    yield Case(alert, "not scraped at all", UNRELATED, wait, False, {"part": "prometheus"}, together=False)


def _unauthorized(settings: Settings) -> Iterator[Case]:
    alert, tick = "SourceUnauthorized", settings.collection.evaluation_interval
    wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
    scrape = settings.collection.trading.interval
    long = scrapes(settings, wait)

    def error(reason: str, values: Sequence[Value]) -> list[Series]:
        return [Series("trading_bot_source_error", values, {"reason": reason})]

    yield Case(alert, "refused for its password", error("auth", [1.0] * long), wait, fires=True)
    yield Case(alert, "not long enough", error("auth", [1.0] * long), wait - tick, fires=False)
    yield Case(alert, "another reason", error("timeout", [1.0] * long), wait, fires=False)
    yield Case(alert, "absent", [Series("trading_bot_up", [1.0])], wait, fires=False)
    over: list[Value] = [1.0] * long + ["stale"]
    yield Case(alert, "resolves", error("auth", over), long * scrape + kept + 2 * tick, fires=False)


def _counters(settings: Settings) -> Iterator[Case]:
    """Yield the cases of counters that should not grow."""
    scrape = settings.collection.trading.interval
    window = max(settings.collection.rate_window, 4 * settings.collection.system.interval)
    notifications = "alertmanager_notifications_failed"
    for alert, name, label, job in (
        ("AlertmanagerNotificationsFailing", notifications, "integration", "alertmanager"),
        ("RuleEvaluationFailing", "prometheus_rule_evaluation_failures", "rule_group", "prometheus"),
        ("RuleEvaluationFailing", "prometheus_rule_group_iterations_missed", "rule_group", "prometheus"),
        ("AlertsDropped", "prometheus_notifications_dropped", "", "prometheus"),
    ):  # fmt: skip
        wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
        long = scrapes(settings, wait) + 2
        labels = {label: BOT} if label else {}

        def case(
            says: str, values: Sequence[Value], at: float, fires: bool,
            alert: str = alert, name: str = name, job: str = job, labels: dict[str, str] = labels,
        ) -> Case:  # fmt: skip
            series = [Series(f"{name}_total", values, {"job": job}, labels or NOTHING)]
            return Case(alert, says, series, at, fires, labels, together=bool(labels))

        growing = rising(1, long)
        yield case("grows", growing, wait + scrape, True)
        yield case("not long enough", growing, wait, False)
        yield case("stands still", [7.0] * long, wait + scrape, False)
        yield case("absent", [], wait + scrape, False)
        end = long * scrape + window + kept + scrape
        still = scrapes(settings, window + kept + scrape)
        yield case("resolves", growing + [growing[-1]] * still, end, False)


def _actions(settings: Settings) -> Iterator[Case]:
    scrape = settings.collection.trading.interval
    window = max(settings.collection.rate_window, 4 * settings.collection.system.interval)
    before = scrapes(settings, window) + 1
    engine = Series("up", [1.0] * (before * 5), {"job": "webhook_actions", "instance": "one:9099"}, NOTHING)
    for alert, name, labels, together in (
        ("ActionFailed", "nightdesk_actions_total", {"action": "restart_bot", "bot": BOT}, True),
        ("EngineTaskFailing", "nightdesk_task_restarts_total", {"task": BOT}, True),
        ("DeliveriesFailing", "nightdesk_deliveries_failed_total", {"channel": BOT}, True),
        ("EscalationExhausted", "nightdesk_escalations_exhausted_total", {}, False),
    ):
        kept = bridge(settings, alert)

        def case(
            says: str, values: Sequence[Value], at: float, fires: bool, outcome: str = "failed",
            *, alert: str = alert, name: str = name, labels: Mapping[str, str] = labels,
            together: bool = together,
        ) -> Case:  # fmt: skip
            what = "reason" if "channel" in labels else "outcome"
            kind = {what: outcome, "instance": "one:9099"} if labels else {"instance": "one:9099"}
            subject = {**labels, "instance": "one:9099"} if labels else NOTHING
            series = [Series(name, values, kind, subject), engine]
            return Case(alert, says, series, at, fires, labels, together=together)

        at = before * scrape
        yield case("the counter's first value", [None] * before + [1.0] * 3, at, True)
        yield case("one more", [1.0] * before + [2.0] * 3, at + scrape, True)
        yield case("none since", [5.0] * (before * 2), at, False)
        yield case("absent", [], at, False)
        if "action" in labels:
            yield case("done", [None] * before + [1.0] * 3, at, False, "done")
        if "channel" in labels:
            yield case("a call nobody took", [None] * before + [1.0] * 3, at, False, "unanswered")
        over = [1.0] * before + [2.0] * scrapes(settings, window + kept + 3 * scrape)
        yield case("resolves", over, at + window + kept + 2 * scrape, False)


def _waiting(settings: Settings) -> Iterator[Case]:
    alert, tick = "DeliveriesWaiting", settings.collection.evaluation_interval
    wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
    scrape = settings.collection.trading.interval
    long = scrapes(settings, wait)
    labels = {"channel": BOT}

    def case(says: str, ages: Sequence[Value], at: float, fires: bool) -> Case:
        series = [Series("nightdesk_delivery_queue_age_seconds", ages, {}, labels)]
        return Case(alert, says, series, at, fires, labels)

    yield case("waits for too long", [61.0] * long, wait, True)
    yield case("just below", [60.0] * long, wait + tick, False)
    yield case("not long enough", [61.0] * long, wait - tick, False)
    yield case("absent", [], wait + tick, False)
    over: list[Value] = [61.0] * long + ["stale"]
    yield case("resolves", over, long * scrape + kept + 2 * tick, False)


def _reloads(settings: Settings) -> Iterator[Case]:
    alert, tick = "SettingsReloadFailed", settings.collection.evaluation_interval
    wait, kept = settings.alerts[alert].for_, bridge(settings, alert)
    scrape = settings.collection.trading.interval
    long = scrapes(settings, wait)
    for part, name in (
        ("webhook_actions", "nightdesk_config_last_reload_successful"),
        ("exporter", "nightdesk_exporter_config_last_reload_successful"),
        ("alertmanager", "alertmanager_config_last_reload_successful"),
        ("prometheus", "prometheus_config_last_reload_successful"),
    ):

        def case(
            says: str, one: Sequence[Value], at: float, fires: bool, part: str = part, name: str = name
        ) -> Case:
            well = Series(name, [1.0] * len(one), {"job": part, "instance": "well"}, NOTHING)
            series = [Series(name, one, {"job": part, "instance": "one"}, NOTHING), well]
            return Case(alert, f"{part}: {says}", series, at, fires, {"part": part}, together=False)

        yield case("one of two could not", [0.0] * long, wait, True)
        yield case("not long enough", [0.0] * long, wait - tick, False)
        yield case("all could", [1.0] * long, wait + tick, False)
        back = [0.0] * long + [1.0] * scrapes(settings, kept + scrape)
        yield case("resolves", back, long * scrape + kept + tick, False)
    yield Case(alert, "absent", UNRELATED, wait, False, {"part": "exporter"}, together=False)


def _summaries(settings: Settings) -> Iterator[Case]:
    scrape = settings.collection.trading.interval
    for alert, period in (
        ("DailySummary", "daily"),
        ("WeeklySummary", "weekly"),
        ("MonthlySummary", "monthly"),
    ):

        def case(says: str, due: Sequence[Value], fires: bool, alert: str = alert, of: str = period) -> Case:
            series = [Series("nightdesk_report_due", due, {"period": of}, NOTHING)]
            return Case(alert, says, series, 4 * scrape, fires, NOTHING, together=False)

        yield case("due", [0.0, 0.0, 1.0, 1.0, 1.0], True)
        yield case("not due", [0.0] * 5, False)
        yield case("resolves", [1.0, 1.0, 0.0, 0.0, 0.0], False)
        yield case("another is due", [1.0] * 5, False, of="hourly")
        yield Case(alert, "absent", UNRELATED, 4 * scrape, False, NOTHING, together=False)
