"""The in-memory store: each function of webhook_actions/store that the engine calls, with the same result."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.runs import Runs
from tests.simulation.tables import Tables
from webhook_actions.store import incidents
from webhook_actions.store.incidents import Accepted, Claim, Incident, Open


class Memory(Runs):
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
                    id_,
                    alert.fingerprint,
                    alert.name,
                    bot,
                    alert.severity,
                    dict(alert.labels),
                    dict(alert.annotations),
                    alert.starts_at,
                    self.now(),
                    self.now(),
                    1,
                    due_at=self.now(),
                )
                self.tell(id_, "opened", f"{alert.name} of {bot}" if bot else alert.name)
                opened.append(id_)
            elif (known.alert, known.bot) == (alert.name, alert.labels.get("bot", "")):
                again = known.resolved_at and alert.starts_at > known.resolved_at
                said = {
                    "labels": dict(alert.labels),
                    "severity": alert.severity,
                    "annotations": dict(alert.annotations),
                }
                self.put(
                    "incidents",
                    known.id,
                    starts_at=alert.starts_at,
                    delivered_at=self.now(),
                    notifications=known.notifications + 1,
                    resolved_at=None if again else known.resolved_at,
                    **({} if known.confirmed else said),
                )
                repeated += 1
        self._notify()
        ignored = len(alerts) - len(opened) - repeated - len(resolved)
        return Accepted(tuple(opened), tuple(resolved), repeated, ignored)

    async def incidents__claim(self, _: Any, limit: int, lease: float, besides: Any = ()) -> list[Claim]:
        ahead = timedelta(seconds=incidents._AHEAD)
        due = [
            one for one in self.open() if one.due_at and one.due_at <= self.now() and one.bot not in besides
        ]
        turns = {one.id: one.due_at - (ahead if one.severity == "critical" else timedelta(0)) for one in due}
        first = {one.bot: min(turns[other.id] for other in due if other.bot == one.bot) for one in due}
        due.sort(key=lambda one: (first[one.bot], one.bot, turns[one.id]))
        ends = self.later(lease)
        claimed = [self.put("incidents", one.id, fence=one.fence + 1, due_at=ends) for one in due[:limit]]
        return [
            Claim(one.id, one.fence, one.due_at, one.bot) for one in sorted(claimed, key=lambda one: one.id)
        ]

    async def incidents__next_due(self, _: Any, besides: Any = ()) -> float | None:
        return self._seconds(one.due_at for one in self.open() if one.due_at and one.bot not in besides)

    async def incidents__open_of(self, _: Any, bots: Any) -> dict[tuple[str, str], int]:
        return Counter((one.bot, one.alert) for one in self.open() if one.bot in bots)

    def _seconds(self, times: Any) -> float | None:
        first = min(times, default=None)
        return None if first is None else (first - self.now()).total_seconds()

    async def incidents__load(self, _: Any, ids: Any) -> list[Incident]:
        return [self.t.incidents[id_] for id_ in sorted(ids) if id_ in self.t.incidents]

    async def incidents__incident(self, _: Any, id_: int) -> Incident | None:
        return self.t.incidents.get(id_)

    async def incidents__lock_bots(self, _: Any, bots: Any) -> None:
        """Transactions run one after another here."""

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
                self.put("incidents", one.id, due_at=min(one.due_at or self.now(), self.now()))
        self._notify()

    async def incidents__confirm(self, _: Any, confirmed: Any) -> None:
        for one in confirmed:
            self.put(
                "incidents",
                one.id,
                severity=one.severity,
                labels=one.labels,
                annotations=one.annotations,
                confirmed=True,
            )

    async def incidents__open_incidents(self, _: Any) -> list[Open]:
        return [
            Open(
                one.id, one.alert, one.bot, one.labels, one.due_at is not None, one.handed_over_at is not None
            )
            for one in self.open()
        ]

    async def incidents__add_to_timeline(self, _: Any, incident: int, kind: str, text: str) -> None:
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
            "incidents",
            id_,
            closed_at=self.now(),
            due_at=None,
            waits_for=None,
            over_at=over_at,
            close_reason=reason,
        )

    async def incidents__forget(self, _: Any, age: float) -> None:
        """Nothing gets that old here."""

    async def archive__forget(self, _: Any, age: float) -> None:
        """No report is made here."""
