"""The in-memory store answers as the one in PostgreSQL does, for any calls."""

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stack.settings.plan import Recipient, Step
from tests.simulation.memory import Memory
from tests.simulation.substitution import MODULES
from tests.webhook_actions.escalation.harness import database
from tests.webhook_actions.postgres import throwaway
from webhook_actions.outcome import Outcome, Result
from webhook_actions.payload import Alert
from webhook_actions.store import migrate
from webhook_actions.store.deliveries import Delivery, Open
from webhook_actions.store.escalation_steps import Taken
from webhook_actions.store.incidents import DueUpdate
from webhook_actions.store.runs import Ending

_SAME = ("state", "outcome", "verdict", "before")
BOTS, ALERTS = ("alpha", "beta"), ("Down", "CriticalLoss")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with throwaway(tmp_path_factory.mktemp("postgres")) as address:
        yield address


class BothStores:
    """Calls both stores alike, and matches their rows by the order of creation."""

    def __init__(self, connection: Any, dice: random.Random) -> None:
        self.connection, self.dice = connection, dice
        self.memory = Memory(lambda: datetime.now(UTC))
        self.incidents: list[tuple[int, int]] = []
        self.runs: list[tuple[int, int]] = []
        self.leases: list[tuple[Any, Any]] = []
        self.claims: list[tuple[Any, Any]] = []
        self.asked: list[str] = []
        self.overrides: list[tuple[int, int]] = []

    async def ask(
        self, name: str, real: tuple[Any, ...], made: tuple[Any, ...] | None = None
    ) -> tuple[Any, Any]:
        self.asked.append(name)
        module, _, function = name.partition(".")
        theirs = await getattr(MODULES[module], function)(self.connection, *real)
        ours = await getattr(self.memory, f"{module}__{function}")(None, *(real if made is None else made))
        return theirs, ours

    def alert(self, status: str) -> Alert:
        bot, kind = self.dice.choice(BOTS), self.dice.choice(ALERTS)
        started = datetime.now(UTC) - timedelta(seconds=self.dice.choice((-1, 0, 5)))
        times = {"startsAt": started.isoformat()} | (
            {"endsAt": started.isoformat()} if status == "resolved" else {}
        )
        labels = {
            "alertname": f"TradingBot{kind}",
            "bot": bot,
            "severity": self.dice.choice(("critical", "info")),
        }
        return Alert.model_validate(
            {"status": status, "labels": labels, "annotations": {}, "fingerprint": f"{kind}-{bot}", **times}
        )

    async def accept(self) -> None:
        alerts = {
            (one := self.alert(self.dice.choice(("firing", "firing", "resolved")))).fingerprint: one
            for _ in range(self.dice.randint(1, 3))
        }
        theirs, ours = await self.ask("incidents.accept", (list(alerts.values()),))
        assert (len(theirs.opened), theirs.repeated, theirs.ignored, len(theirs.resolved)) == (
            len(ours.opened),
            ours.repeated,
            ours.ignored,
            len(ours.resolved),
        )
        by_print = {self.memory.t.incidents[id_].fingerprint: id_ for id_ in ours.opened}
        for one in await MODULES["incidents"].load(self.connection, theirs.opened):
            self.incidents.append((one.id, by_print[one.fingerprint]))

    async def claim(self) -> None:
        theirs, ours = await self.ask("incidents.claim", (100, 30.0))
        known = dict(self.incidents)
        assert sorted(known[one.incident] for one in theirs) == sorted(one.incident for one in ours)
        by_id = {one.incident: one for one in ours}
        self.claims += [(one, by_id[known[one.incident]]) for one in theirs]

    async def schedule(self) -> None:
        if self.claims:
            theirs, ours = self.dice.choice(self.claims)
            at = self.dice.choice((None, datetime.now(UTC) + timedelta(hours=1)))
            await self.ask(
                "incidents.schedule", ([DueUpdate(theirs, at, "why")],), ([DueUpdate(ours, at, "why")],)
            )

    async def wake(self) -> None:
        if self.incidents:
            theirs, ours = self.dice.choice(self.incidents)
            await self.ask("incidents.wake", ([theirs],), ([ours],))

    async def begin(self) -> None:
        if self.incidents:
            theirs, ours = self.dice.choice(self.incidents)
            lease = self.dice.choice((-1.0, 60.0))
            given = ("alpha", "reduce_position_sizes", "money", lease)
            made = await self.ask("runs.begin", (theirs, *given), (ours, *given))
            self.leases.append(made)
            self.runs.append((made[0].run, made[1].run))

    async def want(self) -> None:
        if self.incidents:
            theirs, ours = self.dice.choice(self.incidents)
            key = self.dice.choice((None, "one", "two"))
            given = ("alpha", "close_all_positions", "money", "anna", key, 120.0)
            pair = await self.ask("runs.want", (theirs, *given), (ours, *given))
            assert (pair in self.runs) == any(pair[1] == one for _, one in self.runs)
            if pair not in self.runs:
                self.runs.append(pair)

    async def on_lease(self) -> None:
        if not self.leases:
            return
        theirs, ours = self.dice.choice(self.leases)
        match self.dice.choice(("target", "before", "end", "check")):
            case "before":
                found = await self.ask("runs.set_before", (theirs, "running"), (ours, "running"))
            case "target":
                target = {"positions": {"BTC long": self.dice.random()}, "others": None, "paused": False}
                found = await self.ask("runs.set_target", (theirs, target), (ours, target))
            case "end":
                verdict = self.dice.choice((None, "verified"))
                back = self.dice.random() < 0.3
                ending = Ending("done", "d", 1, 5.0, self.dice.choice((None, 1.0)), verdict, back)
                found = await self.ask("runs.end", (theirs, ending), (ours, ending))
            case _:
                one, other = self.dice.choice(self.incidents)
                found = await self.ask("holds.check", (theirs, one, "alpha"), (ours, other, "alpha"))
                found = tuple((c.leased, c.paused_by, c.halted, c.acknowledged_by) for c in found)
        assert found[0] == found[1]

    async def on_run(self) -> None:
        if not self.runs:
            return
        theirs, ours = self.dice.choice(self.runs)
        [real] = [r for r in await self.all_runs() if r.id == theirs]
        made = self.memory.t.runs[ours]
        match self.dice.choice(("interrupt", "finish", "go_on", "note_back")):
            case "interrupt":
                goes_on = self.dice.random() < 0.5
                one = await MODULES["runs"].interrupt(self.connection, real, "w", 5.0, goes_on=goes_on)
                assert one == await self.memory.runs__interrupt(None, made, "w", 5.0, goes_on=goes_on)
            case "finish":
                await self.ask("runs.finish", (real, "stopped"), (made, "stopped"))
            case "note_back":
                await self.ask("runs.note_back", ([theirs],), ([ours],))
            case "go_on" if real.state in ("wanted", "open") or (real.state == "ended" and real.before):
                self.leases.append(await self.ask("runs.go_on", (real, 60.0), (made, 60.0)))

    async def all_runs(self) -> list[Any]:
        return await MODULES["runs"].of_incidents(self.connection, [one for one, _ in self.incidents])

    async def hold(self) -> None:
        match self.dice.choice(("halt", "astray", "release", "pause", "resume", "answer")):
            case "astray":
                found = await self.ask("holds.claim_astray", ("alpha", self.dice.choice((-1.0, 60.0))))
                assert found[0] == found[1]
                if self.dice.random() < 0.5:
                    flat = self.dice.random() < 0.5
                    await MODULES["holds"].settle(self.connection, "alpha", flat=flat)
                    await self.memory.holds__settle(None, "alpha", flat=flat)
            case "halt" if self.incidents:
                one, other = self.dice.choice(self.incidents)
                await self.ask("holds.halt", ("alpha", one, "why"), ("alpha", other, "why"))
            case "release":
                found = await self.ask("holds.release", ("alpha", "anna"))
                assert found[0] == found[1]
            case "pause" | "resume" as what:
                given = ("anna", "why") if what == "pause" else ("anna",)
                found = await self.ask(f"holds.{what}", given)
                assert found[0] == found[1]
            case "answer" if self.incidents:
                one, other = self.dice.choice(self.incidents)
                until = self.dice.choice((None, datetime.now(UTC) - timedelta(seconds=1)))
                given = ("ben", "", until, None)
                found = await self.ask("acknowledgements._write", (one, *given), (other, *given))
                assert found[0] == found[1]
                first = await self.ask("incidents.respond", (one,), (other,))
                assert (first[0] is None) == (first[1] is None)

    async def leave(self) -> None:
        match self.dice.choice(("leave", "release", "note", "remove")):
            case "leave" if self.incidents:
                one, other = self.dice.choice(self.incidents)
                given = ("why", self.dice.choice((None, "running")))
                bot = self.dice.choice(BOTS)
                await self.ask("controls.leave", (bot, one, *given), (bot, other, *given))
            case "release":
                found = await self.ask("controls.release", ("alpha", "anna"))
                assert found[0] == found[1]
            case "note" | "remove" as what:
                theirs, ours = await self.ask("controls.left", ())
                for one, other in zip(theirs, ours, strict=True):
                    await self.ask(f"controls.{what}", (one.id, "why"), (other.id, "why"))

    async def escalate(self) -> None:
        if not self.incidents:
            return
        one, other = self.dice.choice(self.incidents)
        plan = Step(
            self.dice.choice(("climb", "notice: x", "insist: y")), self.dice.randint(0, 1), 0.0, "why"
        )
        await self.ask("escalation_steps.plan", ([(one, 0, plan)],), ([(other, 0, plan)],))
        await asyncio.sleep(0.002)
        theirs, ours = await self.ask("escalation_steps.due", ())
        said = [
            [(s.rule, s.level, s.round, s.wanted) for s in sorted(each, key=lambda s: s.id)]
            for each in (theirs, ours)
        ]
        assert said[0] == said[1]
        near = self.dice.choice((-1.0, 60.0))
        soon = await self.ask("escalation_steps.coming", (theirs[:1], near), (ours[:1], near))
        levels = [sorted((s.rule, s.level) for s in each) for each in soon]
        assert levels[0] == levels[1]
        silent = await self.ask("escalation_steps.undelivered", (theirs,), (ours,))
        ended = [
            [step.id in found for step in sorted(steps, key=lambda s: s.id)]
            for found, steps in zip(silent, (theirs, ours), strict=True)
        ]
        assert ended[0] == ended[1]
        taken = Taken("administrator", (Recipient("sms", "+1", "administrator"),), ("escalated", "to"))
        storm = (2, 0.02)
        await self.ask(
            "escalation_steps.write_taken",
            ([(s, taken) for s in theirs], *storm),
            ([(s, taken) for s in ours], *storm),
        )

    async def send(self) -> None:
        if self.incidents:
            one, other = self.dice.choice(self.incidents)
            channel, address = self.dice.choice((("email", "a@b"), ("email", "c@d"), ("sms", "+1")))
            batch = [[Delivery(channel, address, incident)] for incident in (one, other)]
            await self.ask("deliveries.write", (batch[0],), (batch[1],))
        await asyncio.sleep(0.002)
        full = self.dice.choice(([], ["email"]))
        busy = self.dice.choice(([], [("email", "a@b")], [("sms", "+1")]))
        open_ = Open(full, busy, self.dice.choice((True, False)))
        later = await self.ask("deliveries.next_due", (open_,))
        assert (later[0] is None) == (later[1] is None)
        theirs, ours = await self.ask("deliveries.claim", (self.dice.choice((0.0, 60.0)), open_))
        said = [
            [(d.channel, d.address, d.attempts, d.interrupted, d.wanted, d.insists) for d in each]
            for each in (theirs, ours)
        ]
        assert said[0] == said[1]
        if theirs:
            known, telling = dict(self.incidents), [[d.incident for d in each] for each in (theirs, ours)]
            still = await self.ask("deliveries.unanswered", ("+1", telling[0]), ("+1", telling[1]))
            assert [(known[one], who) for one, who in still[0]] == still[1]
        if theirs and self.dice.random() < 0.8:
            await self.ask("deliveries.renew", (theirs, 60.0), (ours, 60.0))
            sent = Outcome(Result.DONE, "sent", receipt=f"SM{len(self.asked)}")
            asked = Outcome(Result.RETRY, "much later", retry_after=300.0)
            outcome = self.dice.choice((sent, Outcome.failed("no"), Outcome.retry("later"), asked))
            policy = type("Policy", (), {"retries": 1, "pause": 100.0})
            ask = self.dice.choice((None, 0.0))
            states = await self.ask(
                "deliveries.record", (theirs, outcome, policy, ask), (ours, outcome, policy, ask)
            )
            assert [state for _, state in states[0]] == [state for _, state in states[1]]

    async def receive(self) -> None:
        await asyncio.sleep(0.002)
        theirs, ours = await self.ask("receipts.claim", (60.0,))
        assert [(d.channel, d.address, d.receipt) for d in theirs] == [
            (d.channel, d.address, d.receipt) for d in ours
        ]
        if theirs and self.dice.random() < 0.3:
            await self.ask("receipts.ask_again", (theirs, 0.0), (ours, 0.0))
        elif theirs:
            arrived = self.dice.choice(("delivered", "undelivered", "unknown"))
            for expected in (len(theirs), 0):
                written = await self.ask("receipts.write", (theirs, arrived, "x"), (ours, arrived, "x"))
                assert [len(each) for each in written] == [expected, expected]
        waits = await self.ask("receipts.next_due", ())
        assert (waits[0] is None) == (waits[1] is None)

    async def break_down(self) -> None:
        way = self.dice.choice((("email", "a@b"), ("email", "c@d"), ("sms", "+1")))
        if self.dice.random() < 0.6:
            final = self.dice.random() < 0.2
            told = [
                await MODULES["outages"].failed(self.connection, *way, "why", final=final),
                await self.memory.outages__failed(None, *way, "why", final=final),
            ]
        else:
            told = list(await self.ask("outages.ended", way))
        assert told[0] == told[1]
        failing = await self.ask("outages.failing", ())
        assert failing[0] == failing[1]

    async def override(self) -> None:
        now = datetime.now(UTC)
        if self.dice.random() < 0.6:
            begins = [now + timedelta(hours=self.dice.randint(-3, 3)) for _ in range(self.dice.randint(1, 2))]
            spans = [("anna", begin, begin + timedelta(hours=2)) for begin in begins]
            made = await self.ask("overrides.make", ("desk", spans, "ben"))
            self.overrides += zip(*made, strict=True)
        elif self.overrides:
            theirs, ours = self.dice.choice(self.overrides)
            ended = await self.ask("overrides.end", (theirs, now), (ours, now))
            assert self.shown(ended[0]) == self.shown(ended[1])
        found = await self.ask("overrides.not_over", (now,))
        assert self.shown(found[0]) == self.shown(found[1])

    @staticmethod
    def shown(made: list[Any]) -> list[Any]:
        return [(one.rota, one.contact, one.starts_at, one.ends_at, one.swap is None) for one in made]

    async def compare(self) -> None:
        """Compare all rows, except times and ids."""
        for real in await MODULES["incidents"].load(self.connection, [one for one, _ in self.incidents]):
            made = self.memory.t.incidents[dict(self.incidents)[real.id]]
            for name in ("severity", "notifications", "fence", "waits_for", "confirmed"):
                assert getattr(real, name) == getattr(made, name), (name, real, made)
            for name in ("due_at", "resolved_at", "closed_at", "responded_at"):
                assert (getattr(real, name) is None) == (getattr(made, name) is None), (name, real, made)
        for real in await self.all_runs():
            made = self.memory.t.runs[dict(self.runs)[real.id]]
            for name in (*_SAME, "attempts", "orders", "fence", "target", "asked_by"):
                assert getattr(real, name) == getattr(made, name), (name, real, made)
            for name in ("due_at", "ended_at", "judged_at", "verify_until", "started_at", "back_at"):
                assert (getattr(real, name) is None) == (getattr(made, name) is None), (name, real, made)
        astray = [
            await MODULES["runs"].left_astray(self.connection, "alpha", 3600.0),
            await self.memory.runs__left_astray(None, "alpha", 3600.0),
        ]
        assert astray[0] == astray[1]
        halts = [await MODULES["holds"].halts(self.connection), await self.memory.holds__halts(None)]
        left = [await MODULES["controls"].left(self.connection), await self.memory.controls__left(None)]
        assert [(h.bot, h.astray) for h in halts[0]] == [(h.bot, h.astray) for h in halts[1]]
        of_one = [
            await MODULES["controls"].left(self.connection, "alpha"),
            await self.memory.controls__left(None, "alpha"),
        ]
        for each in of_one:
            assert {control.bot for control in each} <= {"alpha"}
        shown = [[(c.bot, c.before, c.released_by, c.detail) for c in each] for each in (*left, *of_one)]
        assert (shown[0], shown[2]) == (shown[1], shown[3])
        theirs = await MODULES["acknowledgements"].current(
            self.connection, [one for one, _ in self.incidents]
        )
        ours = await self.memory.acknowledgements__current(None, [one for _, one in self.incidents])
        assert {dict(self.incidents)[one] for one in theirs} == set(ours)


@pytest.mark.parametrize("seed", range(12))
def test_both_stores_answer_alike(postgres: str, tmp_path: Path, seed: int) -> None:
    async def lockstep() -> None:
        async with database(postgres, f"both{seed}") as pool:
            await migrate.migrate(pool)
            async with pool.connection() as connection:
                both = BothStores(connection, random.Random(seed))
                works = (
                    both.accept,
                    both.claim,
                    both.schedule,
                    both.wake,
                    both.begin,
                    both.want,
                    both.on_lease,
                    both.on_run,
                    both.hold,
                    both.leave,
                    both.escalate,
                    both.send,
                    both.receive,
                    both.break_down,
                    both.override,
                )
                for _ in range(120):
                    await both.dice.choice(works)()
                    await both.compare()

    asyncio.run(lockstep())
