"""The command `nightdesk init`: a first monitoring.yaml and its secrets, by flags or by answers."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from stack import keys
from stack.failure import Failure
from stack.instance import Instance, on_instance
from stack.printing import say
from stack.schema import write_schema
from stack.settings import SettingsError, load

_SOURCES = ("freqtrade", "http", "push", "demo")
_SECRETS = Path("secrets")


class NotWritten(Failure):
    """Settings that exist already, or that these answers cannot make."""


@click.command()
@click.option("--source", type=click.Choice(_SOURCES), help="How the bot is watched; demo: a simulated one")
@click.option("--bot", metavar="NAME", help="The bot's name; default: my_bot")
@click.option("--url", metavar="URL", help="The URL of its API (freqtrade, http)")
@click.option("--username", metavar="NAME", help="The user of its API (freqtrade)")
@click.option(
    "--capital", type=float, metavar="AMOUNT", help="Its capital before its first trade (http, push)"
)
@click.option("--container", metavar="NAME", help="Restart it through Docker")
@click.option("--email", metavar="ADDRESS", help="Notify this email address")
@click.option("--smtp", metavar="HOST[:PORT]", help="With --email: the server that sends it; port: 587")
@click.option("--smtp-user", metavar="NAME", help="With --email: the user of that server; default: none")
@click.option("--telegram", metavar="CHAT", help="Notify this Telegram chat")
@on_instance
def init(instance: Instance, /, **given: Any) -> None:  # noqa: ANN401 - the options above, by their names
    """Write a first monitoring.yaml and its secrets, by flags, or by the answers to questions."""
    file = instance.config[0]
    if file.exists():
        raise NotWritten(f"{file}: exists; edit it, or name another: --config FILE")
    answers = Answers(given, is_asking())
    settings, secrets = made(answers)
    schema = write_schema(instance.data)
    head = f"# yaml-language-server: $schema={schema}\n# Settings that are not here have a default; {_WAYS}\n"
    text = yaml.safe_dump(settings, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)
    _write_checked(file, head + text)
    for name, secret in secrets.items():
        keys.write(file.parent / _SECRETS / name, secret)
    for each in [file, *keys.generate(load([file])), *(file.parent / _SECRETS / name for name in secrets)]:
        say(f"wrote {each}")
    for name, what in answers.untold.items():
        say(f"write {what} into {file.parent / _SECRETS / name}")
    if "channels" not in settings:
        say(f"nobody is notified yet, and `check` fails: add `channels` to {file} (docs/notifications.md)")
    say("then: `nightdesk check`, and `nightdesk up`")


_WAYS = "`nightdesk schema` lists all, `nightdesk check` says what is wrong."


class Answers:
    """The values of the flags; for missing ones, the answers of the person at the terminal."""

    def __init__(self, given: dict[str, Any], asking: bool) -> None:
        """`untold` describes each secret that nobody gave, by its file's name."""
        self._given, self._asking = given, asking
        self.untold: dict[str, str] = {}

    def need(self, flag: str, question: str, default: str | None = None, kind: Any = str) -> Any:  # noqa: ANN401 - of that kind
        """Return a required value. Raises NotWritten if nobody can be asked."""
        told = self._given[flag]
        if told is None and self._asking:
            told = click.prompt(question, type=kind, default=default)
        if told is None and default is None:
            raise NotWritten(f"--{flag}: is missing, and nobody is here to answer ({question})")
        return default if told is None else told

    def choose(self, flag: str, question: str, among: tuple[str, ...]) -> str:
        """Return one of several choices. Raises NotWritten if nobody can be asked."""
        if self._given[flag] is None and self._asking:
            return str(click.prompt(question, type=click.Choice(among), default=among[0]))
        return str(self.need(flag, f"{question}: {', '.join(among)}"))

    def may(self, flag: str, question: str) -> str:
        """Return an optional value, '' if it is left out."""
        told = self._given[flag]
        if told is None and self._asking:
            told = click.prompt(f"{question} (empty: no)", default="", show_default=False)
        return str(told or "")

    def secret(self, name: str, what: str) -> str:
        """Return a secret, typed without an echo; '' if nobody gives it, since no flag may."""
        told = ""
        if self._asking:
            told = click.prompt(f"{what} (empty: later)", default="", show_default=False, hide_input=True)
        if not told:
            self.untold[name] = what
        return str(told)


