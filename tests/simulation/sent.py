"""The in-memory store: messages and their receipts."""

from dataclasses import fields
from typing import Any

from tests.simulation.held import Held
from tests.simulation.tables import Message, OutageRow, Tables
from webhook_actions.store.deliveries import ClaimedDelivery
from webhook_actions.store.outages import ENOUGH, Outage
from webhook_actions.store.receipts import Sent

_TOGETHER = 500


class Sending(Held):
    """A part of the memory; `tests.simulation.memory` has the tables and the clock."""

    t: Tables

    # deliveries

    async def deliveries__write(self, _: Any, batch: Any) -> None:
        for one in batch:
            key = (one.step, one.channel, one.address)
            known = ((m.step, m.channel, m.address) for m in self.t.messages.values())
            if one.step is not None and key in known:
                continue
            id_ = self.id()
            self.t.messages[id_] = Message(
                id_,
                one.incident,
                one.step,
                one.contact,
                one.channel,
                one.address,
                one.body,
                self.now(),
                self.now(),
            )
        if batch:
            self._notify()

    def _may_be_sent(self, m: Message, open_: Any) -> bool:
        return m.state == "waiting" or (m.state == "sending" and open_.interrupted)

    def _is_open(self, m: Message, open_: Any) -> bool:
        full = m.channel in open_.full or (m.channel, m.address) in open_.full_addresses
        return self._may_be_sent(m, open_) and not full

    async def deliveries__claim(self, _: Any, lease: float, open_: Any) -> list[ClaimedDelivery]:
        due = [m for m in self.t.messages.values() if self._may_be_sent(m, open_) and m.due_at <= self.now()]
        due.sort(key=lambda m: m.due_at)
        first = next((m for m in due if self._is_open(m, open_)), None)
        if first is None:
            return []
        together = [
            m
            for m in due
            if (m.channel, m.address) == (first.channel, first.address)
            and (m.id == first.id or (first.step is not None and m.step is not None))
        ][:_TOGETHER]
        claimed = []
        for m in sorted(together, key=lambda m: m.id):
            again = m.state == "sending"
            row = self.put(
                "messages",
                m.id,
                state="sending",
                attempts=m.attempts + 1,
                interrupted=m.interrupted + again,
                due_at=self.later(lease),
            )
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
                    step is not None
                    and not step.rule.startswith(("notice: ", "insist: "))
                    and (step.rule, step.level) != ("climb", 0),
                )
            )
        return claimed

    async def deliveries__unanswered(self, _: Any, address: str, but: Any) -> list[tuple[int, str]]:
        told = {
            m.incident: m.contact
            for m in reversed(list(self.t.messages.values()))
            if m.address == address and m.step is not None and m.state == "sent"
        }
        return [
            (id_, told[id_])
            for id_ in sorted(one for one in told if one is not None)
            if id_ not in but and self.unanswered(id_)
        ][:_TOGETHER]

    async def deliveries__next_due(self, _: Any, open_: Any) -> float | None:
        return self._seconds(m.due_at for m in self.t.messages.values() if self._is_open(m, open_))

    async def deliveries__renew(self, _: Any, batch: Any, lease: float) -> None:
        for one in batch:
            m = self.t.messages[one.id]
            if m.attempts == one.attempts and m.state == "sending":
                self.put("messages", m.id, due_at=self.later(lease))

    async def deliveries__of_step(self, _: Any, step: int, contact: str) -> list[tuple[str, str]]:
        rows = self.t.messages.values()
        return [(m.channel, m.state) for m in rows if (m.step, m.contact) == (step, contact)]

    async def deliveries__record(
        self, _: Any, batch: Any, outcome: Any, policy: Any, ask_after: float | None = None
    ) -> Any:
        final = "sent" if outcome.done else "failed"
        again = policy.retries if outcome.result == "retry" else 0
        states = []
        for one in batch:
            m = self.t.messages[one.id]
            if m.attempts != one.attempts or m.state != "sending":
                continue
            state = "waiting" if m.attempts <= again else final
            self.put(
                "messages",
                m.id,
                state=state,
                outcome=outcome.detail,
                due_at=self.later(max(float(policy.pause) * 2 ** (m.attempts - 1), outcome.retry_after)),
                sent_at=self.now() if final == "sent" else None,
                receipt=outcome.receipt or None,
                ask_at=self.later(ask_after) if outcome.done else None,
            )
            states.append((one, state))
        return states

    async def deliveries__cancel(self, _: Any, batch: Any) -> None:
        for one in batch:
            if self.t.messages[one.id].state == "sending":
                self.put("messages", one.id, state="cancelled")

    async def deliveries__forget(self, _: Any, age: float) -> None:
        """Nothing gets that old here."""

    # receipts

    async def receipts__claim(self, _: Any, lease: float) -> list[Sent]:
        due = [m for m in self.t.messages.values() if m.ask_at and m.ask_at <= self.now()]
        if not due:
            return []
        first = min(due, key=lambda m: m.ask_at or self.now())
        same = [
            self.put("messages", m.id, ask_at=self.later(lease))
            for m in list(self.t.messages.values())
            if m.ask_at and (m.channel, m.receipt) == (first.channel, first.receipt)
        ]
        names = {each.name for each in fields(Sent)} & {each.name for each in fields(Message)}
        names -= {"interrupted", "body", "written_at"}
        return [
            Sent(
                **{name: getattr(m, name) for name in names},
                age=(self.now() - (m.sent_at or self.now())).total_seconds(),
            )
            for m in sorted(same, key=lambda m: m.id)
        ]

    async def receipts__next_due(self, _: Any) -> float | None:
        return self._seconds(m.ask_at for m in self.t.messages.values() if m.ask_at)

    async def receipts__ask_again(self, _: Any, batch: Any, after: float) -> None:
        for one in batch:
            if self.t.messages[one.id].ask_at:
                self.put("messages", one.id, ask_at=self.later(after))

    async def receipts__write(self, _: Any, batch: Any, arrived: str, detail: str) -> list[Sent]:
        written = [one for one in batch if self.t.messages[one.id].ask_at]
        for one in written:
            state = "failed" if arrived == "undelivered" else self.t.messages[one.id].state
            self.put("messages", one.id, arrived=arrived, ask_at=None, outcome=detail, state=state)
        return written

    # outages

    async def outages__failed(
        self, _: Any, channel: str, address: str, reason: str, *, final: bool
    ) -> Outage | None:
        known = self.t.outages.get((channel, address), OutageRow(channel, address, 0, reason))
        told = any(row.told for row in self.t.outages.values() if row.channel == channel)
        tells = not told and (known.failures + 1 >= ENOUGH or final)
        row = OutageRow(channel, address, known.failures + 1, reason, known.told or tells)
        self.t.outages[channel, address] = row
        return Outage(channel, address, row.failures, reason) if tells else None

    async def outages__ended(self, _: Any, channel: str, address: str) -> Outage | None:
        row = self.t.outages.pop((channel, address), None)
        if row is None or not row.told:
            return None
        for key, other in sorted(self.t.outages.items()):
            if other.channel == channel and other.failures >= ENOUGH:
                self.t.outages[key] = OutageRow(channel, other.address, other.failures, other.reason, True)
                return None
        return Outage(channel, address, row.failures, row.reason)

    async def outages__failing(self, _: Any) -> set[tuple[str, str]]:
        return set(self.t.outages)
