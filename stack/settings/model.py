"""The whole of monitoring.yaml as types; the defaults are in stack/defaults.yaml."""

import re
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, HttpUrl, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from stack.settings.accounts import Account
from stack.settings.alerts import Alert, Colour, Milestones, Severities, Thresholds
from stack.settings.bots import MOST_DEMOS, Bot, BotName, Demo
from stack.settings.drill import DrillPace
from stack.settings.integrations import Integrations
from stack.settings.observability import (
    Dashboards,
    Health,
    Logs,
    Performance,
    Reports,
    Sla,
    Suggestions,
    Summaries,
)
from stack.settings.response import Actions, Channels, Contact, Escalation, Routing, Timeout, Tokens
from stack.settings.services import Address, Services
from stack.settings.types import (
    Between,
    Count,
    Duration,
    FilePath,
    Plain,
    RealTime,
    SecretFile,
    Section,
    Size,
    TimeZone,
    Url,
    without_credentials,
)
from stack.settings.web import Web

DEMO = "demo"
DEMO_CAPITAL = 10_000.0  # money before the first trade
_OTHER_CURRENCIES = ("EUR", "USD")  # the third demo bot's currency differs from the settings' own
DEMO_LOG = "demo_bot.log"
_SHORTEST_POLL = 0.2  # seconds; a drill at high speed does not ask a bot more often


_ABROAD = 2  # the demo bot that trades in another currency


def _demo_names(number: object) -> list[str]:
    """Return the names of the demo bots.

    For an invalid number return one: another check refuses the number.
    """
    count = number if isinstance(number, int) and 1 <= number <= MOST_DEMOS else 1
    return [DEMO, *(f"{DEMO}_{place}" for place in range(2, count + 1))]


