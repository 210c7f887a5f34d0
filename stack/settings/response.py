"""Settings of the response: routes, contacts, escalation, actions and channels."""

import re
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool
from pydantic_core import PydanticCustomError

from stack.settings.alerts import Channel
from stack.settings.observability import LocalTime, Weekday
from stack.settings.types import (
    Between,
    Count,
    Duration,
    Plain,
    Port,
    Ratio,
    RealTime,
    SecretFile,
    Section,
    TimeZone,
    Url,
)

Pace = Annotated[Duration, Between("1s", "7d")]
_YEARS = range(2000, 2200)


def _as_text(value: object) -> object:
    """Return 2026-12-24 as the text in the file; YAML reads it as a date."""
    return value.isoformat() if isinstance(value, date) else value


def _a_day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        allowed = "{day} is not a day; write it as 2026-12-24"
        raise PydanticCustomError("day", allowed, {"day": text}) from None


def _a_time(value: object) -> object:
    """Return 2026-12-24T18:00, with or without an offset, as a time; YAML may have parsed it already."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else value
    except ValueError:
        found = value
    if not isinstance(found, datetime) or found.year not in _YEARS:
        allowed = "{time} is not a time; write it as 2026-12-24T18:00"
        raise PydanticCustomError("day", allowed, {"time": str(value)})
    return found


Day = Annotated[str, BeforeValidator(_as_text), AfterValidator(_a_day)]
# A time without an offset is in the time zone of its rota or window.
DayTime = Annotated[datetime, BeforeValidator(_a_time)]
Timeout = Annotated[RealTime, Between("100ms", "5m")]
Retries = Annotated[int, Between(0, 10), Plain]


class GroupWait(Section):
    """How long Alertmanager collects alerts of one severity before the first message."""

    critical: Annotated[Duration, Between("0s", "10m")]
    warning: Annotated[Duration, Between("0s", "10m")]
    info: Annotated[Duration, Between("0s", "10m")]


class Hours(Section):
    """Hours of a day, in the time zone of the settings."""

    from_: Annotated[LocalTime, Field(alias="from")]
    to: LocalTime


class Maintenance(Hours):
    """Hours in which Nightdesk sends and does nothing for some bots, or all: on one date, or on weekdays.

    If `to` is not after `from`, it is on the next day.
    """

    bots: tuple[str, ...] = ()
    weekdays: tuple[Weekday, ...] = ()
    date: Day | None = None


class Routing(Section):
    """How Alertmanager paces its messages."""

    group_wait: GroupWait
    group_interval: Pace
    repeat_interval: Pace
    info_hours: Hours | None
    maintenance: list[Maintenance]
    watchdog_url_file: Literal["none"] | SecretFile | None
    watchdog_interval: Pace


def _form(pattern: str, kind: str, written: str) -> AfterValidator:
    """Return a check that a text has the form of an address."""
    wanted = re.compile(pattern)

    def formed(text: str) -> str:
        if not wanted.fullmatch(text):
            raise PydanticCustomError(
                "address",
                "{text} is not {kind}; write it as {written}",
                {"text": repr(text), "kind": kind, "written": written},
            )
        return text

    return AfterValidator(formed)


def _a_chat(value: object) -> object:
    """Refuse an invalid chat; a number between quotes would be the name of a public channel."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _CHANNEL.fullmatch(value):
        return value
    raise PydanticCustomError(
        "address",
        "{text} is not a Telegram chat; write its number without quotes, or @channel",
        {"text": repr(value)},
    )


_CHANNEL = re.compile(r"@[A-Za-z]\w{3,31}")
_MAILBOX = r"[^\s@<>,;:()\"\\]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
MailAddress = Annotated[str, _form(_MAILBOX, "a mail address", "me@example.org")]
Sender = Annotated[str, _form(rf"|{_MAILBOX}|[^<>]*<{_MAILBOX}>", "a mail address", "desk@example.org")]
PhoneNumber = Annotated[
    str, _form(r"\+[1-9]\d{6,14}", "a phone number", "+4915112345678, with the country and no spaces")
]
Chat = Annotated[int | str, BeforeValidator(_a_chat)]


Role = Literal["viewer", "responder", "operator"]


class Contact(Section):
    """A person's addresses, and what they may do by the buttons and links of a message."""

    email: tuple[MailAddress, ...] = ()
    phone: tuple[PhoneNumber, ...] = ()
    telegram: tuple[Chat, ...] = ()
    apprise_files: tuple[SecretFile, ...] = ()
    role: Role = "responder"

    @property
    def has_address(self) -> bool:
        """Whether the contact has any address."""
        return any((self.email, self.phone, self.telegram, self.apprise_files))


class Level(Section):
    """One level of the escalation policy."""

    contact: str
    channels: list[Channel]


class Repeated(Level):
    """Notify when one alert of one bot fires `count` times within `window`."""

    count: Annotated[int, Between(2, 10), Plain]
    window: Pace


class Override(Section):
    """Who stands in from one time until before another, by the rota's clocks; the last override counts."""

    from_: Annotated[DayTime, Field(alias="from")]
    to: DayTime
    contact: str


