"""Runs a drill: serves the synthetic bot's series, observes each second, reports each result."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stack.drill import preflight
from stack.drill.fast_settings import SCRAPE
from stack.drill.observation import Parts, Seen, Silent
from stack.drill.progress import ESCALATED, HopTimeouts, Progress, advance, faults, is_done, late, said
from stack.drill.routes import matched_routes
from stack.drill.rules import LABEL
from stack.drill.scripts import Script, scripts
from stack.settings import Settings

Say = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """A drill's result; `faults` by the alert's number, 0 for faults of no alert."""

    run: str
    began: datetime
    seconds: float
    alerts: tuple[Progress, ...]
    faults: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class DrillRequest:
    """A request for a drill: one alert or (None) all, the imitated bot, and the wait for an answer."""

    alert: str | None = None
    bot: str | None = None
    gap: float = 12.0


class Drill:
    """One drill, from its first series to its end."""

    def __init__(
        self,
        settings: Settings,
        rendered: Mapping[str, Any],
        rules: Sequence[tuple[str, str]],
        wish: DrillRequest,
        patience: HopTimeouts,
    ) -> None:
        """`rendered` has the rendered configuration by file; `rules` are the alerts with their severities."""
        self._settings, self._rendered = settings, rendered
        self._wish, self._patience = wish, patience
        self._parts = Parts(settings)
        self.began = datetime.now(UTC)
        self.run = f"{self.began:%Y%m%d-%H%M%S}"
        self._waiting = scripts(settings, rules, self.run, wish.alert, wish.bot)
        self._alerts: list[Progress] = []
        self._playing: dict[int, tuple[Script, float]] = {}
        self._turn = threading.Lock()
        self._mute = ""  # why the exporter accepts no series

    def go(self, say: Say) -> Result:
        """Run the drill to its end, and report each step."""
        found = [(0, text) for text in preflight.differences(self._settings, self._parts, self._rendered)]
        for _, text in found:
            say(f"fault before the drill: {text}")
        say(f"drill {self.run}: {len(self._waiting)} alerts; acknowledge one of the messages marked DRILL")
        began, due, first = time.monotonic(), 0.0, self._parts.look(self.run)
        seen = first
        with self._giving():
            while True:
                now = time.monotonic() - began
                if now >= due and self._begin(now):
                    due = now + self._wish.gap
                seen = self._parts.look(self.run)
                now = time.monotonic() - began
                self._alerts = [self._step(one, seen, now, say) for one in self._alerts]
                self._answer_the_others(say)
                if not self._waiting and all(is_done(one, self._patience, now) for one in self._alerts):
                    break
                time.sleep(float(SCRAPE))
        now = time.monotonic() - began
        found += [(0, f"{part}: {why}") for part, why in seen.silent.items()]
        found += [(0, self._mute)] if self._mute else []
        found += [(0, text) for text in _failed(first, seen)]
        for one in self._alerts:
            found += [(one.script.number, text) for text in faults(one, self._patience, now)]
        return Result(self.run, self.began, now, tuple(self._alerts), tuple(dict.fromkeys(found)))

    def _begin(self, now: float) -> bool:
        """Begin the next alert.

        An alert that shares its series with others waits until none of them plays.
        """
        busy = any(script.alone for script, _ in self._playing.values())
        for script in self._waiting:
            if not (script.alone and busy):
                break
        else:
            return False
        self._waiting.remove(script)
        labels = {"alertname": script.name, "severity": script.severity, LABEL: script.drill}
        bots = {bot for one in script.series if (bot := one.subject.get("bot"))}
        labels |= dict(zip(["bot"], bots, strict=False))
        routes = tuple(matched_routes(self._rendered["alertmanager.yml"], labels))
        self._alerts.append(Progress(script, routes, now))
        with self._turn:
            self._playing[script.number] = (script, time.monotonic())
        return True

    def _step(self, one: Progress, seen: Seen, now: float, say: Say) -> Progress:
        script = one.script
        next_ = advance(one, seen, now, self._patience.group.get(one.severity, 0.0))
        if next_.is_told and not one.is_told:
            say(f"  {script.alert} ({script.severity}) was notified after {now - one.started:.0f} s")
        for line in said(next_.incident)[len(said(one.incident)) :]:
            say(f"  {script.alert}: webhook_actions notified {line.removeprefix('to ')}")
        if next_.answer is not None and one.answer is None:
            say(f"  {script.alert} is acknowledged")
        if script.alone and (next_.is_told or any(late(next_, self._patience, now))):
            with self._turn:
                self._playing.pop(script.number, None)
        return next_

    def _answer_the_others(self, say: Say) -> None:
        """Acknowledge the rest for the person who answered: one answer in a drill is proof enough."""
        answered = next((one for one in self._alerts if one.answer is not None), None)
        if answered is None:
            return
        for one in self._alerts:
            if one.answer is None and one.incident is not None and one.severity in ESCALATED:
                comment = f"a drill, in which {answered.script.alert} was answered"
                try:
                    self._parts.acknowledge(one.incident.id, comment)
                except Silent as error:
                    say(f"  {error}")

    @contextmanager
    def _giving(self) -> Iterator[None]:
        """Serve each scrape's page through the exporter while in the block, and an empty page at its end."""
        over = threading.Event()

        def give() -> None:
            while not over.wait(float(SCRAPE)):
                with self._turn:
                    playing = list(self._playing.values())
                now = time.monotonic()
                page = [line for script, at in playing for line in script.page(int((now - at) / SCRAPE))]
                self._try(page)

        giver = threading.Thread(target=give, name="drill", daemon=True)
        giver.start()
        try:
            yield
        finally:
            over.set()
            giver.join()
            self._try([])

    def _try(self, page: Sequence[str]) -> None:
        try:
            self._parts.give(page)
            self._mute = ""
        except Silent as error:
            self._mute = str(error)


def _failed(first: Seen, last: Seen) -> Iterator[str]:
    """Yield the channels over which Alertmanager failed to send anything during the drill."""
    for name, failed in last.failed.items():
        tries = last.tried[name] - first.tried.get(name, 0.0)
        if (more := failed - first.failed.get(name, 0.0)) > 0:
            yield f"channel: {name}: {more:.0f} of {tries:.0f} attempts failed; Alertmanager's log says why"
