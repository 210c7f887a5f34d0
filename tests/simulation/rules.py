"""The rules of DESIGN §1 for a simulation, judged by the simulated environment's own records."""

import itertools
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.environment import SCRAPE, Sent, SimulatedEnvironment
from tests.simulation.loop import VirtualLoop
from tests.simulation.memory import Memory

# Seconds; the lease of an interrupted attempt ends after 146 and, of a Freqtrade's, after 452.
STARTED_WITHIN, FREQTRADE_STARTED_WITHIN = 300.0, 700.0
CHECKS = 60  # of one incident within SCRAPE seconds


class Rules:
    """The checks: some at each order, the others once all trouble has been over for long enough."""

    loop: VirtualLoop
    memory: Memory
    world: SimulatedEnvironment
    variant: str
    variant_since: float
    _stopped_since: dict[str, float]
    _free_since: float
    _fences: dict[int, int]

    def settings_of(self, variant: str) -> Any:
        """Return the settings of a variant."""
        raise NotImplementedError

    def note(self, what: str) -> None:
        """Write into the trace."""
        raise NotImplementedError

    def broken(self, what: str) -> None:
        """Record a broken rule; the first one counts."""
        raise NotImplementedError

    def amid_order(self) -> None:
        """Trigger the events that wait for an order."""
        raise NotImplementedError

    def hindered(self) -> bool:
        """Return whether no engine could order anything now."""
        raise NotImplementedError

    def ordered(self, process: Any, bot: Any, key: str, lease: Any, request: Any) -> None:
        """Judge an order at the moment when it leaves its engine."""
        path = request.url.rpartition("/api/v1/")[2]
        self.world.orders.append(Sent(self.loop.time(), bot.name, path, key, process.number))
        self.note(f"engine {process.number} orders {path} of {bot.name} by {key}")
        self.amid_order()
        if not key.startswith("run-"):
            if any(over is None for *_, over in self.memory.t.pauses.values()):
                self.broken(f"{path} of {bot.name} was ordered while all actions were paused")
            return
        run = self.memory.t.runs[int(key[4:])]
        attempt = (run.id, run.fence)
        goes_on = run.target is None and attempt in self._first_of_attempt
        self._first_of_attempt[attempt] = True
        if run.state != "running" or run.due_at <= self.loop.now() or run.fence != lease.fence:
            self.broken(f"{path} of {bot.name} by {key} was ordered without a lease: {run.state}")
        if goes_on:
            return
        if any(over is None for *_, over in self.memory.t.pauses.values()):
            self.broken(f"{path} of {bot.name} by {key} was ordered while all actions were paused")
        if run.effect == "money" and run.asked_by is None:
            settled = self.loop.time() - self.variant_since > 0.0
            if (
                settled
                and self.variant in ("disarmed", "maintained", "without")
                and process.settings is (self.settings_of(self.variant))
            ):
                barred = self.variant != "without" or bot.name == "alpha"
                if barred:
                    self.broken(f"{path} of {bot.name} by {key} was ordered though {self.variant}")
            incident = self.memory.t.incidents[run.incident]
            answers = self.memory._answers([incident.id])
            if answers and incident.kind != "CriticalLoss":
                self.broken(f"{path} of {bot.name} by {key} was ordered though acknowledged")
        closes = run.action in ("close_all_positions", "close_positions")
        halted = any(row.bot == bot.name and row.released_at is None for row in self.memory.t.halts.values())
        if closes and not halted:
            self.broken(f"{path} of {bot.name} by {key} was ordered though the bot was released")
        if run.asked_by is not None and run.attempts == 1 and run.started_at > run.expires_at:
            self.broken(f"{key} of {bot.name} was run after it had expired")

    def closing(self, incident: Any) -> None:
        """No incident is closed whose alert has fired for a while and still does."""
        since = self.world.firing_since.get((incident.kind, incident.bot))
        if since is not None and self.loop.time() - since > 2 * SCRAPE:
            self.broken(
                f"incident {incident.id} ({incident.alert} of {incident.bot}) was closed while it fires"
            )

    def brought_back(self) -> None:
        """An engine starts a bot again that its order stopped, even if Prometheus does not answer."""
        now = self.loop.time()
        if self.hindered():
            self._free_since = now
        for bot in self.world.bots.values():
            if bot.double.state in ("running", "paused"):
                bot.stopped_by_order = False
            stopped = bot.stopped_by_order and bot.up and bot.double.state == "stopped"
            if not stopped or now < bot.faulty_until:
                self._stopped_since.pop(bot.name, None)
                continue
            since = max(self._stopped_since.setdefault(bot.name, now), self._free_since)
            within = FREQTRADE_STARTED_WITHIN if bot.name.startswith("ft") else STARTED_WITHIN
            if now - since > within and not self.is_given_up(bot.name):
                self.broken(f"an order stopped {bot.name}, and nobody starts it for {now - since:.0f} s")

    def is_given_up(self, bot: str) -> bool:
        """Return whether people know that a stopped bot was removed from the settings."""
        why = f"{bot} is no longer watched, and {bot} has not been seen"
        return any(why in step.why for step in self.memory.t.steps.values())

    def at_rest(self) -> None:
        """No engine decides about one incident again and again: each claim raises its fence."""
        for one in self.memory.open():
            checks = one.fence - self._fences.get(one.id, one.fence)
            if checks > CHECKS:
                self.broken(f"incident {one.id} ({one.alert} of {one.bot}) was checked {checks} times")
            self._fences[one.id] = one.fence

    def all_judged(self) -> None:
        """No run waits for a verdict for ever."""
        for run in self.memory.t.runs.values():
            if run.verdict is None and run.state == "ended" and self.age(run.ended_at) > 900:
                self.broken(f"run {run.id} ({run.action} of {run.bot}) was never judged")
            if run.state in ("running", "wanted") and self.age(run.created_at) > 1200:
                late = run.due_at is None or self.age(run.due_at) > 120
                if late:
                    self.broken(f"run {run.id} ({run.action} of {run.bot}) is {run.state} for ever")

    def all_taken_over(self) -> None:
        """Each recorded takeover was made by a person."""
        released = {halt.bot for halt in self.memory.t.halts.values() if halt.released_at is not None}
        answered = {incident for incident, _ in self.memory.t.answers}
        for run in self.memory.t.runs.values():
            if run.verdict == "taken_over" and run.bot not in released and run.incident not in answered:
                self.broken(f"run {run.id} ({run.action} of {run.bot}) was taken over by nobody")

    def all_told(self) -> None:
        """Everything that needs a person has reached one."""
        sent = {self.memory.t.messages[id_].step for id_ in self.world.sent if id_ in self.memory.t.messages}
        by_incident = defaultdict[int, list[Any]](list)
        for step in self.memory.t.steps.values():
            by_incident[step.incident].append(step)
        for one in self.memory.open():
            if self.age(one.opened_at) < 1200 or one.severity not in ("critical", "warning"):
                continue
            reached = any(step.id in sent for step in by_incident[one.id])
            answered = any(incident == one.id for incident, _ in self.memory.t.answers)
            if not reached and not answered:
                self.broken(f"nobody was told of incident {one.id} ({one.alert} of {one.bot})")
            if one.handed_over_at and not answered:
                spent = [
                    step
                    for step in by_incident[one.id]
                    if step.rule in ("notice: spent", "notice: told")
                    and not step.why.startswith("nothing is done")
                ]
                if not spent:
                    self.broken(f"nobody was told that nothing is left for incident {one.id}")
        for run in self.memory.t.runs.values():
            stopped = run.verdict in ("stopped", "taken_over", "unknown")
            if stopped and run.target is not None and self.age(run.judged_at) > 300:
                rules = f"insist: stopped {run.action}"
                told = [step for step in by_incident[run.incident] if step.rule == rules and step.id in sent]
                if not told:
                    self.broken(
                        f"nobody was told that run {run.id} ({run.action}) has not reached its target"
                    )

    def all_open(self) -> None:
        """A firing alert has one open incident, which the engine checks or a person has to handle."""
        for (kind, bot), since in self.world.firing_since.items():
            if self.loop.time() - since < 900:
                continue
            mine = [one for one in self.memory.open() if (one.kind, one.bot) == (kind, bot)]
            if len(mine) != 1:
                self.broken(
                    f"{kind} of {bot} fires for {self.loop.time() - since:.0f} s: {len(mine)} incidents"
                )
            for one in mine:
                waits = one.handed_over_at or one.due_at or one.blocked in ("paused", "acknowledged")
                if not waits:
                    self.broken(f"incident {one.id} ({kind} of {bot}) is in a dead end: {one.waits_for}")
        for one in self.memory.open():
            alert = one.kind, one.bot
            over_for = self.loop.time() - self.world.ended_at.get(alert, 0.0)
            if alert not in self.world.firing_since and over_for > 120 and self.age(one.opened_at) > 900:
                bot = self.world.bots.get(one.bot)
                calm = bot is None or (bot.up and one.kind not in bot.conditions)
                if calm and not any(r.state != "ended" for r in self.memory.t.runs.values()):
                    self.broken(f"incident {one.id} ({one.alert} of {one.bot}) is open though it is over")

    def all_flat(self) -> None:
        """A critical loss ends with the bot flat and paused, unless a person took over."""
        for (kind, name), since in self.world.firing_since.items():
            if kind != "CriticalLoss" or self.loop.time() - since < 900:
                continue
            for one in self.memory.open():
                if (one.kind, one.bot) != (kind, name):
                    continue
                mine = [run for run in self.memory.t.runs.values() if run.incident == one.id]
                over = any(run.verdict == "taken_over" for run in mine)
                not_armed = any(run.outcome == "would_have" for run in mine)
                bot = self.world.bots[name]
                if not over and not not_armed and bot.up and any(bot.double.quantities().values()):
                    left = bot.double.quantities()
                    self.broken(f"{name} holds {left} though CriticalLoss fires since {since:.0f}")
        for bot in self.world.bots.values():
            told = self.is_given_up(bot.name)
            # An engine starts a dead bot once it answers, as long as an incident of the bot is open.
            waits = not bot.up and any(one.bot == bot.name for one in self.memory.open())
            if bot.double.state == "stopped" and not (bot.owner_stopped or told or waits):
                self.broken(f"{bot.name} was left stopped")
        for halt in self.memory.t.halts.values():
            bot = self.world.bots[halt.bot]
            if halt.released_at is None and bot.up and bot.double.state == "running":
                self.broken(f"{bot.name} is halted and trades")
        halted = {halt.bot for halt in self.memory.t.halts.values() if halt.released_at is None}
        for left in self.memory.t.controls.values():
            bot = self.world.bots[left.bot]
            released = left.released_by is not None and left.bot not in halted
            if left.removed_at is None and released and bot.up:
                self.broken(f"{bot.name} was released, and nothing was undone on it: {left.detail}")

    def paced(self) -> None:
        """Restarts keep to attempts and fleet limit; money moves once a breach and cooldown."""
        restarts = sorted(
            (sent.at, sent.bot, sent.key)
            for sent in self.world.orders
            if sent.path in ("control/restart", "stop") and sent.key.startswith("run-")
        )
        automatic = [one for one in restarts if self.memory.t.runs[int(one[2][4:])].asked_by is None]
        for at, bot, _ in automatic:
            lately = [one for one in automatic if at - 3600 < one[0] <= at and one[1] == bot]
            if len({key for *_, key in lately}) > 3:
                self.broken(f"{bot} was restarted {len(lately)} times within an hour")
            others = {one[1] for one in automatic if at - 600 < one[0] < at} - {bot}
            if len(others) > 1:
                self.broken(f"{bot} and {', '.join(sorted(others))} were restarted within ten minutes")
        reductions = defaultdict[str, list[Any]](list)
        for run in self.memory.t.runs.values():
            if run.action == "reduce_position_sizes" and run.target and run.orders:
                reductions[run.bot].append(run)
        for bot, made in reductions.items():
            own = [run for run in made if run.asked_by is None]
            for before, after in itertools.pairwise(own):
                if after.started_at - before.started_at < timedelta(seconds=3600):
                    self.broken(f"{bot} was reduced twice within an hour: runs {before.id}, {after.id}")
            self.floor(bot, made)

    def floor(self, bot: str, made: list[Any]) -> None:
        """No position is below the target of its reductions, unless a close was ordered."""
        closed = any(
            run.bot == bot and run.target and run.target.get("others") == 0
            for run in self.memory.t.runs.values()
        )
        if closed:
            return
        for key, quantity in self.world.bots[bot].double.quantities().items():
            lowest = min(run.target["positions"].get(key, 8.0) for run in made)
            if quantity < lowest * 0.98:
                self.broken(f"{bot} holds {quantity} of {key}, though no target is below {lowest}")

    def once(self) -> None:
        """One person gets one step once, except after a crash between sending and recording."""
        for id_, times in self.world.sent.items():
            message = self.memory.t.messages.get(id_)
            if message and times > 1 + message.interrupted:
                self.broken(f"delivery {id_} to {message.address} arrived {times} times")
        prints = [one.fingerprint for one in self.memory.open()]
        for name in {one for one in prints if prints.count(one) > 1}:
            self.broken(f"{name} has several open incidents")

    def age(self, at: datetime | None) -> float:
        return (self.loop.now() - at).total_seconds() if at else 0.0
