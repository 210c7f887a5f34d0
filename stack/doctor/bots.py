"""Checks each bot: whether it answers, accepts our password, and can be controlled."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from clients.http import NoAnswer, Request, ask
from clients.webhook_actions import CapabilitiesUnavailable, told_bots
from stack import drawdown
from stack.doctor.finding import Finding, green, red, yellow
from stack.doctor.machine import off
from stack.settings import CommandRestart, DockerRestart, FileBot, FreqtradeBot, HttpBot, Settings
from stack.settings.web import basic
from stack.status import Unreachable, ask_prometheus, by_bot

_PATHS = {"http": "/api/v1/state", "freqtrade": "/api/v1/show_config"}
_LOOK = 5  # seconds for Docker's answer
_LOG = "see its page on the exporter, and the exporter's log"


def reached(settings: Settings) -> Iterator[Finding]:
    """Check that each bot answers, accepts our password and has our time, or that Prometheus sees it."""
    try:
        up = by_bot(ask_prometheus(settings, "trading_bot_up"), "trading_bot_up")
    except Unreachable:
        up = {}
    for name, bot in settings.bots.items():
        if isinstance(bot.source, HttpBot | FreqtradeBot):
            yield from _asked(f"bot {name}", bot.source, float(settings.collection.timeout))
        elif up.get(name) == 1:
            yield green(f"bot {name}", f"is seen ({bot.source.type})")
        elif isinstance(bot.source, FileBot) or name in up:
            yield red(f"bot {name}", "sends nothing, or nothing new", f"see that it writes or pushes; {_LOG}")
        else:
            yield yellow(f"bot {name}", "was not seen yet", f"see that it pushes; {_LOG}")


def _asked(about: str, source: HttpBot | FreqtradeBot, timeout: float) -> Iterator[Finding]:
    url = str(source.url).rstrip("/") + _PATHS[source.type]
    file = source.token_file if isinstance(source, HttpBot) else source.password_file
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        yield red(about, f"its secret {file} cannot be read", "write the bot's own secret into it")
        return
    header = f"Bearer {secret}" if isinstance(source, HttpBot) else basic(source.username, secret)
    try:
        answer = ask(Request("GET", url, timeout, {"Authorization": header}, way=source.way))
    except NoAnswer as error:
        yield red(about, f"does not answer at {source.url}: {error}", "start it, or correct source.url")
        return
    if answer.status in (401, 403):
        yield red(
            about, f"refuses our password (HTTP {answer.status})", f"write the bot's own secret into {file}"
        )
    elif not answer.ok:
        yield red(
            about, f"{url} answers HTTP {answer.status}", "correct source.url, or the proxy in front of it"
        )
    else:
        yield green(about, f"answers at {source.url} and accepts our password")
        if answer.date is not None:
            yield off(f"clock of {about}", time.time() - answer.date, "the bot's")


def capabilities(settings: Settings) -> Iterator[Finding]:
    """Check that webhook_actions knows each bot's version, and list the actions that the bot cannot do."""
    try:
        told = told_bots(settings)
    except CapabilitiesUnavailable as error:
        yield yellow("versions of bots", f"unknown: {error}", "see webhook_actions")
        return
    for name in settings.bots:
        about, bot = f"version of {name}", told.get(name)
        if bot is None:
            yield red(about, "webhook_actions has other settings", "reload them: SIGHUP to `nightdesk up`")
        elif bot.adapter is None:
            way_out = f"if something should, set bots.{name}.control or bots.{name}.restart"
            yield yellow(about, "Nightdesk cannot act on it", way_out)
        elif bot.version is None:
            yield yellow(
                about,
                f"unknown: {bot.version_unknown}",
                "docs/actions.md lists the actions that depend on it",
            )
        else:
            cannot = ", ".join(each.action for each in bot.cannot)
            yield green(about, f"{bot.version}{f'; it cannot {cannot}' if cannot else ''}")


def capital(settings: Settings) -> Iterator[Finding]:
    """Check that Nightdesk would see a loss of each bot: its capital must be known."""
    try:
        lines = list(drawdown.live(settings))
    except Unreachable as error:
        yield yellow("capital of bots", f"unknown: {error}", "see Prometheus")
        return
    for line in lines:
        warns = line.startswith("warning: ")
        name, _, says = line.removeprefix("warning: ").partition(": ")
        if not warns:
            yield green(f"capital of {name}", says)
        elif drawdown.CANNOT_FIRE in says:
            yield red(f"capital of {name}", drawdown.CANNOT_FIRE, f"set bots.{name}.starting_capital")
        else:
            yield yellow(f"capital of {name}", says, _LOG)


def restarts(settings: Settings) -> Iterator[Finding]:
    """Check that each bot's means of restart exists: its container, or the program."""
    for name, bot in settings.bots.items():
        about = f"restart of {name}"
        match restart := bot.restart:
            case DockerRestart():
                yield _container(about, restart)
            case CommandRestart():
                yield _program(about, settings, restart)
            case None:
                yield yellow(about, "Nightdesk cannot restart it", f"set bots.{name}.restart if it should")
            case HttpBot():
                yield green(about, "through its own API")
            case _:
                says = "through Freqtrade's API, which does not revive a process that died"
                yield yellow(about, says, f"set bots.{name}.restart to docker or command")


def _container(about: str, restart: DockerRestart) -> Finding:
    named = f"container {restart.container}"
    try:
        client = docker.APIClient(restart.url, version="auto", timeout=_LOOK)
        client.inspect_container(restart.container)
    except NotFound:
        return red(about, f"there is no {named}", "correct restart.container; `docker ps -a` lists them")
    except APIError as error:
        says = f"{restart.url} refuses information about {named}: {error.explanation or error}"
        return yellow(about, says, "try a restart to see whether the container exists")
    except (DockerException, requests.RequestException) as error:
        says = f"Docker at {restart.url} cannot be reached: {error}"[:200]
        return red(about, says, "start Docker and add this user to its group, or correct restart.url")
    return green(about, f"{named} is there")


def _program(about: str, settings: Settings, restart: CommandRestart) -> Finding:
    program = settings.actions.programs[restart.program][0]
    if not Path(program).is_file():
        return red(about, f"{program} does not exist", f"correct actions.programs.{restart.program}")
    if not os.access(program, os.X_OK):
        return red(about, f"{program} may not be run by this user", f"`chmod +x {program}`, or another user")
    return green(about, f"{program} is there")