class Rota(Section):
    """Contacts who take turns by the week, from `handover` on the day of `start`, in their order."""

    timezone: TimeZone | None = None  # None: the time zone of the settings
    start: Day
    handover: LocalTime
    contacts: Annotated[list[str], Field(min_length=1)]
    overrides: tuple[Override, ...] = ()

    @property
    def people(self) -> list[str]:
        """Everybody who is ever on call in it, each once."""
        return list(dict.fromkeys([*self.contacts, *(one.contact for one in self.overrides)]))


class RetryPolicy(Section):
    """How Nightdesk retries a message that failed: the pause doubles with each retry."""

    retries: Retries
    pause: Annotated[Duration, Between("1s", "10m")]


class SystemDown(Level):
    """Notify when a bot stays down."""

    after: Annotated[Duration, Between("5m", "30m")]


class CriticalLoss(Level):
    """Notify of a critical loss at once, and again."""

    again_after: Pace


class SpentAttempts(Section):
    """Notify when no action is left; without a contact, the first person is notified."""

    contact: str | None
    channels: list[Channel]


class Storm(Section):
    """The number of incidents within a time that make a storm: the next ones share messages."""

    incidents: Count
    within: Annotated[Duration, Between("10s", "10m")]


class Escalation(Section):
    """Who is notified, after how long without an acknowledgement, over which channels."""

    first: str
    no_response: Annotated[Duration, Between("15m", "2h")]
    levels: list[Level]
    repeated_alerts: Repeated
    system_down: SystemDown
    critical_loss: CriticalLoss
    spent_attempts: SpentAttempts
    rotas: dict[str, Rota]
    quiet_hours: Hours | None
    storm: Storm
    link_valid_for: Annotated[RealTime, Between("10m", "30d")]
    desk_role: Role
    delivery: RetryPolicy


class Fleet(Section):
    """How many bots Nightdesk may act on before it suspects the host, the network or itself."""

    bots: Count
    ratio: Ratio
    window: Pace


class ActionLimit(Section):
    """For one bot and action: attempts within `attempts_window`, and the cooldown after a success."""

    attempts: Annotated[int, Between(1, 100), Plain]
    cooldown: Annotated[Duration, Between("0s", "30d")]


class RestartPace(Section):
    """The seconds to stop, to wait and to start, and the longest wait for an answer."""

    wait: Annotated[Duration, Between("0s", "10m")]
    boot: Annotated[RealTime, Between("1s", "30m")]


class Reduce(Section):
    """The factor for a position's size."""

    factor: Annotated[float, Between(0.01, 0.99), Plain]


class Actions(Section):
    """Which actions may run, how often, and on how many bots."""

    dry_run: StrictBool
    armed: list[str]
    programs: dict[str, Annotated[list[str], Field(min_length=1)]]
    fleet: Fleet
    attempts_window: Pace
    verify_within: Pace | None
    limits: dict[str, ActionLimit]
    restart: RestartPace
    reduce_position_sizes: Reduce

    def limit(self, action: str) -> ActionLimit:
        """Return the limit of an action; the default one if it has none of its own."""
        return self.limits.get(action, self.limits["default"])


class Email(Section):
    """Mail over SMTP."""

    enabled: StrictBool
    host: str
    port: Port
    starttls: StrictBool
    username: str
    password_file: SecretFile | None
    from_: Annotated[Sender, Field(alias="from")]
    to: list[MailAddress]
    timeout: Timeout


class Telegram(Section):
    """A Telegram bot's messages; chats are ids, or `@channel`."""

    enabled: StrictBool
    token_file: SecretFile | None
    chats: list[Chat]
    buttons: StrictBool
    timeout: Timeout
    retries: Retries
    api_url: Url


class Twilio(Section):
    """SMS or phone calls by Twilio."""

    enabled: StrictBool
    account: str
    token_file: SecretFile | None
    from_: Annotated[str, Field(alias="from")]
    to: list[PhoneNumber]
    timeout: Timeout
    api_url: Url


class Phone(Twilio):
    """Phone calls; Twilio reports the pressed key to webhook_actions at `answer_url`."""

    answer_url: Url | None


class Slack(Section):
    """A Slack incoming webhook."""

    enabled: StrictBool
    url_file: SecretFile | None
    channel: str
    username: str
    icon: str
    timeout: Timeout


class Endpoint(Section):
    """One receiver of signed outgoing webhooks."""

    name: str
    url: Url
    secret_file: SecretFile
    events: list[Literal["trading_events", "system_alerts", "performance_reports"]]


class Grafana(Section):
    """Annotations in Grafana, written with a service account's token."""

    enabled: StrictBool
    token_file: SecretFile | None
    timeout: Timeout
    delivery: RetryPolicy


class Webhooks(Section):
    """Outgoing webhooks."""

    timeout: Timeout
    delivery: RetryPolicy
    endpoints: list[Endpoint]


class Channels(Section):
    """The channels over which Nightdesk sends messages."""

    email: Email
    telegram: Telegram
    sms: Twilio
    phone: Phone
    slack: Slack
    webhooks: Webhooks
    grafana: Grafana


class Tokens(Section):
    """The files of webhook_actions' bearer tokens; exporters know only the one for reloads."""

    receive_file: SecretFile
    read_file: SecretFile
    act_file: SecretFile
    reload_file: SecretFile
