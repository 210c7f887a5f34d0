"""Settings of a bot: the source of its state, and the ways to act on it."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from stack.settings.edge import Edge
from stack.settings.limits import Day, LossLimit
from stack.settings.types import (
    Between,
    FilePath,
    Number,
    Plain,
    RealTime,
    SecretFile,
    Section,
    Url,
    without_credentials,
)
from stack.settings.web import Way

MOST_DEMOS = 3
DOCKER = "unix:///var/run/docker.sock"
DockerUrl = Annotated[str, AfterValidator(without_credentials)]
BotName = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class Answering(Section):
    """A bot with an HTTP API. `ca_file` replaces the authorities that this machine trusts."""

    url: Url
    ca_file: SecretFile | None = None
    proxy: Url | None = None
    tls_verify: StrictBool = True

    @model_validator(mode="after")
    def _has_an_effect(self) -> Self:
        if self.url.scheme == "http" and (self.ca_file or not self.tls_verify):
            raise PydanticCustomError("way", "ca_file and tls_verify need a url that begins with https", {})
        if self.ca_file and not self.tls_verify:
            raise PydanticCustomError("way", "tls_verify: false would leave ca_file without effect", {})
        return self

    @property
    def place(self) -> str:
        """The bot's place, for people."""
        return str(self.url)

    @property
    def way(self) -> Way:
        """The way to reach the bot."""
        return Way(self.ca_file, str(self.proxy) if self.proxy else None, self.tls_verify)


class HttpBot(Answering):
    """A bot that answers Nightdesk's bot API (docs/bot-api.md)."""

    type: Literal["http"]
    token_file: SecretFile


class FreqtradeBot(Answering):
    """A Freqtrade bot's REST API."""

    type: Literal["freqtrade"]
    username: str
    password_file: SecretFile


class FileBot(Section):
    """A bot that writes its state, and possibly a journal of trades, into files (docs/file-source.md)."""

    type: Literal["file"]
    state: FilePath
    trades: FilePath | None = None

    @property
    def place(self) -> str:
        """The bot's place, for people."""
        return str(self.state)


class PushBot(Section):
    """A bot that pushes to the exporter (docs/push.md); its token is only for this bot."""

    type: Literal["push"]
    token_file: SecretFile

    @property
    def place(self) -> str:
        """The bot's place, for people."""
        return "(pushes)"


# In the environment of a program that restarts a bot, and so in the bot's: a stop of Nightdesk spares both.
STARTED_BOT: Final = "NIGHTDESK_STARTED_BOT"


class DockerRestart(Section):
    """Restarts one container through a Docker API, preferably a proxy that allows only that."""

    type: Literal["docker"]
    container: str
    url: DockerUrl = DOCKER


class CommandRestart(Section):
    """Starts a program of `actions.programs` by its name; `{bot}` in its arguments is the bot's name."""

    type: Literal["command"]
    program: str


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise PydanticCustomError(
            "pattern",
            "{text} is not a regular expression: {error}",
            {"text": repr(text), "error": str(error)},
        ) from None
    return text


class BotProcess(Section):
    """Identifies the bot's own process, whose CPU and memory Nightdesk watches: exactly one of the first
    three. `match` is a regular expression for a part of the command line; it must match only one program.
    """

    pid_file: FilePath | None = None
    match: Annotated[str, StringConstraints(min_length=1), AfterValidator(_pattern)] | None = None
    container: Annotated[str, StringConstraints(min_length=1)] | None = None
    url: DockerUrl = DOCKER

    @model_validator(mode="after")
    def _told_once(self) -> Self:
        if sum(each is not None for each in (self.pid_file, self.match, self.container)) != 1:
            raise PydanticCustomError("one_of", "name exactly one of pid_file, match, container", {})
        return self


def _plain_path(path: Path) -> Path:
    """Refuse characters that logrotate would not read as a path: logrotate runs as root."""
    if not re.fullmatch(r"[^\x00-\x1f\"'\\*?\[\]{}]+", str(path)):
        raise PydanticCustomError(
            "path", "{value} has quotes, wildcards or braces in it; name each log", {"value": repr(str(path))}
        )
    return path


LogFile = Annotated[FilePath, AfterValidator(_plain_path)]
Api = Annotated[HttpBot | FreqtradeBot, Field(discriminator="type")]
Source = Annotated[HttpBot | FreqtradeBot | FileBot | PushBot, Field(discriminator="type")]
Restart = Annotated[HttpBot | FreqtradeBot | DockerRestart | CommandRestart, Field(discriminator="type")]


def _answering(above: dict[str, Any]) -> HttpBot | FreqtradeBot | None:
    """Return the source if it has an API for actions; files and pushes only report."""
    source = above.get("source")
    return source if isinstance(source, HttpBot | FreqtradeBot) else None


class Transfer(Section):
    """A deposit into a bot, or a withdrawal if `amount` is negative; neither is a profit."""

    at: AwareDatetime
    amount: Number


class Baseline(Section):
    """The begin of the present drawdown: a time and an equity; None is the equity of closed trades."""

    at: AwareDatetime
    equity: Number | None = None


class Bot(Section):
    """One watched bot. `control` is by default its source if that has an API, `restart` its control.

    `starting_capital` is the equity before the first trade and before all `transfers`. It and `max_exposure`
    overrule the bot's own figures. `silent_after`: a bot of files or pushes that reports nothing for longer
    counts as not answering. `stops: false` is for a bot that sets no stops on purpose. `limits` are its loss
    limits; without any, `daily_loss` counts. `edge` is the reference that its trades are compared with.
    `guard: false`: the bot cannot be asked as often as `collection.guard`: only polls read its money.
    """

    source: Source
    control: Api | None = Field(default_factory=_answering)
    restart: Restart | None = Field(default_factory=lambda above: above.get("control"))
    currency: str | None = None
    starting_capital: Number | None = None
    transfers: tuple[Transfer, ...] = ()
    drawdown_baseline: Baseline | None = None
    max_exposure: Number | None = None
    stops: StrictBool = True
    day: Day = Day()
    limits: tuple[LossLimit, ...] = ()
    team: str | None = None
    logs: tuple[LogFile, ...] = ()
    process: BotProcess | None = None
    boot: RealTime | None = None
    silent_after: Annotated[RealTime, Between("5s", "1d")] | None = None
    guard: StrictBool = True
    edge: Edge | None = None


class Demo(Section):
    """The simulated bots; if enabled, they are watched as `demo`, `demo_2`, `demo_3` (in another currency).

    `history` is the length of the simulated past before their first start; None is no past. `log_file` is the
    log of the first bot. `edge` is the reference of each.
    """

    enabled: StrictBool
    bots: Annotated[int, Between(1, MOST_DEMOS), Plain]
    history: Annotated[RealTime, Between("1d", "365d")] | None
    token_file: SecretFile
    seed: int
    restart: Restart | None
    log_file: FilePath | None
    edge: Edge | None
