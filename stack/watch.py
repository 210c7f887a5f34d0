"""Watches processes for a person: waits until all are healthy, shows the state, says why it ended."""

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TextIO

from clients.http import NoAnswer, ask
from clients.parts import to_part
from stack.logfiles import ServiceLogs
from stack.processes import Ended, Line, Processes
from stack.settings.web import Web
from stack.status import Status, Unreachable

HEALTHY_WITHIN = 120.0  # seconds for all services together: a busy machine starts a dozen in a minute
_ASK_EVERY = 0.25  # seconds between two looks at a service that is not healthy yet
_UPKEEP_EVERY = 60.0  # seconds
_REFRESH = 2.0  # seconds between two readings of the state


@dataclass(frozen=True)
class Healthy:
    """A service that answered for the first time."""

    name: str


@dataclass(frozen=True)
class Word:
    """What a person must know."""

    text: str


@dataclass(frozen=True)
class Reload:
    """Somebody wants the settings to be read anew: SIGHUP."""


@dataclass(frozen=True)
class Stop:
    """Somebody wants the end: a signal, or the time that `--for` gave."""

    reason: str


class NotReloaded(Exception):
    """Settings that cannot be used; what runs goes on with those before. The message says why."""


class Screen:
    """What a person sees: lines, and below them one that is rewritten in place where the terminal can."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = ""

    def say(self, text: str) -> None:
        """Print a line of its own."""
        live, self._shown = self._shown, ""
        clear = "\r\x1b[K" if live and self._stream.isatty() else ""
        self._stream.write(f"{clear}{text}\n")
        self._stream.flush()

    def show(self, status: Status) -> None:
        """Rewrite the live line; without a terminal, print it when more than the money has changed."""
        if self._stream.isatty():
            self._shown = str(status)[: shutil.get_terminal_size().columns - 1]
            self._stream.write(f"\r\x1b[K{self._shown}")
            self._stream.flush()
        elif status.summary() != self._shown:
            self.say(f"{time.strftime('%H:%M:%S')} {status}")
            self._shown = status.summary()


class Watch:
    """Watches the processes of a Procfile from their start to their end."""

    def __init__(
        self,
        commands: Mapping[str, str],
        health: Mapping[str, Callable[[], bool]],
        logs: ServiceLogs,
        screen: Screen,
        *,
        reload: Callable[[], Iterable[str]] = tuple,
        upkeep: Callable[[], Iterable[str]] = tuple,
        revive: bool = False,
    ) -> None:
        """`upkeep` is done over and over and returns what a person must know of it.

        `reload` reads the settings anew and returns who is to be told by SIGHUP; it may raise NotReloaded.

        `revive` starts again what ends by itself, instead of stopping all.
        """
        self._events: SimpleQueue[Any] = SimpleQueue()
        self._reload, self._upkeep, self._revive = reload, upkeep, revive
        self._processes = Processes(commands, self._events, revive=revive)
        self._names, self._health = list(commands), health
        self._logs, self._screen = logs, screen
        self._over = threading.Event()

    def run(self, welcome: str, read: Callable[[], Status], duration: float | None) -> int:
        """Start all, say `welcome` once all are healthy, show what `read` returns, stop all.

        Returns 0 when it was asked to stop (a signal, or `duration` seconds after the start), 1 when a
        process ended by itself or did not become healthy.
        """
        ends = time.monotonic() + duration if duration is not None else None
        with self._signals():
            self._processes.start()
            threading.Thread(target=self._follow, args=(read,), daemon=True).start()
            threading.Thread(target=self._keep_up, daemon=True).start()
            try:
                return self._loop(welcome, ends)
            finally:
                self._over.set()
                self._screen.say("stopping …")
                self._processes.stop()
                self._drain()
                self._logs.close()

    def _loop(self, welcome: str, ends: float | None) -> int:
        waiting, give_up = dict.fromkeys(self._health), time.monotonic() + HEALTHY_WITHIN
        self._screen.say(f"waiting for {', '.join(self._health)}")
        while True:
            now = time.monotonic()
            if ends is not None and now >= ends:
                return 0
            if waiting and now >= give_up:
                return self._failed(next(iter(waiting)), f"not healthy within {HEALTHY_WITHIN:.0f} s")
            try:
                event = self._events.get(timeout=_ASK_EVERY)
            except Empty:
                continue
            match event:
                case Line(name, text):
                    self._logs.write(name, text)
                case Healthy(name):
                    del waiting[name]
                    self._screen.say(f"  {name} is healthy")
                    if not waiting:
                        self._screen.say(welcome)
                case Word(text):
                    self._screen.say(text)
                case Status() if not waiting:
                    self._screen.show(event)
                case Ended() if self._revive:
                    self._screen.say(f"{event}; it is started again")
                case Ended(name):
                    return self._failed(name, str(event))
                case Reload():
                    self._pass_on()
                case Stop(reason):
                    self._screen.say(reason)
                    return 0

    def _pass_on(self) -> None:
        """Read the settings anew and have every part read what follows from them."""
        try:
            told = list(self._reload())
        except NotReloaded as error:
            self._screen.say(f"the settings stay as they were: {error}")
            return
        for name in told:
            self._processes.signal(name, signal.SIGHUP)
        self._screen.say(f"the settings were read anew, and by {', '.join(told)}")

    def _failed(self, name: str, reason: str) -> int:
        self._drain()
        lines = [f"{reason}; its last lines, from {self._logs.file(name)}:", *self._logs.last(name)]
        self._screen.say("\n    ".join(lines))
        return 1

    def _drain(self) -> None:
        while not self._events.empty():
            event = self._events.get()
            if isinstance(event, Line):
                self._logs.write(event.name, event.text)

    def _follow(self, read: Callable[[], Status]) -> None:
        """Report each service that becomes healthy, then the state over and over."""
        waiting = dict(self._health)
        while waiting and not self._over.wait(_ASK_EVERY):
            for name in [name for name, answers in waiting.items() if answers()]:
                del waiting[name]
                self._events.put(Healthy(name))
        while not self._over.wait(_REFRESH):
            try:
                self._events.put(read())
            except Unreachable as error:
                self._events.put(Line("nightdesk", str(error)))

    def _keep_up(self) -> None:
        while True:
            for text in self._upkeep():
                self._events.put(Word(text))
            if self._over.wait(_UPKEEP_EVERY):
                return

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, _frame: object) -> None:
            self._events.put(Stop(f"{signal.Signals(number).name} received"))

        def reload(_number: int, _frame: object) -> None:
            self._events.put(Reload())

        handlers = {signal.SIGINT: stop, signal.SIGTERM: stop, signal.SIGHUP: reload}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def answers(url: str, web: Web) -> bool:
    """Return whether what listens there is well."""
    try:
        return ask(to_part(web, "GET", url, 2.0)).ok
    except NoAnswer:
        return False
