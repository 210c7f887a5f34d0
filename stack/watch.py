"""Watches processes for a person: waits until all are healthy, shows the state, reports ends."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any

from clients.http import NoAnswer, ask
from clients.stack_requests import stack_request
from stack.announce import NotDelivered
from stack.logfiles import ServiceLogs
from stack.printing import say
from stack.processes import Ended, Line, Processes
from stack.settings.web import Web
from stack.status import Status, Unreachable

HEALTHY_WITHIN = 120.0  # seconds for all services together: a busy machine starts a dozen in a minute
LOUD = 5  # ends without a steady run between, from which on people are notified
_TELL_EVERY = 60  # ends, about an hour of them, until people are notified again
_ASK_EVERY = 0.25  # seconds between two checks of a service that is not healthy yet
_UPKEEP_EVERY = 60.0  # seconds
RELOADED, UNCHANGED = "the settings were reloaded", "the settings stay unchanged"
_REFRESH = 2.0  # seconds between two reads of the state


@dataclass(frozen=True)
class Healthy:
    """A service that answered for the first time."""

    name: str


@dataclass(frozen=True)
class Word:
    """A message that a person must read."""

    text: str


@dataclass(frozen=True)
class Reload:
    """A request to reload the settings: SIGHUP."""


@dataclass(frozen=True)
class Stop:
    """A request to stop: a signal, or the end of `--for`."""

    reason: str


class NotReloaded(Exception):
    """Unusable settings; the processes keep the old ones. The message says why."""


class Screen:
    """Prints a line for each event, with its time if asked to."""

    def __init__(self) -> None:
        self._shown = ""

    def say(self, text: str) -> None:
        """Print a line."""
        say(text)

    def show(self, status: Status) -> None:
        """Print the state if more than the money has changed."""
        if status.summary() != self._shown:
            self.say(f"{time.strftime('%H:%M:%S')} {status}")
            self._shown = status.summary()


class Watch:
    """Watches the processes of a Procfile from start to end."""

    def __init__(
        self,
        commands: Mapping[str, str],
        health: Mapping[str, Callable[[], bool]],
        logs: ServiceLogs,
        screen: Screen,
        *,
        reload: Callable[[], Iterable[str]] = tuple,
        tell: Callable[[str, str], None] = lambda _summary, _description: None,
        upkeep: Callable[[], Iterable[str]] = tuple,
        edited: Callable[[], bool] = lambda: False,
    ) -> None:
        """`upkeep` runs at intervals and returns what a person must know.

        `edited` returns whether the settings changed since the last call; `reload` reads them and returns
        which parts need SIGHUP; it may raise NotReloaded. `tell` sends a summary and a description to people;
        it may raise NotDelivered.
        """
        self._events: SimpleQueue[Any] = SimpleQueue()
        self._reload, self._tell, self._upkeep, self._edited = reload, tell, upkeep, edited
        self._processes = Processes(commands, self._events)
        self._health, self._down, self._unread = health, dict.fromkeys(health), set[str]()
        self._logs, self._screen = logs, screen
        self._over, self._welcomed = threading.Event(), threading.Event()
        self._unreachable = ""

    def run(self, welcome: str, read: Callable[[], Status], duration: float | None) -> int:
        """Start all, print `welcome` once all are healthy, show what `read` returns, stop all on request.

        Processes that end are restarted. Returns 0 after a signal; after `duration` seconds, 1 if a process
        is not healthy.
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
        give_up = time.monotonic() + HEALTHY_WITHIN
        if self._health:
            self._screen.say(f"waiting for {', '.join(self._health)}")
        while True:
            now = time.monotonic()
            if ends is not None and now >= ends:
                return self._outcome()
            if not self._welcomed.is_set() and (not self._down or now >= give_up):
                self._greet(welcome)
            try:
                event = self._events.get(timeout=_ASK_EVERY)
            except Empty:
                continue
            match event:
                case Line(name, text):
                    self._keep(name, text)
                case Healthy(name):
                    self._is_healthy(name)
                case Word(text):
                    self._note(text)
                case Status():
                    self._unreachable = ""
                    self._screen.show(event)
                case Unreachable() if str(event) != self._unreachable:
                    self._unreachable = str(event)
                    self._note(f"the state is unknown: {event}")
                case Ended():
                    self._has_ended(event)
                case Reload():
                    self._pass_on()
                case Stop(reason):
                    self._screen.say(reason)
                    return 0

    def _greet(self, welcome: str) -> None:
        for name in self._down:
            self._note(self._with_last_lines(name, f"{name} is not healthy after {HEALTHY_WITHIN:.0f} s"))
        self._screen.say(welcome)
        self._welcomed.set()

    def _is_healthy(self, name: str) -> None:
        if name not in self._down:
            return
        del self._down[name]
        if name in self._unread:
            self._unread.remove(name)
            self._processes.signal(name, signal.SIGHUP)
        if self._welcomed.is_set():
            self._note(f"{name} is healthy again")
        else:
            self._screen.say(f"  {name} is healthy")

    def _has_ended(self, ended: Ended) -> None:
        """Report that a process ended, more urgently each time."""
        if ended.name in self._health:
            self._down[ended.name] = None
        loud = "" if ended.times < LOUD else f"WARNING, {ended.times} times in a row: "
        said = f"{loud}{ended}; Nightdesk restarts it in {ended.wait:.0f} s; all other parts run"
        self._note(self._with_last_lines(ended.name, said))
        if ended.times == LOUD or ended.times % _TELL_EVERY == 0:
            threading.Thread(target=self._tell_people, args=(ended,), daemon=True).start()

    def _tell_people(self, ended: Ended) -> None:
        last = "\n".join(self._logs.last(ended.name))
        try:
            self._tell(
                f"{ended.name} keeps failing",
                f"{ended}, {ended.times} times in a row. Nightdesk restarts it, at least once a minute; "
                f"all other parts run. The last lines of {self._logs.file(ended.name)}:\n{last}",
            )
        except NotDelivered as error:
            self._events.put(Word(str(error)))

    def _outcome(self) -> int:
        """Return the exit code after the run's duration."""
        for name in self._down:
            self._note(self._with_last_lines(name, f"{name} is not healthy"))
        return 1 if self._down else 0

    def _note(self, text: str) -> None:
        """Print something worth keeping: with its time, and into a log too."""
        now = datetime.now().astimezone()
        self._screen.say(f"{now:%H:%M:%S} {text}")
        self._keep("nightdesk", f"{now.isoformat(timespec='seconds')} {text}")

    def _keep(self, name: str, text: str) -> None:
        """Write a line into a log; say once that it cannot be written."""
        if said := self._logs.write(name, text):
            self._screen.say(f"{datetime.now().astimezone():%H:%M:%S} {said}")

    def _with_last_lines(self, name: str, said: str) -> str:
        return "\n    ".join(
            [f"{said}; its last lines, from {self._logs.file(name)}:", *self._logs.last(name)]
        )

    def _pass_on(self) -> None:
        """Reload the settings, and make every part read its new files."""
        try:
            told = list(self._reload())
        except NotReloaded as error:
            self._note(f"{UNCHANGED}: {error}")
            return
        for name in told:
            if name in self._down:  # SIGHUP would end a part that still starts
                self._unread.add(name)
            else:
                self._processes.signal(name, signal.SIGHUP)
        self._note(f"{RELOADED} by {', '.join(told)}" if told else RELOADED)

    def _drain(self) -> None:
        while not self._events.empty():
            event = self._events.get()
            if isinstance(event, Line):
                self._logs.write(event.name, event.text)

    def _follow(self, read: Callable[[], Status]) -> None:
        """Report each service that becomes healthy; once all are, show the state at intervals."""
        due = 0.0
        while not self._over.wait(_ASK_EVERY):
            for name in list(self._down):
                if self._health[name]():
                    self._events.put(Healthy(name))
            if not self._welcomed.is_set() or time.monotonic() < due:
                continue
            if self._edited():
                self._events.put(Reload())
            try:
                self._events.put(read())
            except Unreachable as error:
                self._events.put(error)
            due = time.monotonic() + _REFRESH

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
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def answers(url: str, web: Web) -> bool:
    """Return whether a service answers as healthy."""
    try:
        return ask(stack_request(web, "GET", url, 2.0)).ok
    except (NoAnswer, OSError):  # OSError: the password is unreadable; the next caller reports it
        return False
