"""Finds settings that contradict each other or name something undefined."""

import importlib.util
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from stack.settings.bots import CommandRestart
from stack.settings.integrations import Datadog, NewRelic
from stack.settings.model import Settings
from stack.settings.overrides import wrong_with
from stack.settings.response import Level, SpentAttempts
from stack.settings.rota import span, zone_of

CRITICAL = (
    "Down",
    "CrashLooping",
    "LoopHung",
    "HighDrawdown",
    "CriticalLoss",
    "LossLimit",
    "LiquidationNear",
    "ApiErrorRate",
    "HighMemoryUsage",
    "HighCpuUsage",
    "ApiResponseTimeCritical",
    "DataStale",
    "ModelAccuracyCritical",
    "EdgeGone",
    "NetworkLatencyCritical",
    "DiskUsageCritical",
)
INFO = ("DailySummary", "WeeklySummary", "MonthlySummary", "MilestoneReached", "Suggestion")
# Only Alertmanager's own channels carry these alerts: they say that webhook_actions or its messages are
# broken.
META = (
    "Watchdog",
    "ExporterDown",
    "SourceUnauthorized",
    "WebhookActionsDown",
    "ReplicaDown",
    "AlertmanagerNotificationsFailing",
    "RuleEvaluationFailing",
    "AlertsDropped",
    "ActionFailed",
    "EngineTaskFailing",
    "DeliveriesFailing",
    "DeliveriesWaiting",
    "SettingsReloadFailed",
    "EscalationExhausted",
)
_HIGHER_IS_WORSE = ("response_time", "data_age", "network_latency", "disk_usage", "memory_usage", "cpu_usage")
_LOWER_IS_WORSE = ("model_accuracy",)


def severities_of(kind: str) -> tuple[str, ...]:
    """Return the severities that the rules in prometheus/rules give an alert."""
    if kind == "ErrorBudgetBurn":
        return ("critical", "warning")
    by_severity = {"critical": CRITICAL, "info": INFO, "meta": META}
    return tuple(one for one, kinds in by_severity.items() if kind in kinds) or ("warning",)


def contradictions(settings: Settings) -> list[str]:
    """Return a line for each contradiction, with its paths and values and how to fix it."""
    looks = (
        _twins, _paces, _collection, _known_actions, _known_contacts, _overrides, _owners, _programs,
        _channels, _burn_rates, _hours, _maintenance, _limits,
    )  # fmt: skip
    return [line for look in looks for line in look(settings)]


def _twins(settings: Settings) -> Iterator[str]:
    warning, critical = settings.thresholds.warning, settings.thresholds.critical
    for name in _HIGHER_IS_WORSE + _LOWER_IS_WORSE:
        first, last = getattr(warning, name), getattr(critical, name)
        if (first >= last) if name in _HIGHER_IS_WORSE else (first <= last):
            side = "below" if name in _HIGHER_IS_WORSE else "above"
            yield (
                f"thresholds.warning.{name}: {first} is not {side} thresholds.critical.{name} ({last}); "
                "the warning would come with or after the critical alert"
            )
    if critical.critical_loss <= critical.max_drawdown:
        yield (
            f"thresholds.critical.critical_loss: {critical.critical_loss} is not above "
            f"thresholds.critical.max_drawdown ({critical.max_drawdown})"
        )


def _paces(settings: Settings) -> Iterator[str]:
    routing = settings.routing
    if routing.group_interval * 5 > routing.repeat_interval:
        yield (
            f"routing.group_interval: {routing.group_interval} is more than a fifth of "
            f"routing.repeat_interval ({routing.repeat_interval}); Alertmanager repeats on its ticks only, "
            "so it would repeat too late"
        )
    timeout = settings.collection.timeout
    for name, group in settings.collection.groups.items():
        if timeout > group.interval:
            yield (
                f"collection.timeout: {timeout} is longer than collection.{name}.interval "
                f"({group.interval}); a call to a bot must end before the next one starts"
            )


def _collection(settings: Settings) -> Iterator[str]:
    if not settings.collection.groups:
        yield "collection: every group is disabled, so Nightdesk would watch nothing; enable one"
    probes = [probe.name for probe in settings.collection.probes]
    for name in sorted({name for name in probes if probes.count(name) > 1}):
        yield f"collection.probes: two are named {name}; give each probe its own name"
    ports = [(service.port, name) for name, service in settings.services if service.bind == service.host]
    for port, name in ports:
        others = [other for number, other in ports if number == port and other != name]
        if others:
            yield f"services.{name}.port: {port} is services.{others[0]}.port too"


