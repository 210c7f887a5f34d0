"""What settings say of a bot: where its state comes from, and who may act on it how."""

from typing import Annotated, Literal

from pydantic import Field, HttpUrl, PlainSerializer, StrictBool, StringConstraints

from stack.settings.types import FilePath, Number, RealTime, SecretFile, Section

Url = Annotated[HttpUrl, PlainSerializer(str)]
BotName = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class HttpBot(Section):
    """A bot that answers Nightdesk's bot API (docs/bot-api.md)."""

    type: Literal["http"]
    url: Url
    token_file: SecretFile


class FreqtradeBot(Section):
    """A Freqtrade bot's REST API."""

    type: Literal["freqtrade"]
    url: Url
    username: str
    password_file: SecretFile


class DockerRestart(Section):
    """Restarts one container through a Docker API, best a proxy that allows only that."""

    type: Literal["docker"]
    container: str
    url: str = "unix:///var/run/docker.sock"


class CommandRestart(Section):
    """Starts a program of `actions.programs` by its name; `{bot}` in its arguments is the bot's name."""

    type: Literal["command"]
    program: str


Api = Annotated[HttpBot | FreqtradeBot, Field(discriminator="type")]
Restart = Annotated[HttpBot | FreqtradeBot | DockerRestart | CommandRestart, Field(discriminator="type")]


class Bot(Section):
    """One watched bot. `control` is its source where nothing else is said, `restart` its control."""

    source: Api
    control: Api = Field(default_factory=lambda above: above["source"])
    restart: Restart = Field(default_factory=lambda above: above["control"])
    currency: str | None = None
    starting_capital: Number | None = None
    max_exposure: Number | None = None
    team: str | None = None
    logs: tuple[FilePath, ...] = ()
    boot: RealTime | None = None


class Demo(Section):
    """The simulated bot; enabled, it is watched as the bot `demo`."""

    enabled: StrictBool
    token_file: SecretFile
    seed: int
    restart: Restart | None
