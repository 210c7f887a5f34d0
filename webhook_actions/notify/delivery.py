"""Sends what the outbox holds: claims what is due, sends it in threads of its own, writes how it ended."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from stack.settings import Delivery, Settings
from webhook_actions.escalation.links import Links
from webhook_actions.metrics import Metrics
from webhook_actions.notify import CHANNELS, send
from webhook_actions.notify.message import Told, compose
from webhook_actions.outcome import Outcome
from webhook_actions.outgoing import DATADOG, GRAFANA, NEWRELIC, WEBHOOK, datadog, grafana, newrelic, webhooks
from webhook_actions.report import archive
from webhook_actions.store import deliveries, escalation_steps
from webhook_actions.store.database import GONE, Connection, Pool
from webhook_actions.store.deliveries import Claimed

log = logging.getLogger(__name__)

_AT_ONCE = 8  # messages on their way at the same time
_LOOK_EVERY = 0.5  # seconds between two looks at the outbox
_GRACE = 20.0  # seconds that a stopping post leaves to what it is sending
_PROGRAMS = {
    WEBHOOK: webhooks.send,
    GRAFANA: grafana.send,
    DATADOG: datadog.send,
    NEWRELIC: newrelic.send,
}

Failed = Callable[[Connection, Claimed], Awaitable[None]]


class Post:
    """Sends letters until cancelled. A crash between sending and writing so sends a letter once more."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        metrics: Metrics,
        failed: Failed,
        links: Links,
    ) -> None:
        """`failed` is told, in its transaction, of each letter that will not be tried again."""
        self._settings = settings
        self._pool = pool
        self._metrics = metrics
        self._failed = failed
        self._links = links
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="post")
        longest = max(float(channel.timeout) for _, channel in settings.channels)
        self._lease = longest + float(settings.webhook_actions.heartbeat)

    async def work(self) -> None:
        """Send what is due, as it becomes due."""
        sending: set[asyncio.Task[None]] = set()
        try:
            while True:
                while len(sending) < _AT_ONCE and (letters := await self._claim()):
                    sending.add(asyncio.create_task(self._deliver(letters)))
                if not sending:
                    await asyncio.sleep(_LOOK_EVERY)
                    continue
                done, sending = await asyncio.wait(
                    sending, timeout=_LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
        finally:
            if sending:
                await asyncio.wait(sending, timeout=_GRACE)
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _claim(self) -> list[Claimed]:
        try:
            async with self._pool.connection() as connection:
                return await deliveries.claim(connection, self._lease)
        except GONE as error:
            log.warning("the outbox cannot be read; tried again", extra={"reason": str(error)})
            return []

    async def _deliver(self, letters: list[Claimed]) -> None:
        """Send letters to one address as one message, and write what came of each."""
        for letter in letters:
            if letter.interrupted:
                self._metrics.interrupted.labels(letter.channel).inc()
        wanted = [letter for letter in letters if letter.wanted]
        outcome = Outcome.ok("")
        if wanted:
            outcome = await self._send(wanted)
        while True:
            try:
                await self._record(letters, outcome)
                return
            except GONE as error:
                log.warning("what was sent cannot be written yet", extra={"reason": str(error)})
                await asyncio.sleep(_LOOK_EVERY)

    async def _send(self, letters: Sequence[Claimed]) -> Outcome:
        first = letters[0]
        loop = asyncio.get_running_loop()
        try:
            if first.channel not in CHANNELS:
                return await loop.run_in_executor(
                    self._threads, _PROGRAMS[first.channel], self._settings, first
                )
            if first.step is None and first.body is not None:
                return await self._send_report(first, first.body)
            message = compose(self._settings, await self._told(letters), self._links.page)
            return await loop.run_in_executor(
                self._threads, send, self._settings, first.channel, first.address, message
            )
        except Exception as error:  # one that no channel foresaw must not stop the others
            log.exception("a message could not be sent", extra={"channel": first.channel})
            return Outcome.retry(f"raised {type(error).__name__}")

    async def _send_report(self, letter: Claimed, body: str) -> Outcome:
        async with self._pool.connection() as connection:
            kept = await archive.one(connection, archive.id_of(body))
        if kept is None:
            return Outcome.failed("the report is no longer kept")

        def draw_and_send() -> Outcome:
            from webhook_actions.report.sending import message  # here: matplotlib takes a second and 50 MB

            return send(self._settings, letter.channel, letter.address, message(self._settings, kept.content))

        return await asyncio.get_running_loop().run_in_executor(self._threads, draw_and_send)

    async def _told(self, letters: Sequence[Claimed]) -> list[Told]:
        """Return what a message tells of, an incident once; a contact's own link with each."""
        wanted = {letter.incident: letter for letter in letters}
        async with self._pool.connection() as connection:
            found = await escalation_steps.stories(connection, [id_ for id_ in wanted if id_ is not None])
        now = datetime.now(UTC)
        return [
            Told(
                incident,
                steps,
                wanted[incident.id].why or "",
                self._links.url(incident.id, wanted[incident.id].contact, now),
            )
            for incident, steps in found
        ]

    async def _record(self, letters: Sequence[Claimed], outcome: Outcome) -> None:
        async with self._pool.transaction() as connection:
            await deliveries.cancel(connection, [letter for letter in letters if not letter.wanted])
            wanted = [letter for letter in letters if letter.wanted]
            delivery = self._delivery(letters[0].channel)
            states = await deliveries.record(connection, wanted, outcome, delivery)
            ended = [letter for letter, state in states if letter.step is not None and state != "waiting"]
            await escalation_steps.tell_all(
                connection,
                [(letter.incident, *_line(letter, outcome)) for letter in ended if letter.incident],
            )
            for letter, state in states:
                if state == "failed":
                    await self._failed(connection, letter)
        for letter, state in states:
            self._metrics.messages.labels(letter.channel, "retried" if state == "waiting" else state).inc()
            about = {"incident": letter.incident, "channel": letter.channel, "attempt": letter.attempts}
            log.info(f"message {state}", extra=about | {"reason": outcome.detail})

    def _delivery(self, channel: str) -> Delivery:
        """Return how often and after what pause sending over a channel is tried again."""
        channels, usual = self._settings.channels, self._settings.escalation.delivery
        if channel == WEBHOOK:
            return channels.webhooks.delivery
        if channel in (DATADOG, NEWRELIC):
            delivery: Delivery = getattr(self._settings.integrations, channel).delivery
            return delivery
        if channel == GRAFANA:
            return channels.grafana.delivery
        if channel == "telegram":
            return usual.model_copy(update={"retries": channels.telegram.retries})
        return usual


def _line(letter: Claimed, outcome: Outcome) -> tuple[str, str]:
    """Return the timeline's kind and text of whether someone was told, without the address."""
    text = f"{letter.contact} over {letter.channel}"
    return ("told", text) if outcome.done else ("not_told", f"{text}: {outcome.detail}")
