"""How a bot is acted on: one control for all bots, over an adapter for each kind of access, a file each."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from stack.settings import CommandRestart, DockerRestart, FreqtradeBot, HttpBot, Settings
from webhook_actions.bots.command import CommandAdapter
from webhook_actions.bots.docker import DockerAdapter
from webhook_actions.bots.freqtrade import FreqtradeAdapter
from webhook_actions.bots.http import HttpAdapter
from webhook_actions.bots.nothing import NoAdapter
from webhook_actions.outcome import Outcome

_ASK_EVERY = 0.5  # seconds between two looks at whether a bot answers


class Restarter(Protocol):
    """An adapter that can restart a bot."""

    def restart(self, wait: float, key: str) -> Outcome:
        """Stop, wait so many seconds, start. A `key` seen before has no second effect where that can be."""
        ...


class Listener(Protocol):
    """An adapter that can tell whether a bot answers."""

    def answers(self) -> Outcome:
        """Return done when the bot answers, else why not."""
        ...


@dataclass(frozen=True)
class BotControl:
    """A bot as one try of an action sees it: `key` names the try, `restart_wait` and `boot` are seconds."""

    name: str
    key: str
    restarter: Restarter
    listener: Listener
    restart_wait: float
    boot: float
    sleep: Callable[[float], None] = time.sleep

    def restart(self) -> Outcome:
        """Restart the bot."""
        return self.restarter.restart(self.restart_wait, self.key)

    def wait_until_it_answers(self) -> Outcome:
        """Return done once the bot answers, retry when it did not within its boot time."""
        deadline = time.monotonic() + self.boot
        while not (answer := self.listener.answers()).done:
            if time.monotonic() > deadline:
                return Outcome.retry(f"restarted, but silent for {self.boot:g}s since: {answer.detail}")
            self.sleep(_ASK_EVERY)
        return Outcome.ok("restarted, and it answers")


def control(settings: Settings, name: str, key: str) -> BotControl:
    """Return the control of a bot of the settings. Raises KeyError for a bot that they do not have."""
    bot = settings.bots[name]
    timeout = float(settings.collection.timeout)
    boot = float(bot.boot or settings.actions.restart.boot)
    return BotControl(
        name,
        key,
        restarter=_restarter(settings, name, bot.restart, timeout + boot),  # it may answer only once booted
        listener=_listener(bot.control, timeout),
        restart_wait=float(settings.actions.restart.wait),
        boot=boot,
    )


def _listener(
    access: HttpBot | FreqtradeBot | None, timeout: float
) -> HttpAdapter | FreqtradeAdapter | NoAdapter:
    match access:
        case None:
            return NoAdapter()
        case HttpBot():
            return HttpAdapter(access, timeout)
        case FreqtradeBot():
            return FreqtradeAdapter(access, timeout)


def _restarter(
    settings: Settings,
    name: str,
    access: HttpBot | FreqtradeBot | DockerRestart | CommandRestart | None,
    timeout: float,
) -> Restarter:
    match access:
        case DockerRestart():
            return DockerAdapter(access, timeout)
        case CommandRestart():
            return CommandAdapter(settings.actions.programs[access.program], name, timeout)
        case _:
            return _listener(access, timeout)
