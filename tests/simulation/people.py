"""The in-memory store: people's commands, notifications and answers."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from stack.settings.plan import CLIMB
from tests.simulation.sent import Sending
from tests.simulation.tables import Step, Tables
from webhook_actions.store.acknowledgements import Acknowledgement
from webhook_actions.store.deliveries import Delivery
from webhook_actions.store.escalation_steps import DueStep as DueStep
from webhook_actions.store.escalation_steps import Opened
from webhook_actions.store.overrides import Made

_AT_A_TIME = 100


class People(Sending):
    """Half of the memory; `tests.simulation.memory` has the tables and the clock."""

    t: Tables
    now: Callable[[], datetime]
    notified: list[Callable[[], None]]

    # acknowledgements

    async def incidents__respond(self, _: Any, id_: int) -> datetime | None:
        if self.t.incidents[id_].responded_at is not None:
            return None
        return self.put("incidents", id_, responded_at=self.now()).responded_at

    def _answers(self, ids: Any) -> dict[int, Acknowledgement]:
        last = {incident: answer for incident, answer in self.t.answers if incident in ids}
        return {incident: answer for incident, answer in last.items() if answer.holds(self.now())}

    async def acknowledgements__of(self, _: Any, incident: int) -> list[Acknowledgement]:
        return [answer for one, answer in self.t.answers if one == incident]

    async def acknowledgements__current(self, _: Any, ids: Any) -> dict[int, Acknowledgement]:
        return self._answers(set(ids))

    async def acknowledgements__silences(self, _: Any) -> set[str]:
        return {answer.silence for _i, answer in self.t.answers if answer.silence}

    async def acknowledgements___write(
        self, _: Any, incident: int, by: str, comment: str, until: Any, silence: str | None
    ) -> bool:
        if self.t.incidents[incident].closed_at is not None:
            return False
        self.t.answers.append((incident, Acknowledgement(self.now(), by, comment, until, silence)))
        return True

    async def audit__write(self, _: Any, *what: Any, **more: Any) -> None:
        self.t.audit.append((self.now(), what, more))

    # overrides

    async def overrides__lock(self, _: Any) -> None:
        """Transactions run one after another here."""

    async def overrides__not_over(self, _: Any, since: datetime) -> list[Made]:
        return [one for one in self.t.overrides.values() if one.ends_at > max(one.starts_at, since)]

    async def overrides__make(self, _: Any, rota: str, spans: Any, by: str) -> list[int]:
        ids = [self.id() for _ in spans]
        for id_, span in zip(ids, spans, strict=True):
            swap = ids[0] if len(ids) > 1 else None
            self.t.overrides[id_] = Made(id_, rota, *span, swap, by, self.now())
        return ids

    async def overrides__end(self, _: Any, id_: int, now: datetime) -> list[Made]:
        known = self.t.overrides.get(id_)
        ended = [
            one
            for one in await self.overrides__not_over(None, now)
            if one.id == id_ or (known and known.swap is not None and one.swap == known.swap)
        ]
        for one in ended:
            self.put("overrides", one.id, ends_at=max(one.starts_at, now))
        return ended

    # escalation steps

    async def escalation_steps__opened(self, _: Any, ids: Any, window: float, count: int) -> list[Opened]:
        from_, found = self.later(-window), []
        for id_ in sorted(ids):
            one = self.t.incidents[id_]
            same = [
                each.id
                for each in self.t.incidents.values()
                if (each.alert, each.bot) == (one.alert, one.bot) and each.opened_at > from_
            ]
            said = any(s.incident in same and s.rule == "repeated_alerts" for s in self.t.steps.values())
            found.append(Opened(id_, one.alert, one.bot, one.severity, len(same) >= count and not said))
        return found

    async def escalation_steps__plan(self, _: Any, plans: Any) -> None:
        for incident, round_, plan in plans:
            key = (incident, plan.rule, plan.level, round_)
            if any((s.incident, s.rule, s.level, s.round) == key for s in self.t.steps.values()):
                continue
            id_ = self.id()
            at = self.later(plan.after)
            self.t.steps[id_] = Step(id_, incident, plan.rule, plan.level, round_, plan.why, at)
        self._notify()

    async def escalation_steps__again(self, _: Any, incident: int, at: datetime, why: str) -> None:
        last = max((s.round for s in self.t.steps.values() if s.incident == incident), default=0)
        id_ = self.id()
        self.t.steps[id_] = Step(id_, incident, CLIMB, 0, last + 1, why, at)

    async def escalation_steps__due(self, _: Any) -> list[DueStep]:
        return self._first([s for s in self._waiting() if s.due_at <= self.now()])

    async def escalation_steps__coming(self, _: Any, beside: Any, within: float) -> list[DueStep]:
        levels, ids, until = {one.level for one in beside}, {one.id for one in beside}, self.later(within)
        return self._first(
            [
                s
                for s in self._waiting()
                if s.rule == CLIMB and s.level in levels and not s.postponed and s.id not in ids
                and s.due_at <= until and self.unanswered(s.incident)
            ]
        )  # fmt: skip

    def _waiting(self) -> list[Step]:
        return [s for s in self.t.steps.values() if s.state == "waiting"]

    def _first(self, steps: list[Step]) -> list[DueStep]:
        found = []
        for s in sorted(steps, key=lambda s: s.due_at)[:_AT_A_TIME]:
            one = self.t.incidents[s.incident]
            wanted = s.rule.startswith("insist:") or self.unanswered(one.id)
            found.append(
                DueStep(
                    s.id, one.id, one.alert, one.bot, one.severity, s.rule, s.level, s.round, s.why, wanted
                )
            )
        return found

    async def escalation_steps__next_due(self, _: Any) -> float | None:
        return self._seconds(s.due_at for s in self.t.steps.values() if s.state == "waiting")

    async def escalation_steps__write_taken(self, _: Any, taken: Any, incidents: int, within: float) -> None:
        before = set(self.t.messages)
        await self._write_taken(taken)
        new = [m for m in self.t.messages.values() if m.id not in before and m.step is not None]
        since = self.later(-within)
        for m in new:
            lately = [
                o
                for o in self.t.messages.values()
                if o.id in before and o.step is not None and o.state != "cancelled"
                and (o.channel, o.address) == (m.channel, m.address) and o.written_at > since
            ]  # fmt: skip
            if len({o.incident for o in lately}) >= incidents:
                gathered = [o.due_at for o in lately if o.state == "waiting" and not o.attempts]
                at = max((at for at in gathered if at > self.now()), default=self.later(within))
                self.put("messages", m.id, due_at=at)

    async def _write_taken(self, taken: Any) -> None:
        for due, one in taken:
            if one is None:
                self.put("steps", due.id, state="cancelled")
            elif one.postponed_to:
                self.put("steps", due.id, due_at=one.postponed_to, postponed=True)
            else:
                self.put("steps", due.id, state="taken", why=due.why)
                await self.deliveries__write(
                    None,
                    [
                        Delivery(to.channel, to.address, due.incident, due.id, to.contact)
                        for to in one.addresses
                    ],
                )
                if one.next:
                    await self.escalation_steps__plan(
                        None, [(due.incident, due.round + one.exhausted, one.next)]
                    )
                if one.entry:
                    self.tell(due.incident, *one.entry)
                    row = self.t.incidents[due.incident]
                    if one.entry[0] == "escalated" and row.escalated_at is None:
                        self.put("incidents", row.id, escalated_at=self.now())

    async def escalation_steps__undelivered(self, _: Any, ended: Any) -> set[int]:
        found = set()
        for one in ended:
            mine = {
                s.id
                for s in self.t.steps.values()
                if (s.incident, s.rule, s.round) == (one.incident, CLIMB, one.round)
            }
            states = {m.state for m in self.t.messages.values() if m.step in mine}
            if states == {"failed"}:
                found.add(one.id)
        return found

    async def escalation_steps__with_runs(self, _: Any, ids: Any) -> Any:
        found = await self.incidents__load(None, ids)
        return [(one, await self.runs__of_incidents(None, [one.id])) for one in found]

    async def escalation_steps__cancel(self, _: Any, incident: int, rule: str | None = None) -> None:
        for s in list(self.t.steps.values()):
            chosen = not s.rule.startswith("insist:") if rule is None else s.rule == rule
            if s.incident == incident and s.state == "waiting" and chosen:
                self.put("steps", s.id, state="cancelled")

    async def escalation_steps__pass_on(self, _: Any, step: int, why: str, but: Any = ()) -> None:
        reached = (m for m in self.t.messages.values() if m.step == step and m.state != "failed")
        if any(m.channel not in but for m in reached):
            return
        for n in list(self.t.steps.values()):
            same = n.incident == self.t.steps[step].incident and n.rule == CLIMB and n.level > 0
            if same and n.state == "waiting":
                self.put("steps", n.id, due_at=self.now(), why=why)
        self._notify()

    async def escalation_steps__reconsider(self, _: Any) -> None:
        for s in list(self.t.steps.values()):
            if s.state == "waiting" and s.postponed:
                self.put("steps", s.id, due_at=self.now(), postponed=False)
        self._notify()

    async def escalation_steps__tell_again(self, _: Any, step: int, after: float) -> None:
        s = self.t.steps[step]
        if any(m.step == step and m.state != "failed" for m in self.t.messages.values()):
            return
        same = [(o.incident, o.rule, o.level, o.round) for o in self.t.steps.values()]
        if (
            s.rule.startswith(("notice:", "insist:"))
            and (s.incident, s.rule, s.level, s.round + 1) not in same
        ):
            id_, at = self.id(), self.later(after)
            self.t.steps[id_] = Step(id_, s.incident, s.rule, s.level, s.round + 1, s.why, at)

    def _notify(self) -> None:
        for wake in self.notified:
            wake()

    async def database__now(self, _: Any) -> datetime:
        return self.now()

    async def database__notify(self, _: Any) -> None:
        self._notify()
