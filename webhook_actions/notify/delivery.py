"""Sends deliveries: claims what is due, sends it in threads of its own, writes how it ended."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from stack.settings import RetryPolicy, Settings
from webhook_actions.metrics import Metrics
from webhook_actions.notify import CHANNELS, send, silences
from webhook_actions.notify.links import Links
from webhook_actions.notify.message import Told, compose
from webhook_actions.outcome import Outcome
from webhook_actions.outgoing import DATADOG, GRAFANA, NEWRELIC, WEBHOOK, datadog, grafana, newrelic, webhooks
from webhook_actions.report import archive
from webhook_actions.store import deliveries, escalation_steps, incidents
from webhook_actions.store.database import GONE, Connection, Pool
from webhook_actions.store.deliveries import ClaimedDelivery

log = logging.getLogger(__name__)

AT_ONCE = 8  # messages on their way at the same time
_WRITE_AGAIN = 0.5  # seconds between two tries to write how sending ended
_SILENCE_POLICY = {"retries": 8, "pause": 4.0}  # for some hours
_PROGRAMS = {
    WEBHOOK: webhooks.send,
    GRAFANA: grafana.send,
    DATADOG: datadog.send,
    NEWRELIC: newrelic.send,
    silences.ALERTMANAGER: silences.lift,
}

Failed = Callable[[Connection, ClaimedDelivery], Awaitable[None]]


class Sender:
    """Sends what is due. A crash between sending and writing so sends a delivery once more."""

    def __init__(
        self, settings: Settings, pool: Pool, metrics: Metrics, failed: Failed, links: Links
    ) -> None:
        """`failed` is told, in its transaction, of each delivery that will not be tried again."""
        self._settings = settings
        self._pool = pool
        self._metrics = metrics
        self._failed = failed
        self._links = links
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="deliveries")
        longest = max(float(channel.timeout) for _, channel in settings.channels)
        self._lease = longest + float(settings.webhook_actions.heartbeat)

    async def claim(self) -> Callable[[], Awaitable[None]] | None:
        """Claim the deliveries to one address that are due, and return what sends them."""
        async with self._pool.connection() as connection:
            batch = await deliveries.claim(connection, self._lease)
        return (lambda: self._deliver(batch)) if batch else None

    async def next_due(self) -> float | None:
        """Return the seconds until a delivery is due."""
        async with self._pool.connection() as connection:
            return await deliveries.next_due(connection)

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _deliver(self, batch: list[ClaimedDelivery]) -> None:
        """Send deliveries to one address as one message, and write what came of each."""
        for delivery in batch:
            if delivery.interrupted:
                self._metrics.interrupted.labels(delivery.channel).inc()
        wanted = [delivery for delivery in batch if delivery.wanted]
        outcome = Outcome.ok("")
        if wanted:
            outcome = await self._send(wanted)
        while True:
            try:
                await self._record(batch, outcome)
                return
            except GONE as error:
                log.warning("what was sent cannot be written yet", extra={"reason": str(error)})
                await asyncio.sleep(_WRITE_AGAIN)

    async def _send(self, batch: Sequence[ClaimedDelivery]) -> Outcome:
        first = batch[0]
        try:
            if first.channel not in CHANNELS:
                program = _PROGRAMS[first.channel]
                return await self._in_thread(lambda: program(self._settings, first))
            if first.step is None and first.body is not None:
                return await self._send_report(first, first.body)
            message = compose(self._settings, await self._told(batch), self._links.page)
            return await self._in_thread(lambda: send(self._settings, first.channel, first.address, message))
        except GONE:
            raise
        except Exception as error:  # one that no channel foresaw must not stop the others
            log.exception("a message could not be sent", extra={"channel": first.channel})
            return Outcome.retry(f"raised {type(error).__name__}")

    async def _in_thread(self, function: Callable[[], Outcome]) -> Outcome:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def _send_report(self, delivery: ClaimedDelivery, body: str) -> Outcome:
        async with self._pool.connection() as connection:
            kept = await archive.one(connection, archive.id_of(body))
        if kept is None:
            return Outcome.failed("the report is no longer kept")

        def draw_and_send() -> Outcome:
            from webhook_actions.report.sending import message  # here: matplotlib takes a second and 50 MB

            return send(
                self._settings, delivery.channel, delivery.address, message(self._settings, kept.content)
            )

        return await self._in_thread(draw_and_send)

    async def _told(self, batch: Sequence[ClaimedDelivery]) -> list[Told]:
        """Return what a message tells of, an incident once; a contact's own link with each."""
        wanted = {delivery.incident: delivery for delivery in batch}
        async with self._pool.connection() as connection:
            found = await escalation_steps.with_runs(connection, [id_ for id_ in wanted if id_ is not None])
        now = datetime.now(UTC)
        return [
            Told(
                incident,
                tried,
                wanted[incident.id].why or "",
                self._links.url(incident.id, wanted[incident.id].contact, now),
            )
            for incident, tried in found
        ]

    async def _record(self, batch: Sequence[ClaimedDelivery], outcome: Outcome) -> None:
        async with self._pool.transaction() as connection:
            await deliveries.cancel(connection, [delivery for delivery in batch if not delivery.wanted])
            wanted = [delivery for delivery in batch if delivery.wanted]
            states = await deliveries.record(connection, wanted, outcome, self._policy(batch[0].channel))
            ended = [one for one, state in states if one.step is not None and state != "waiting"]
            await incidents.tell_all(
                connection, [(one.incident, *_line(one, outcome)) for one in ended if one.incident]
            )
            for delivery, state in states:
                if state == "failed":
                    await self._failed(connection, delivery)
        for delivery, state in states:
            self._metrics.messages.labels(delivery.channel, "retried" if state == "waiting" else state).inc()
            about = {
                "incident": delivery.incident,
                "channel": delivery.channel,
                "attempt": delivery.attempts,
            }
            log.info(f"message {state}", extra=about | {"reason": outcome.detail})

    def _policy(self, channel: str) -> RetryPolicy:
        """Return how often and after what pause sending over a channel is tried again."""
        channels, usual = self._settings.channels, self._settings.escalation.delivery
        match channel:
            case "webhook":
                return channels.webhooks.delivery
            case "grafana":
                return channels.grafana.delivery
            case "datadog":
                return self._settings.integrations.datadog.delivery
            case "newrelic":
                return self._settings.integrations.newrelic.delivery
            case silences.ALERTMANAGER:
                return usual.model_copy(update=_SILENCE_POLICY)
            case "telegram":
                return usual.model_copy(update={"retries": channels.telegram.retries})
        return usual


def _line(delivery: ClaimedDelivery, outcome: Outcome) -> tuple[str, str]:
    """Return the timeline's kind and text of whether someone was told, without the address."""
    text = f"{delivery.contact} over {delivery.channel}"
    return ("told", text) if outcome.done else ("not_told", f"{text}: {outcome.detail}")