def _compiles(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise PydanticCustomError(
            "expression", "{text}: {why}", {"text": repr(text), "why": str(error)}
        ) from None
    return text


# Prometheus matches it against the whole name.
Pattern = Annotated[str, AfterValidator(_compiles)]
# Prometheus looks back 5m for a sample; a series scraped more rarely than every 2m would flicker.
Interval = Annotated[Duration, Between("1s", "2m")]


class Group(Section):
    """One group of metrics, with its own scrape interval."""

    enabled: StrictBool
    interval: Interval


class Guard(Section):
    """How often the exporter asks bots for the money that alerts read.

    A change is seen within 2.25 intervals.
    """

    enabled: StrictBool
    interval: Annotated[RealTime, Between("1s", "30s")]

    @property
    def scrape(self) -> Duration:
        """The seconds between two scrapes, each of which may take as long on a busy machine."""
        return Duration(0.75 * self.interval)

    @property
    def evaluation(self) -> Duration:
        """The seconds between two evaluations of the rules that read it."""
        return Duration(0.5 * self.interval)


class Probe(Section):
    """An exchange endpoint whose latency blackbox_exporter measures."""

    name: str
    url: Url


class Collection(Section):
    """How often each group of metrics is collected."""

    trading: Group
    model: Group
    market: Group
    system: Group
    logs: Group
    guard: Guard
    evaluation_interval: Interval
    timeout: Timeout
    silent_after: Annotated[RealTime, Between("5s", "1d")]
    rate_window: Annotated[Duration, Between("1m", "1h")]
    var_window: Annotated[RealTime, Between("20d", "3650d")]
    slippage_recent: Annotated[Duration, Between("10m", "30d")]
    slippage_before: Annotated[Duration, Between("10m", "365d")]
    max_symbols: Count
    probes: list[Probe]

    @property
    def groups(self) -> dict[str, Group]:
        """The enabled groups by name."""
        every = {name: getattr(self, name) for name in ("trading", "model", "market", "system", "logs")}
        return {name: group for name, group in every.items() if group.enabled}

    @property
    def poll_interval(self) -> float:
        """Seconds between two polls of a bot: half the shortest interval of a group."""
        half = min(float(group.interval) for group in self.groups.values()) / 2
        return max(half, _SHORTEST_POLL)


class Queue(Section):
    """The queue of samples for a remote-write store; Prometheus retries what the store refuses."""

    batch_size: Count
    flush_interval: Annotated[RealTime, Between("1s", "60s")]
    timeout: Timeout
    retry_delay: Annotated[RealTime, Between("100ms", "5m")]
    longest_delay: Annotated[RealTime, Between("1s", "10m")]
    shards: Annotated[int, Between(1, 200), Plain]


class RemoteWrite(Section):
    """A long-term store with remote write. A password without a user is a bearer token."""

    url: Url
    name: str | None = None
    username: str | None = None
    password_file: SecretFile | None = None
    tenant: str | None = None


class InfluxDb(Section):
    """InfluxDB, by remote write."""

    enabled: StrictBool
    url: Url
    database: str
    username: str | None
    password_file: SecretFile | None
    retention: Annotated[RealTime, Between("1d", "3650d")]
    batch_size: Count
    flush_interval: Annotated[RealTime, Between("1s", "60s")]
    timeout: Timeout
    retry_delay: Annotated[RealTime, Between("100ms", "5m")]


class FileStorage(Section):
    """Samples as OpenMetrics text, a file a day."""

    enabled: StrictBool
    directory: FilePath
    retention: Annotated[RealTime, Between("1d", "3650d")]


class Storage(Section):
    """Where samples are stored, and for how long."""

    retention: Annotated[RealTime, Between("1d", "365d")]
    sent: Pattern
    queue: Queue
    remote_write: list[RemoteWrite]
    influxdb: InfluxDb
    file: FileStorage


def _address(text: str) -> str:
    """Refuse an invalid address. `//host:port` gets the scheme of `web`."""
    without_credentials(HttpUrl(f"http:{text}" if text.startswith("//") else text))
    return text


Link = Annotated[str, AfterValidator(_address)]


class Links(Section):
    """Addresses that a person's browser opens; None is the service's own address."""

    runbooks: Link | None
    prometheus: Link | None
    grafana: Link | None
    webhook_actions: Link | None


def _network(text: str) -> str:
    """Refuse anything but an address or a network."""
    ip_network(text)
    return text


Network = Annotated[str, AfterValidator(_network)]


class Page(Section):
    """The on-call page: who may log in, for how long, and how often an address may do what."""

    session: Annotated[RealTime, Between("5m", "30d")]
    web_config_file: SecretFile | None
    failed_logins: Count
    writes: Count
    trusted_proxies: list[Network]


class WebhookActions(Section):
    """The settings of webhook_actions."""

    tokens: Tokens
    database_url_file: SecretFile | None
    body_limit: Annotated[Size, Between("100kB", "100MB")]
    reconcile_interval: Annotated[Duration, Between("5s", "10m")]
    history: Annotated[RealTime, Between("1d", "3650d")]
    workers: Annotated[int, Between(1, 64), Plain]
    heartbeat: Annotated[RealTime, Between("1s", "10m")]
    page: Page


class Settings(Section):
    """All settings of a user. Read them with `load`; do not construct them."""

    profile: Literal["starter", "experienced", "production"]
    timezone: TimeZone
    currency: str
    days_per_year: Annotated[int, Between(200, 366), Plain]
    bots: dict[BotName, Bot]
    bots_directory: FilePath | None
    accounts: dict[BotName, Account]
    demo: Demo
    collection: Collection
    storage: Storage
    integrations: Integrations
    severities: Severities
    success_colour: Colour
    thresholds: Thresholds
    alerts: dict[str, Alert]
    milestones: Milestones
    summaries: Summaries
    reports: Reports
    suggestions: Suggestions
    routing: Routing
    contacts: dict[str, Contact]
    escalation: Escalation
    drill: DrillPace
    actions: Actions
    health: Health
    sla: Sla
    performance: Performance
    dashboards: Dashboards
    channels: Channels
    logs: Logs
    services: Services
    web: Web
    links: Links
    webhook_actions: WebhookActions

    @model_validator(mode="before")
    @classmethod
    def _watch_the_demo(cls, data: Any) -> Any:  # noqa: ANN401 - raw YAML
        """Add the demo bots, at the address of their service."""
        demo = data.get("demo", {}) if isinstance(data, dict) else {}
        if not (isinstance(demo, dict) and demo.get("enabled") is True):
            return data
        services = data.get("services")
        service = services.get("demo_bot") if isinstance(services, dict) else None
        if not isinstance(service, dict):
            return data
        url, bots = f"http://{service.get('host')}:{service.get('port')}", dict[str, Any]()
        for place, name in enumerate(_demo_names(demo.get("bots"))):
            there = f"{url}/{name}" if place else url
            source = {"type": "http", "url": there, "token_file": demo.get("token_file")}
            bots[name] = {"source": source, "starting_capital": DEMO_CAPITAL, "edge": demo.get("edge")}
            if place == _ABROAD:
                bots[name]["currency"] = next(
                    each for each in _OTHER_CURRENCIES if each != data.get("currency")
                )
        if demo.get("restart"):
            bots[DEMO]["restart"] = demo["restart"]
        return data | {"bots": bots | (data.get("bots") or {})}

    @model_validator(mode="after")
    def _speak(self) -> Self:
        self.services.speak(self.web.scheme)
        return self

    def link(self, service: str) -> str:
        """Return one of `links`, the address that a browser opens, without a trailing slash."""
        if service == "runbooks" and not self.links.runbooks:
            return f"{self.link('webhook_actions')}/docs/runbooks"
        link = str(getattr(self.links, service) or getattr(self.services, service).url).rstrip("/")
        return f"{self.web.scheme}:{link}" if link.startswith("//") else link

    def exporter_of(self, bot: str) -> Address:
        """Return the exporter that watches a bot; bots of one account share one."""
        account = next((name for name, one in self.accounts.items() if bot in one.bots), None)
        return self.services.exporter.watching(bot if account is None else f"account {account}")

    @property
    def demo_bots(self) -> list[str]:
        """The names of the demo bots; none if the demo is not enabled."""
        return (
            [name for name in _demo_names(self.demo.bots) if name in self.bots] if self.demo.enabled else []
        )

    @staticmethod
    def demo_data(data: Path, name: str) -> Path:
        """Return the directory of a demo bot below the demo's data directory."""
        return data if name == DEMO else data / name

    def bot_logs(self, data: Path | None = None) -> dict[str, tuple[Path, ...]]:
        """Return the logs of each bot that has any; a demo bot's are in `data` by default."""
        logs = {name: bot.logs for name, bot in self.bots.items() if bot.logs}
        demo = self.demo.log_file or (data / DEMO_LOG if data else None)
        if demo is None:
            return logs
        for name in self.demo_bots:
            logs.setdefault(name, (self.demo_data(demo.parent, name) / demo.name,))
        return logs

    def log_config(self) -> dict[str, Any]:
        """Return a logging.config dictionary: text lines for a terminal, JSON otherwise."""
        terminal = sys.stderr.isatty()
        plain = {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
        structured = {
            "()": "stack.settings.json_lines.JsonLines",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        }
        return {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"default": plain if terminal else structured},
            "handlers": {"default": {"class": "logging.StreamHandler", "formatter": "default"}},
            "root": {"level": "INFO", "handlers": ["default"]},
            "loggers": {name: {"level": "WARNING"} for name in ("uvicorn", "aiohttp.access")},
        }