def _known_actions(settings: Settings) -> Iterator[str]:
    known = {*settings.actions.limits, *_action_files()} - {"default"}
    named = [(f"alerts.{name}.actions", alert.actions or []) for name, alert in settings.alerts.items()]
    named += [(f"severities.{name}.actions", severity.actions) for name, severity in settings.severities]
    named += [(f"sla.actions.{name}", actions) for name, actions in settings.sla.actions.items()]
    named += [(f"suggestions.{name}.action", [one.action]) for name, one in settings.suggestions]
    named.append(("actions.armed", settings.actions.armed))
    for path, actions in named:
        for action in actions:
            if action not in known:
                yield f"{path}: {action} is not an action; {_nearest(action, known)}"


def _known_contacts(settings: Settings) -> Iterator[str]:
    escalation = settings.escalation
    named = [("escalation.first", escalation.first)]
    named += [
        (f"escalation.levels[{index}].contact", level.contact)
        for index, level in enumerate(escalation.levels)
    ]
    named += [
        (f"escalation.{name}.contact", level.contact)
        for name, level in escalation
        if isinstance(level, (Level, SpentAttempts)) and level.contact is not None
    ]
    named += [(f"bots.{name}.team", bot.team) for name, bot in settings.bots.items() if bot.team]
    for path, contact in named:
        if contact not in settings.contacts and contact not in escalation.rotas:
            near = _nearest(contact, {*settings.contacts, *escalation.rotas})
            yield f"{path}: {contact} is not in contacts; {near}"
    for contact in settings.reports.contacts:
        if contact not in settings.contacts:
            near = _nearest(contact, set(settings.contacts))
            yield f"reports.contacts: {contact} is not in contacts; {near}"
    for name, rota in escalation.rotas.items():
        if name in settings.contacts:
            yield f"escalation.rotas.{name}: a contact has this name too; rename one"
        for contact in rota.contacts:
            if contact not in settings.contacts:
                near = _nearest(contact, set(settings.contacts))
                yield f"escalation.rotas.{name}.contacts: {contact} is not in contacts; {near}"


def _overrides(settings: Settings) -> Iterator[str]:
    for name, rota in settings.escalation.rotas.items():
        for index, one in enumerate(rota.overrides):
            try:
                wrong = wrong_with(settings, one.contact, span(one, zone_of(settings, rota)))
            except ValueError as error:
                wrong = str(error)
            if wrong:
                yield f"escalation.rotas.{name}.overrides[{index}]: {wrong}"


def _owners(settings: Settings) -> Iterator[str]:
    teams = {bot.team for bot in settings.bots.values() if bot.team}
    rotas = [settings.escalation.rotas[name].contacts for name in teams if name in settings.escalation.rotas]
    for name in sorted(teams.union(*rotas)):
        contact = settings.contacts.get(name)
        if contact and not contact.has_address:
            yield (
                f"contacts.{name}: owns bots and has no address; "
                f"write one below contacts.{name}.email, phone, telegram or apprise_files"
            )


def _programs(settings: Settings) -> Iterator[str]:
    programs = settings.actions.programs
    for name, bot in settings.bots.items():
        if isinstance(bot.restart, CommandRestart) and bot.restart.program not in programs:
            yield (
                f"bots.{name}.restart.program: {bot.restart.program} is not in actions.programs; "
                f"{_nearest(bot.restart.program, set(programs))}"
            )
    for name, arguments in programs.items():
        if not Path(arguments[0]).is_absolute():
            yield f"actions.programs.{name}: {arguments[0]} is not a full path, as /usr/bin/… is"


def _channels(settings: Settings) -> Iterator[str]:
    channels = settings.channels
    wanted: dict[str, dict[str, object]] = {
        "email": {"host": channels.email.host, "from": channels.email.from_, "to": channels.email.to},
        "telegram": {"token_file": channels.telegram.token_file, "chats": channels.telegram.chats},
        "slack": {"url_file": channels.slack.url_file},
        "grafana": {"token_file": channels.grafana.token_file},
    }
    for name in ("sms", "phone"):
        twilio = getattr(channels, name)
        wanted[name] = {
            "account": twilio.account,
            "token_file": twilio.token_file,
            "from": twilio.from_,
            "to": twilio.to,
        }
    datadog, newrelic = settings.integrations.datadog, settings.integrations.newrelic
    keys: tuple[tuple[Datadog | NewRelic, str, object], ...] = (
        (datadog, "datadog.api_key_file", datadog.api_key_file),
        (newrelic, "newrelic.license_key_file", newrelic.license_key_file),
        (newrelic, "newrelic.account", newrelic.account),
    )
    for one, key, given in keys:
        if one.enabled and not given:
            yield f"integrations.{key}: is missing; set it, or enabled to false"
    for name, values in wanted.items():
        for key, value in values.items():
            if getattr(channels, name).enabled and not value:
                yield f"channels.{name}.{key}: is missing; set it, or channels.{name}.enabled to false"

    if (address := channels.phone.answer_url) and address.scheme != "https":
        yield f"channels.phone.answer_url: {address} is not https, and anybody between could read the keys"


