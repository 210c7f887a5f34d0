"""The store in memory: each function of webhook_actions/store that the engine calls, with the same result.

Rows are frozen, so that a transaction is undone by putting the tables back as they were.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from webhook_actions.store.acknowledgements import Acknowledgement
from webhook_actions.store.deliveries import ClaimedDelivery
from webhook_actions.store.escalation_steps import CLIMB, Opened
from webhook_actions.store.escalation_steps import Due as DueStep
from webhook_actions.store.holds import Check, Halt, Pause
from webhook_actions.store.incidents import Accepted, Claim, Incident, Open
from webhook_actions.store.runs import Lease, Run

_TOGETHER, _AT_A_TIME = 20, 100


@dataclass(frozen=True)
class Step:
    """A row of escalation_steps."""

    id: int
    incident: int
    rule: str
    level: int
    round: int
    why: str
    due_at: datetime
    state: str = "waiting"
    postponed: bool = False


@dataclass(frozen=True)
class Message:
    """A row of deliveries."""

    id: int
    incident: int | None
    step: int | None
    contact: str
    channel: str
    address: str
    body: str | None
    due_at: datetime
    written_at: datetime
    state: str = "waiting"
    attempts: int = 0
    interrupted: int = 0
    outcome: str | None = None
    sent_at: datetime | None = None


@dataclass
class Tables:
    """Everything that is kept."""

    incidents: dict[int, Incident] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    timeline: list[tuple[datetime, int, str, str]] = field(default_factory=list)
    halts: dict[int, tuple[str, int, str, datetime, datetime | None]] = field(default_factory=dict)
    pauses: dict[int, tuple[str, str, datetime, datetime | None]] = field(default_factory=dict)
    steps: dict[int, Step] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    answers: list[tuple[int, Acknowledgement]] = field(default_factory=list)
    audit: list[tuple[Any, ...]] = field(default_factory=list)

    def copy(self) -> "Tables":
        return Tables(*(getattr(self, each.name).copy() for each in fields(self)))


class Memory:
    """The tables, and the functions over them; `now` is the database's clock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.t = Tables()
        self._last = 0
        self.notified: list[Callable[[], None]] = []
        self.closing: Callable[[Incident], None] = lambda _: None

    def id(self) -> int:
        self._last += 1
        return self._last

    def tell(self, incident: int, kind: str, text: str) -> None:
        self.t.timeline.append((self.now(), incident, kind, text))

    def put(self, table: str, id_: int, **changes: Any) -> Any:
        rows = getattr(self.t, table)
        rows[id_] = replace(rows[id_], **changes)
        return rows[id_]

    def later(self, seconds: float | None) -> datetime | None:
        return None if seconds is None else self.now() + timedelta(seconds=seconds)

    def open(self) -> list[Incident]:
        return [one for one in self.t.incidents.values() if one.closed_at is None]

    def unanswered(self, incident: int) -> bool:
        row = self.t.incidents.get(incident)
        if row is None or row.closed_at is not None:
            return False
        last = next((answer for one, answer in reversed(self.t.answers) if one == incident), None)
        return last is None or not last.holds(self.now())

    # incidents

    async def incidents__accept(self, _: Any, alerts: Any) -> Accepted:
        opened, resolved, repeated = [], [], 0
        for alert in alerts:
            known = next((one for one in self.open() if one.fingerprint == alert.fingerprint), None)
            if alert.status == "resolved":
                ended = alert.ended or self.now()
                if known and known.resolved_at is None and known.starts_at <= ended:
                    self.put("incidents", known.id, resolved_at=ended, due_at=self.now())
                    self.tell(known.id, "resolved", "Alertmanager says resolved")
                    resolved.append(known.id)
                continue
            late = any(
                (one.over_at or one.resolved_at or one.closed_at) >= alert.starts_at
                for one in self.t.incidents.values()
                if one.closed_at is not None and one.fingerprint == alert.fingerprint
            )
            if late:
                continue
            if known is None:
                id_, bot = self.id(), alert.labels.get("bot", "")
                self.t.incidents[id_] = Incident(
                    id_, alert.fingerprint, alert.name, bot, alert.severity, dict(alert.labels),
                    dict(alert.annotations), alert.starts_at, self.now(), self.now(), 1, due_at=self.now(),
                )  # fmt: skip
                self.tell(id_, "opened", f"{alert.name} of {bot}" if bot else alert.name)
                opened.append(id_)
            elif (known.alert, known.bot) == (alert.name, alert.labels.get("bot", "")):
                again = known.resolved_at and alert.starts_at > known.resolved_at
                said = {"labels": dict(alert.labels), "severity": alert.severity,
                        "annotations": dict(alert.annotations)}  # fmt: skip
                self.put(
                    "incidents", known.id, starts_at=alert.starts_at, delivered_at=self.now(),
                    notifications=known.notifications + 1,
                    resolved_at=None if again else known.resolved_at,
                    **({} if known.confirmed else said),
                )  # fmt: skip
                repeated += 1
        self._notify()
        ignored = len(alerts) - len(opened) - repeated - len(resolved)
        return Accepted(tuple(opened), tuple(resolved), repeated, ignored)

    async def incidents__claim(self, _: Any, limit: int, lease: float) -> list[Claim]:
        due = [one for one in self.open() if one.due_at and one.due_at <= self.now()]
        due.sort(key=lambda one: (one.severity != "critical", one.due_at))
        ends = self.later(lease)
        claimed = [self.put("incidents", one.id, fence=one.fence + 1, due_at=ends) for one in due[:limit]]
        return [Claim(one.id, one.fence, one.due_at) for one in sorted(claimed, key=lambda one: one.id)]

    async def incidents__next_due(self, _: Any) -> float | None:
        return self._seconds(one.due_at for one in self.open() if one.due_at)

    def _seconds(self, times: Any) -> float | None:
        first = min(times, default=None)
        return None if first is None else (first - self.now()).total_seconds()

    async def incidents__load(self, _: Any, ids: Any) -> list[Incident]:
        return [self.t.incidents[id_] for id_ in sorted(ids) if id_ in self.t.incidents]

    async def incidents__incident(self, _: Any, id_: int) -> Incident | None:
        return self.t.incidents.get(id_)

    async def incidents__lock_bots(self, _: Any, bots: Any) -> None:
        """Transactions follow one another here."""

    async def incidents__schedule(self, _: Any, dues: Any) -> None:
        for due in dues:
            one = self.t.incidents[due.claim.incident]
            if one.fence == due.claim.fence and one.closed_at is None:
                woken = one.due_at is not None and one.due_at < due.claim.lease_ends
                at = one.due_at if woken else due.at
                self.put("incidents", one.id, due_at=at, waits_for=due.reason, blocked=due.blocked)

    async def incidents__wake(self, _: Any, ids: Any, after: float = 0.0) -> None:
        for id_ in ids:
            one = self.t.incidents[id_]
            if one.closed_at is None:
                at = self.later(after)
                self.put("incidents", id_, due_at=min(one.due_at or at, at))
        self._notify()

    async def incidents__wake_all(self, _: Any, bot: str | None = None) -> None:
        for one in self.open():
            if bot is None or one.bot == bot:
                self.put("incidents", one.id, due_at=self.now())
        self._notify()

    async def incidents__confirm(self, _: Any, confirmed: Any) -> None:
        for one in confirmed:
            self.put(
                "incidents", one.id, severity=one.severity, labels=one.labels, annotations=one.annotations,
                confirmed=True,
            )  # fmt: skip

    async def incidents__open_incidents(self, _: Any) -> list[Open]:
        return [
            Open(
                one.id, one.alert, one.bot, one.labels, one.due_at is not None, one.handed_over_at is not None
            )
            for one in self.open()
        ]

    async def incidents__tell(self, _: Any, incident: int, kind: str, text: str) -> None:
        self.tell(incident, kind, text)

    async def incidents__tell_all(self, _: Any, lines: Any) -> None:
        for line in lines:
            self.tell(*line)

    async def incidents__hand_over(self, _: Any, id_: int) -> None:
        self.put("incidents", id_, handed_over_at=self.t.incidents[id_].handed_over_at or self.now())

    async def incidents__close(
        self, _: Any, id_: int, reason: str, over_at: datetime | None = None
    ) -> Incident | None:
        if self.t.incidents[id_].closed_at is not None:
            return None
        self.closing(self.t.incidents[id_])
        self.tell(id_, "closed", reason)
        return self.put(
            "incidents", id_, closed_at=self.now(), due_at=None, waits_for=None, over_at=over_at,
            close_reason=reason,
        )  # fmt: skip

    async def incidents__forget(self, _: Any, age: float) -> None:
        """Nothing grows so old here."""

    # runs

    def _with_alert(self, run: Run) -> Run:
        return replace(run, alert=self.t.incidents[run.incident].alert)

    async def runs__of_incidents(self, _: Any, ids: Any) -> list[Run]:
        return [self._with_alert(run) for run in self.t.runs.values() if run.incident in ids]

    async def runs__of_bots(self, _: Any, bots: Any, since: float) -> list[Run]:
        from_ = self.later(-since)
        return [
            self._with_alert(run)
            for run in self.t.runs.values()
            if run.bot in bots and run.bot
            and (run.verdict is None or run.created_at > from_ or (run.judged_at and run.judged_at > from_))
        ]  # fmt: skip

    async def runs__acted_on(self, _: Any, since: float) -> set[str]:
        from_ = self.later(-since)
        return {
            run.bot
            for run in self.t.runs.values()
            if run.effect == "disruptive" and run.target is None and (run.orders or run.state == "running")
            and run.started_at and run.started_at > from_
        }  # fmt: skip

    async def runs__begin(
        self, _: Any, incident: int, bot: str, action: str, effect: str, lease: float
    ) -> Lease:
        id_, ends = self.id(), self.later(lease)
        self.t.runs[id_] = Run(
            id_, incident, bot, action, effect, "running", self.now(), self.now(), attempts=1, fence=1,
            due_at=ends,
        )  # fmt: skip
        self.tell(incident, "acting", action)
        return Lease(id_, 1, ends)

    async def runs__go_on(self, _: Any, run: Run, lease: float) -> Lease:
        row = self.t.runs[run.id]
        if row.state not in ("wanted", "open"):
            raise LookupError(f"run {run.id} is neither wanted nor open")
        row = self.put(
            "runs", run.id, state="running", started_at=row.started_at or self.now(),
            attempts=row.attempts + 1, fence=row.fence + 1, due_at=self.later(lease),
        )  # fmt: skip
        if not run.attempts:
            self.tell(run.incident, "acting", run.action)
        return Lease(row.id, row.fence, row.due_at)

    async def runs__want(
        self, _: Any, incident: int, bot: str, action: str, effect: str, by: str, key: str | None,
        expires: float,
    ) -> int:  # fmt: skip
        known = self.t.requests.get(key) if key else None
        for run in self.t.runs.values():
            same = (run.incident, run.action) == (incident, action)
            if known is None and same and run.state != "ended" and run.asked_by is not None:
                known = run.id
        if known is None:
            known = self.id()
            self.t.runs[known] = Run(
                known, incident, bot, action, effect, "wanted", self.now(), asked_by=by,
                expires_at=self.later(expires),
            )  # fmt: skip
            self.tell(incident, "asked", f"{action}, by {by}")
        if key is not None:
            self.t.requests.setdefault(key, known)
        return known

    def _holds(self, lease: Lease) -> bool:
        run = self.t.runs[lease.run]
        return run.fence == lease.fence and run.state == "running" and run.due_at > self.now()

    async def runs__set_target(self, _: Any, lease: Lease, target: Any) -> bool:
        held = self._holds(lease)
        if held:
            self.put("runs", lease.run, target=self.t.runs[lease.run].target or dict(target))
        return held

    async def runs__end(self, _: Any, lease: Lease, ending: Any) -> bool:
        run = self.t.runs[lease.run]
        if run.fence != lease.fence or run.state != "running":
            return False
        self.put(
            "runs", run.id, outcome=str(ending.outcome), detail=ending.detail,
            orders=run.orders + ending.orders, state="ended" if ending.pause is None else "open",
            ended_at=self.now(), verify_until=run.verify_until or self.later(ending.verify),
            due_at=self.later(ending.pause), verdict=ending.verdict and str(ending.verdict),
            judged_at=self.now() if ending.verdict is not None else None,
        )  # fmt: skip
        return True

    async def runs__interrupt(self, _: Any, run: Run, why: str, verify: float, *, goes_on: bool) -> bool:
        row = self.t.runs[run.id]
        self.tell(run.incident, "interrupted", f"{run.action}: {why}")
        if row.fence != run.fence or row.state != "running":
            return False
        self.put(
            "runs", run.id, outcome="interrupted", detail=why, orders=row.orders + 1, fence=row.fence + 1,
            ended_at=self.now(), state="open" if goes_on else "ended",
            due_at=self.now() if goes_on else None, verify_until=row.verify_until or self.later(verify),
        )  # fmt: skip
        return True

    async def runs__finish(
        self, _: Any, run: Run, verdict: str, outcome: str | None = None, detail: str | None = None
    ) -> None:
        row = self.t.runs[run.id]
        if row.verdict is None:
            self.put(
                "runs", run.id, state="ended", verdict=str(verdict), judged_at=self.now(),
                fence=row.fence + 1, due_at=None, outcome=outcome or row.outcome,
                detail=detail or row.detail, ended_at=row.ended_at or self.now(),
            )  # fmt: skip

    async def runs__skip(
        self, _: Any, incident: int, bot: str, action: str, effect: str, outcome: str, detail: str
    ) -> None:
        id_ = self.id()
        self.t.runs[id_] = Run(
            id_, incident, bot, action, effect, "ended", self.now(), None, self.now(), outcome, detail, None,
            "none", self.now(),
        )  # fmt: skip
        self.tell(incident, outcome, f"{action}: {detail}")

    # holds

    async def holds__check(self, _: Any, lease: Lease, incident: int, bot: str) -> Check:
        answer = self._answers([incident]).get(incident)
        pause = await self.holds__paused(None)
        halted = await self.holds__is_halted(None, bot)
        return Check(
            self._holds(lease),
            pause and pause.paused_by,
            halted,
            answer and answer.by,
            answer and answer.until,
        )

    async def holds__halt(self, _: Any, bot: str, incident: int, reason: str) -> None:
        if not await self.holds__is_halted(None, bot):
            self.t.halts[self.id()] = (bot, incident, reason, self.now(), None)

    async def holds__halts(self, _: Any) -> list[Halt]:
        return sorted(
            (Halt(bot, why, at) for bot, _i, why, at, over in self.t.halts.values() if over is None),
            key=lambda halt: halt.bot,
        )

    async def holds__is_halted(self, _: Any, bot: str) -> bool:
        return any(one == bot and over is None for one, _i, _w, _a, over in self.t.halts.values())

    async def holds__release(self, _: Any, bot: str, by: str) -> bool:
        mine = [id_ for id_, row in self.t.halts.items() if row[0] == bot and row[4] is None]
        for id_ in mine:
            self.t.halts[id_] = (*self.t.halts[id_][:4], self.now())
        return bool(mine)

    async def holds__pause(self, _: Any, by: str, reason: str) -> bool:
        if await self.holds__paused(None):
            return False
        self.t.pauses[self.id()] = (by, reason, self.now(), None)
        return True

    async def holds__paused(self, _: Any) -> Pause | None:
        return next((Pause(*row[:3]) for row in self.t.pauses.values() if row[3] is None), None)

    async def holds__resume(self, _: Any, by: str) -> bool:
        mine = [id_ for id_, row in self.t.pauses.items() if row[3] is None]
        for id_ in mine:
            self.t.pauses[id_] = (*self.t.pauses[id_][:3], self.now())
        return bool(mine)

    # acknowledgements

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

    # escalation steps

    async def escalation_steps__opened(self, _: Any, ids: Any, window: float, count: int) -> list[Opened]:
        from_, found = self.later(-window), []
        for id_ in sorted(ids):
            one = self.t.incidents[id_]
            same = [
                each.id for each in self.t.incidents.values()
                if (each.alert, each.bot) == (one.alert, one.bot) and each.opened_at > from_
            ]  # fmt: skip
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
        due = [s for s in self.t.steps.values() if s.state == "waiting" and s.due_at <= self.now()]
        found = []
        for s in sorted(due, key=lambda s: s.due_at)[:_AT_A_TIME]:
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

    async def escalation_steps___set(self, _: Any, state: str, ids: Any) -> None:
        for id_ in ids:
            self.put("steps", id_, state=state)

    async def escalation_steps__write_taken(self, _: Any, taken: Any) -> None:
        from webhook_actions.store.deliveries import Delivery

        for due, one in taken:
            if one is None:
                self.put("steps", due.id, state="cancelled")
            elif one.postponed_to:
                self.put("steps", due.id, due_at=one.postponed_to, postponed=True)
            else:
                self.put("steps", due.id, state="taken")
                await self.deliveries__write(
                    None,
                    [
                        Delivery(to.channel, to.address, due.incident, due.id, one.contact)
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

    async def escalation_steps__with_runs(self, _: Any, ids: Any) -> Any:
        found = await self.incidents__load(None, ids)
        return [(one, await self.runs__of_incidents(None, [one.id])) for one in found]

    async def escalation_steps__cancel(self, _: Any, incident: int, rule: str | None = None) -> None:
        for s in list(self.t.steps.values()):
            chosen = not s.rule.startswith("insist:") if rule is None else s.rule == rule
            if s.incident == incident and s.state == "waiting" and chosen:
                self.put("steps", s.id, state="cancelled")

    async def escalation_steps__pass_on(self, _: Any, step: int, why: str) -> None:
        if any(m.step == step and m.state != "failed" for m in self.t.messages.values()):
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
            self._notify()

    # deliveries

    async def deliveries__write(self, _: Any, batch: Any) -> None:
        for one in batch:
            key = (one.step, one.channel, one.address)
            known = ((m.step, m.channel, m.address) for m in self.t.messages.values())
            if one.step is not None and key in known:
                continue
            id_ = self.id()
            self.t.messages[id_] = Message(
                id_, one.incident, one.step, one.contact, one.channel, one.address, one.body, self.now(),
                self.now(),
            )  # fmt: skip
        if batch:
            self._notify()

    async def deliveries__claim(self, _: Any, lease: float) -> list[ClaimedDelivery]:
        due = [
            m for m in self.t.messages.values()
            if m.state in ("waiting", "sending") and m.due_at <= self.now()
        ]  # fmt: skip
        due.sort(key=lambda m: m.due_at)
        if not due:
            return []
        first = due[0]
        together = [
            m for m in due
            if (m.channel, m.address) == (first.channel, first.address)
            and (m.id == first.id or (first.step is not None and m.step is not None))
        ][:_TOGETHER]  # fmt: skip
        claimed = []
        for m in sorted(together, key=lambda m: m.id):
            again = m.state == "sending"
            row = self.put(
                "messages", m.id, state="sending", attempts=m.attempts + 1,
                interrupted=m.interrupted + again, due_at=self.later(lease),
            )  # fmt: skip
            step = self.t.steps.get(m.step) if m.step is not None else None
            wanted = step is None or step.rule.startswith("insist:") or self.unanswered(m.incident or 0)
            claimed.append(
                ClaimedDelivery(
                    m.channel,
                    m.address,
                    m.incident,
                    m.step,
                    m.contact,
                    m.body,
                    m.id,
                    row.attempts,
                    again,
                    wanted,
                    step and step.why,
                    m.written_at,
                )  # fmt: skip
            )
        return claimed

    async def deliveries__next_due(self, _: Any) -> float | None:
        return self._seconds(m.due_at for m in self.t.messages.values() if m.state in ("waiting", "sending"))

    async def deliveries__record(self, _: Any, batch: Any, outcome: Any, policy: Any) -> Any:
        final = "sent" if outcome.done else "failed"
        again = policy.retries if outcome.result == "retry" else 0
        states = []
        for one in batch:
            m = self.t.messages[one.id]
            if m.attempts != one.attempts or m.state != "sending":
                continue
            state = "waiting" if m.attempts <= again else final
            self.put(
                "messages", m.id, state=state, outcome=outcome.detail,
                due_at=self.later(float(policy.pause) * 2 ** (m.attempts - 1)),
                sent_at=self.now() if final == "sent" else None,
            )  # fmt: skip
            states.append((one, state))
        return states

    async def deliveries__cancel(self, _: Any, batch: Any) -> None:
        for one in batch:
            if self.t.messages[one.id].state == "sending":
                self.put("messages", one.id, state="cancelled")

    async def deliveries__forget(self, _: Any, age: float) -> None:
        """Nothing grows so old here."""

    def _notify(self) -> None:
        for wake in self.notified:
            wake()

    async def database__notify(self, _: Any) -> None:
        self._notify()
