"""Asks whether an SMS or a call arrived, until that is known; otherwise it has failed."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from stack.settings import Settings
from webhook_actions.metrics import Metrics
from webhook_actions.notify import twilio
from webhook_actions.notify.twilio import Status
from webhook_actions.store import incidents, outages, receipts
from webhook_actions.store.database import Connection, Pool
from webhook_actions.store.deliveries import ClaimedDelivery
from webhook_actions.store.outages import Outage
from webhook_actions.store.receipts import DELIVERED, UNDELIVERED, UNKNOWN, Sent

ASKED = ("sms", "phone")  # channels that report whether a message arrived
FIRST = 2.0  # seconds from sending to the first question
AT_ONCE = 8  # questions at a time
UNANSWERED = "unanswered"  # the cause of an unanswered call: the channel works
_SOON, _LATER = 3.0, 15.0  # seconds between two questions, within the first minute and after it
_MINUTE = 60.0
# seconds after which a message that Twilio still holds has failed, so that the next person hears of it within
# 60
_STUCK = 45.0
_PATIENCE = 300.0  # seconds after which the result stays unknown
_WRITING = 10.0  # seconds beyond the time-out until another process asks


class People(Protocol):
    """Who is notified of an undelivered message, in the transaction that records it."""

    async def failed(self, connection: Connection, delivery: ClaimedDelivery) -> None:
        """Pass on an undelivered message."""

    async def channel_fails(self, connection: Connection, outage: Outage) -> None:
        """Notify that a channel fails, over others."""

    async def channel_is_back(self, connection: Connection, outage: Outage) -> None:
        """Notify that a channel works again."""


@dataclass(frozen=True)
class Verdict:
    """The result: whether it arrived; None to ask again in `after` seconds."""

    arrived: str | None
    detail: str = ""
    cause: str = ""
    after: float = 0.0


_ARRIVED = ("delivered", "read", "completed", "in-progress")
_FAILED = ("undelivered", "failed", "canceled")
_NOT_TAKEN = ("busy", "no-answer")
_HELD = ("accepted", "scheduled", "queued", "sending")


def judged(status: Status, age: float) -> Verdict:
    """Return the meaning of a status `age` seconds after sending."""
    said = f"Twilio says {status.word}" + (f" ({status.reason})" if status.reason else "")
    if status.word in _ARRIVED:
        return Verdict(DELIVERED, said)
    if status.word in _FAILED:
        return Verdict(UNDELIVERED, said, UNDELIVERED)
    if status.word in _NOT_TAKEN:
        return Verdict(UNDELIVERED, said, UNANSWERED)
    if status.word in _HELD and age >= _STUCK:
        return Verdict(UNDELIVERED, f"{said}, {age:.0f}s after it took it", UNDELIVERED)
    if age >= _PATIENCE:
        return Verdict(
            UNKNOWN, f"Twilio accepted it; it is unknown whether it arrived: {status.reason or said}"
        )
    return Verdict(None, after=_SOON if age < _MINUTE else _LATER)


class Receipts:
    """Asks for receipts. When a process dies, another takes over after the lease."""

    def __init__(
        self, settings: Settings, pool: Pool, metrics: Metrics, people: People, threads: Executor
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._metrics = metrics
        self._people = people
        self._threads = threads
        channels = settings.channels
        self._lease = max(float(channels.sms.timeout), float(channels.phone.timeout)) + _WRITING

    async def claim(self) -> Callable[[], Awaitable[None]] | None:
        """Claim the due receipts, and return the function that asks for them."""
        async with self._pool.connection() as connection:
            batch = await receipts.claim(connection, self._lease)
        return (lambda: self._ask(batch)) if batch else None

    async def next_due(self) -> float | None:
        """Return the seconds until a receipt is due."""
        async with self._pool.connection() as connection:
            return await receipts.next_due(connection)

    async def _ask(self, batch: list[Sent]) -> None:
        verdict = judged(await self._status(batch[0]), batch[0].age)
        if verdict.arrived is None:
            async with self._pool.connection() as connection:
                await receipts.ask_again(connection, batch, verdict.after)
            return
        async with self._pool.transaction() as connection:
            written = await receipts.write(connection, batch, verdict.arrived, verdict.detail)
            if verdict.arrived == UNDELIVERED:
                await self._did_not_arrive(connection, written, verdict)
            elif written and (outage := await outages.ended(connection, batch[0].channel, batch[0].address)):
                await self._people.channel_is_back(connection, outage)
        for one in written:
            self._metrics.receipts.labels(one.channel, verdict.arrived).inc()
            if verdict.arrived == UNDELIVERED:
                self._metrics.undelivered.labels(one.channel, verdict.cause).inc()

    async def _did_not_arrive(self, connection: Connection, batch: list[Sent], verdict: Verdict) -> None:
        lines = [(one.incident, f"{one.contact} over {one.channel}: {verdict.detail}") for one in batch]
        told = [(incident, "not_told", text) for incident, text in lines if incident is not None]
        await incidents.tell_all(connection, told)
        for one in batch:
            await self._people.failed(connection, one)
        if batch and verdict.cause != UNANSWERED:
            way = batch[0].channel, batch[0].address
            if outage := await outages.failed(connection, *way, verdict.detail, final=True):
                await self._people.channel_fails(connection, outage)

    async def _status(self, one: Sent) -> Status:
        def ask() -> Status:
            try:
                return twilio.status(self._settings, one.channel, one.receipt)
            except OSError as error:
                return Status(None, f"its secret cannot be read: {error}")

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)