def _burn_rates(settings: Settings) -> Iterator[str]:
    for index, burn in enumerate(settings.sla.burn_rates):
        if burn.short >= burn.long:
            yield f"sla.burn_rates[{index}].short: {burn.short} is not shorter than long ({burn.long})"


def _hours(settings: Settings) -> Iterator[str]:
    hours = settings.routing.info_hours
    if hours is None:
        return
    if hours.from_ >= hours.to:
        yield (
            f"routing.info_hours: from {hours.from_} is not before to {hours.to}; "
            "write hours of one day, or null for any time"
        )
    for name, summary in settings.summaries:
        if summary.enabled and not hours.from_ <= summary.at < hours.to:
            yield (
                f"summaries.{name}.at: {summary.at} is not in routing.info_hours "
                f"({hours.from_}–{hours.to}), so it would be sent to nobody"
            )


def _maintenance(settings: Settings) -> Iterator[str]:
    for index, window in enumerate(settings.routing.maintenance):
        path = f"routing.maintenance[{index}]"
        for bot in window.bots:
            if bot not in settings.bots:
                yield f"{path}.bots: {bot} is not in bots; {_nearest(bot, set(settings.bots))}"
        if window.date is None:
            continue
        if window.weekdays:
            yield f"{path}: has a date and weekdays; leave one of them out"
        if window.to <= window.from_:
            yield f"{path}: from {window.from_} is not before to {window.to}; write two dates, one a window"


def _limits(settings: Settings) -> Iterator[str]:
    """Yield the faults in loss limits and in the accounts that add up losses."""
    held = [(f"bots.{name}", bot.limits) for name, bot in settings.bots.items()]
    held += [(f"accounts.{name}", tuple(account.limits)) for name, account in settings.accounts.items()]
    for path, limits in held:
        names = [limit.name for limit in limits]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{path}.limits: two are named {name}; give each a name of its own"
    owner: dict[str, str] = {}
    for name, account in settings.accounts.items():
        path, currencies = f"accounts.{name}.bots", dict[str, str]()
        for bot in account.bots:
            if bot not in settings.bots:
                yield f"{path}: {bot} is not in bots; {_nearest(bot, set(settings.bots))}"
                continue
            if bot in owner:
                twice = "twice" if owner[bot] == name else f"in accounts.{owner[bot]} too"
                yield f"{path}: {bot} is named {twice}; its loss would count twice, so leave it in one"
            owner[bot] = name
            currencies.setdefault(settings.bots[bot].currency or settings.currency, bot)
        if len(currencies) > 1:
            told = ", ".join(f"{bot} in {currency}" for currency, bot in currencies.items())
            yield f"{path}: money of two currencies is never added: {told}; write an account for each"


def strangers(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """Return a line for each alert and action in the settings that Nightdesk does not have."""
    limits = _part(given.get("actions"), "limits")
    paced = (
        ("alerts", _part(given, "alerts"), set(defaults["alerts"])),
        ("actions.limits", limits, {*defaults["actions"]["limits"], *_action_files()}),
    )
    return [
        f"{path}.{name}: is not one of Nightdesk's; {_nearest(str(name), known)}"
        for path, names, known in paced
        for name in names
        if name not in known
    ]


def _part(value: object, key: str) -> Mapping[object, object]:
    part = value.get(key) if isinstance(value, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _action_files() -> set[str]:
    """Return the names of webhook_actions' actions, from its files, without an import."""
    spec = importlib.util.find_spec("webhook_actions")
    if spec is None or not spec.submodule_search_locations:
        return set()
    folder = Path(spec.submodule_search_locations[0]) / "actions"
    return {file.stem for file in folder.glob("[a-z]*.py")}


def _nearest(name: str, known: set[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known)) or 'none yet'}"
