"""The in-memory store: runs of actions."""

from dataclasses import replace
from typing import Any

from tests.simulation.people import People
from webhook_actions.store.runs import Lease, Run


class Runs(People):
    """Part of the memory; `tests.simulation.memory` has the tables and the clock."""

    def _with_alert(self, run: Run) -> Run:
        return replace(run, alert=self.t.incidents[run.incident].alert)

    async def runs__of_incidents(self, _: Any, ids: Any) -> list[Run]:
        return [self._with_alert(run) for run in self.t.runs.values() if run.incident in ids]

    async def runs__of_bots(self, _: Any, bots: Any, since: float, incidents: Any = ()) -> list[Run]:
        from_ = self.later(-since)
        return [
            self._with_alert(run)
            for run in self.t.runs.values()
            if run.incident in incidents
            or (
                run.bot in bots
                and run.bot
                and (
                    run.verdict is None or run.created_at > from_ or (run.judged_at and run.judged_at > from_)
                )
            )
        ]

    async def runs__acted_on(self, _: Any, since: float) -> set[str]:
        from_ = self.later(-since)
        return {
            run.bot
            for run in self.t.runs.values()
            if run.effect == "disruptive"
            and run.target is None
            and (run.orders or run.state == "running")
            and run.started_at
            and run.started_at > from_
        }

    async def runs__begin(
        self, _: Any, incident: int, bot: str, action: str, effect: str, lease: float
    ) -> Lease:
        id_, ends = self.id(), self.later(lease)
        self.t.runs[id_] = Run(
            id_,
            incident,
            bot,
            action,
            effect,
            "running",
            self.now(),
            self.now(),
            attempts=1,
            fence=1,
            due_at=ends,
        )
        self.tell(incident, "acting", action)
        return Lease(id_, 1, ends)

    async def runs__go_on(self, _: Any, run: Run, lease: float) -> Lease:
        row = self.t.runs[run.id]
        astray = row.state == "ended" and row.before is not None
        if row.state not in ("wanted", "open") and not astray:
            raise LookupError(f"run {run.id} is neither wanted nor open")
        row = self.put(
            "runs",
            run.id,
            state="running",
            started_at=row.started_at or self.now(),
            attempts=row.attempts + 1,
            fence=row.fence + 1,
            verdict=None,
            judged_at=None,
            due_at=self.later(lease),
        )
        if not run.attempts:
            self.tell(run.incident, "acting", run.action)
        return Lease(row.id, row.fence, row.due_at)

    async def runs__want(
        self,
        _: Any,
        incident: int,
        bot: str,
        action: str,
        effect: str,
        by: str,
        key: str | None,
        expires: float,
    ) -> int:
        known = self.t.requests.get(key) if key else None
        for run in self.t.runs.values():
            same = (run.incident, run.action) == (incident, action)
            if known is None and same and run.state != "ended" and run.asked_by is not None:
                known = run.id
        if known is None:
            known = self.id()
            self.t.runs[known] = Run(
                known,
                incident,
                bot,
                action,
                effect,
                "wanted",
                self.now(),
                asked_by=by,
                expires_at=self.later(expires),
            )
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
            "runs",
            run.id,
            outcome=str(ending.outcome),
            detail=ending.detail,
            orders=run.orders + ending.orders,
            state="ended" if ending.pause is None else "open",
            ended_at=self.now(),
            verify_until=(run.verify_until if run.before is None else None) or self.later(ending.verify),
            due_at=self.later(ending.pause),
            verdict=ending.verdict and str(ending.verdict),
            judged_at=self.now() if ending.verdict is not None else None,
            back_at=self.now() if ending.back else None,
        )
        return True

    async def runs__interrupt(self, _: Any, run: Run, why: str, verify: float, *, goes_on: bool) -> bool:
        row = self.t.runs[run.id]
        self.tell(run.incident, "interrupted", f"{run.action}: {why}")
        if row.fence != run.fence or row.state != "running":
            return False
        self.put(
            "runs",
            run.id,
            outcome="interrupted",
            detail=why,
            orders=row.orders + 1,
            fence=row.fence + 1,
            ended_at=self.now(),
            state="open" if goes_on else "ended",
            due_at=self.now() if goes_on else None,
            verify_until=row.verify_until or self.later(verify),
        )
        return True

    async def runs__finish(
        self, _: Any, run: Run, verdict: str, outcome: str | None = None, detail: str | None = None
    ) -> None:
        row = self.t.runs[run.id]
        if row.verdict is None:
            self.put(
                "runs",
                run.id,
                state="ended",
                verdict=str(verdict),
                judged_at=self.now(),
                fence=row.fence + 1,
                due_at=None,
                outcome=outcome or row.outcome,
                detail=detail or row.detail,
                ended_at=row.ended_at or self.now(),
            )

    async def runs__skip(
        self, _: Any, incident: int, bot: str, action: str, effect: str, outcome: str, detail: str
    ) -> None:
        id_ = self.id()
        self.t.runs[id_] = Run(
            id_,
            incident,
            bot,
            action,
            effect,
            "ended",
            self.now(),
            None,
            self.now(),
            outcome,
            detail,
            None,
            "none",
            self.now(),
        )
        self.tell(incident, outcome, f"{action}: {detail}")