def is_asking() -> bool:
    """Return whether a person is there to answer."""
    return sys.stdin.isatty()


def made(answers: Answers) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the settings that the answers make, and the secrets by file name."""
    secrets: dict[str, str] = {}

    def keep(name: str, what: str) -> str:
        if told := answers.secret(name, what):
            secrets[name] = told
        return str(_SECRETS / name)

    source = answers.choose("source", "How does Nightdesk watch the bot", _SOURCES)
    settings: dict[str, Any] = {"profile": "starter"}
    if source == "demo":
        settings["demo"] = {"enabled": True, "history": "90d"}
        settings["storage"] = {"retention": "100d"}  # the database for that history
    else:
        name = answers.need("bot", "What is the bot's name", "my_bot")
        settings["bots"] = {name: _bot(answers, source, name, keep)}
    if channels := dict(_channels(answers, keep)):
        settings["channels"] = channels
    return settings, secrets


def _bot(answers: Answers, source: str, name: str, keep: Callable[[str, str], str]) -> dict[str, Any]:
    told: dict[str, Any] = {"type": source}
    if source == "freqtrade":
        told["url"] = answers.need("url", "What is the URL of its API", "http://127.0.0.1:8080", kind=_url)
        told["username"] = answers.need("username", "What is the user of its API", "freqtrader")
        told["password_file"] = keep(f"{name}_password", f"the password of {name}'s API")
    elif source == "http":
        told["url"] = answers.need("url", "What is the URL of its API", kind=_url)
        told["token_file"] = keep(f"{name}_token", f"the token of {name}'s API")
    else:
        told["token_file"] = str(_SECRETS / f"{name}_token")  # generated, as Nightdesk's own
    bot: dict[str, Any] = {"source": told}
    if source != "freqtrade":  # the bot reports it
        bot["starting_capital"] = answers.need(
            "capital", "What was its capital before its first trade", kind=float
        )
    if container := answers.may("container", "Which Docker container runs it, for restarts"):
        bot["restart"] = {"type": "docker", "container": container}
    return bot


def _channels(answers: Answers, keep: Callable[[str, str], str]) -> Iterator[tuple[str, dict[str, Any]]]:
    if address := answers.may("email", "Which email address should be notified"):
        server = answers.need("smtp", "Which server sends the mail (SMTP: HOST, or HOST:PORT)")
        email = {"enabled": True, **_server(server)}
        if user := answers.may("smtp_user", "What is the user of that server"):
            password = keep("smtp_password", f"the password of {user} there")
            email |= {"username": user, "password_file": password}
        yield "email", email | {"from": address, "to": [address]}
    if chat := answers.may("telegram", "Which Telegram chat should be notified (its id)"):
        token = keep("telegram_token", "the token of your Telegram bot")
        yield "telegram", {"enabled": True, "token_file": token, "chats": [_chat(chat)]}


def _url(text: str) -> str:
    """Return a URL. Raises UsageError, so that click asks again and keeps the other answers."""
    if not text.startswith(("http://", "https://")):
        raise click.UsageError(f"'{text}' is no URL; it begins with http:// or https://")
    return text


def _server(text: str) -> dict[str, Any]:
    host, _, port = text.rpartition(":")
    return {"host": host, "port": int(port)} if host and port.isdecimal() else {"host": text}


def _chat(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdecimal() else text


def _write_checked(file: Path, text: str) -> None:
    """Write settings, if they are usable. Raises SettingsError, and then leaves nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.new")
    draft.write_text(text, encoding="utf-8")
    try:
        load([draft])
        draft.rename(file)
    except SettingsError as error:
        raise SettingsError(error.problems) from None  # without the line of a file that will not exist
    finally:
        draft.unlink(missing_ok=True)
