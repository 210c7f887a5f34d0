"""The in-memory store: halted bots, and controls to undo."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.simulation.tables import ControlRow, HaltRow, Tables
from webhook_actions.store.controls import Control
from webhook_actions.store.holds import Check, Halt, Pause
from webhook_actions.store.runs import Lease


class Held:
    """A part of the memory; `tests.simulation.memory` has the tables and the clock."""

    t: Tables
    now: Callable[[], datetime]

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

    def _halted(self, bot: str) -> list[HaltRow]:
        return [row for row in self.t.halts.values() if row.bot == bot and row.released_at is None]

    async def holds__halt(self, _: Any, bot: str, incident: int, reason: str) -> None:
        if not self._halted(bot):
            id_ = self.id()
            self.t.halts[id_] = HaltRow(id_, bot, incident, reason, self.now())

    async def holds__halts(self, _: Any) -> list[Halt]:
        return sorted(
            (
                Halt(row.bot, row.reason, row.since, row.incident, row.astray)
                for row in self.t.halts.values()
                if row.released_at is None
            ),
            key=lambda halt: halt.bot,
        )

    async def holds__is_halted(self, _: Any, bot: str) -> bool:
        return bool(self._halted(bot))

    async def holds__claim_astray(self, _: Any, bot: str, lease: float) -> bool:
        mine = [row for row in self._halted(bot) if row.due_at is None or row.due_at <= self.now()]
        for row in mine:
            self.put("halts", row.id, astray=True, due_at=self.later(lease))
        return bool(mine)

    async def holds__settle(self, _: Any, bot: str, *, flat: bool) -> None:
        for row in self._halted(bot):
            self.put("halts", row.id, astray=not flat, due_at=None)

    async def holds__release(self, _: Any, bot: str, by: str) -> bool:
        mine = self._halted(bot)
        for row in mine:
            self.put("halts", row.id, released_at=self.now())
        return bool(mine)

    # controls

    def _left(self, bot: str | None = None) -> list[ControlRow]:
        rows = self.t.controls.values()
        return [row for row in rows if row.removed_at is None and bot in (None, row.bot)]

    async def controls__leave(self, _: Any, bot: str, incident: int, reason: str, before: str | None) -> None:
        if not self._left(bot):
            id_ = self.id()
            self.t.controls[id_] = ControlRow(id_, bot, incident, reason, self.now(), before)
        for row in self._left(bot):
            self.put("controls", row.id, released_by=None, detail=None)

    async def controls__left(self, _: Any, bot: str | None = None) -> list[Control]:
        return sorted(
            (
                Control(
                    row.id,
                    row.bot,
                    row.reason,
                    row.since,
                    row.incident,
                    row.before,
                    row.released_by,
                    row.detail,
                )
                for row in self._left(bot)
            ),
            key=lambda control: control.bot,
        )

    async def controls__release(self, _: Any, bot: str, by: str) -> bool:
        mine = [row for row in self._left(bot) if row.released_by is None]
        for row in mine:
            self.put("controls", row.id, released_by=by)
        return bool(mine)

    async def controls__note(self, _: Any, control: int, detail: str) -> None:
        if self.t.controls[control].removed_at is None:
            self.put("controls", control, detail=detail)

    async def controls__remove(self, _: Any, control: int, detail: str) -> None:
        if self.t.controls[control].removed_at is None:
            self.put("controls", control, detail=detail, removed_at=self.now())

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

    # the earlier modes of bots

    async def runs__set_before(self, _: Any, lease: Lease, before: str) -> bool:
        held = self._holds(lease)
        if held:
            self.put("runs", lease.run, before=self.t.runs[lease.run].before or str(before))
        return held

    async def runs__left_astray(self, _: Any, bot: str, since: float) -> str | None:
        from_ = self.later(-since)
        last = None
        for run in self.t.runs.values():
            begun = run.orders or run.state == "running"
            if (
                run.bot == bot
                and run.before is not None
                and begun
                and run.started_at
                and run.started_at > from_
            ):
                last = run
        return None if last is None or last.back_at is not None else last.before

    async def runs__note_back(self, _: Any, ids: Any) -> None:
        for id_ in ids:
            row = self.t.runs[id_]
            if row.state == "ended" and row.before is not None and row.back_at is None:
                self.put("runs", id_, back_at=self.now())
