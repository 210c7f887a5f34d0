"""Sends deliveries: claims due ones, sends them in its own threads, and writes the result."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from stack.settings import RetryPolicy, Settings
from webhook_actions.metrics import Metrics
from webhook_actions.notify import CHANNELS, notices, receipts, send, silences
from webhook_actions.notify.in_flight import InFlight
from webhook_actions.notify.links import Links
from webhook_actions.notify.message import IncidentNotice, compose
from webhook_actions.notify.receipts import People, Receipts
from webhook_actions.outcome import Outcome
from webhook_actions.outgoing import DATADOG, GRAFANA, NEWRELIC, WEBHOOK, datadog, grafana, newrelic, webhooks
from webhook_actions.report import archive
from webhook_actions.store import deliveries, escalation_steps, incidents, outages
from webhook_actions.store.database import GONE, Connection, Pool
from webhook_actions.store.deliveries import ClaimedDelivery, Open

log = logging.getLogger(__name__)

_RENEWALS = 4  # seconds before a lease ends: a renewal may be late
_WRITE_AGAIN = 0.5  # seconds between two attempts to write the result
_STILL = "you were notified, and nobody has answered yet"
_SILENCE_POLICY = {"retries": 8, "pause": 4.0}  # retries for some hours
_PROGRAMS = {
    WEBHOOK: webhooks.send,
    GRAFANA: grafana.send,
    DATADOG: datadog.send,
    NEWRELIC: newrelic.send,
    silences.ALERTMANAGER: silences.lift,
}


class Sender:
    """Sends due deliveries. A crash between sending and writing sends a delivery twice."""

    def __init__(
        self, settings: Settings, pool: Pool, metrics: Metrics, people: People, links: Links
    ) -> None:
        """`people` are notified, in its transaction, of each delivery that is given up."""
        self._settings = settings
        self._pool = pool
        self._metrics = metrics
        self._people = people
        self._links = links
        self._in_flight = InFlight(CHANNELS, _PROGRAMS, len(settings.channels.webhooks.endpoints))
        self.at_once = self._in_flight.at_once
        self._threads = ThreadPoolExecutor(
            self.at_once + receipts.AT_ONCE, thread_name_prefix="deliveries"
        )  # threads start when needed: as many as may wait, so that none waits for another channel
        self.receipts = Receipts(settings, pool, metrics, people, self._threads)
        self._lease = float(settings.webhook_actions.heartbeat)
        self._database_away = -math.inf  # the time of the last one

    async def claim(self) -> Callable[[], Awaitable[None]] | None:
        """Claim due deliveries to one address, over a channel that has room, and return their sender."""
        async with self._reaching() as connection:
            batch = await deliveries.claim(connection, self._lease, self._open())
        if not batch:
            return None
        self._in_flight.begin(batch[0].channel, batch[0].address)
        return lambda: self._deliver(batch)

    async def next_due(self) -> float | None:
        """Return the seconds until a delivery is due over a channel that has room."""
        async with self._reaching() as connection:
            return await deliveries.next_due(connection, self._open())

    def _open(self) -> Open:
        # After an outage of the database a living process writes its results before others claim its rows.
        returned = asyncio.get_running_loop().time() - self._database_away
        return self._in_flight.open(interrupted=returned > self._lease)

    @asynccontextmanager
    async def _reaching(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except GONE:
            self._database_away = asyncio.get_running_loop().time()
            raise

    def close(self) -> None:
        """Start nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _deliver(self, batch: list[ClaimedDelivery]) -> None:
        """Send deliveries to one address as one message, and write the result of each.

        They belong to this process meanwhile; another takes over within a lease of its death.
        """
        try:
            sending = asyncio.ensure_future(self._send_and_record(batch))
            while not (await asyncio.wait({sending}, timeout=self._lease / _RENEWALS))[0]:
                await self._renew(batch)
            await sending
        finally:
            self._in_flight.end(batch[0].channel, batch[0].address)

    async def _renew(self, batch: list[ClaimedDelivery]) -> None:
        try:
            async with self._reaching() as connection:
                await deliveries.renew(connection, batch, self._lease)
        except GONE as error:
            log.warning("a lease cannot be renewed yet", extra={"reason": str(error)})

    async def _send_and_record(self, batch: list[ClaimedDelivery]) -> None:
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
                log.warning("the result of sending cannot be written yet", extra={"reason": str(error)})
                await asyncio.sleep(_WRITE_AGAIN)

    async def _send(self, batch: Sequence[ClaimedDelivery]) -> Outcome:
        first = batch[0]
        try:
            if first.channel not in CHANNELS:
                program = _PROGRAMS[first.channel]
                return await self._in_thread(lambda: program(self._settings, first))
            if first.step is None and first.body is not None:
                if notice := notices.message(first.body):
                    return await self._in_thread(
                        lambda: send(self._settings, first.channel, first.address, notice)
                    )
                return await self._send_report(first, first.body)
            message = compose(self._settings, await self._told(batch), self._links.page)
            return await self._in_thread(lambda: send(self._settings, first.channel, first.address, message))
        except GONE:
            raise
        except Exception as error:  # an error that no channel foresaw must not stop the others
            log.exception("a message could not be sent", extra={"channel": first.channel})
            return Outcome.retry(f"raised {type(error).__name__}", cause="defect")

    async def _in_thread(self, function: Callable[[], Outcome]) -> Outcome:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def _send_report(self, delivery: ClaimedDelivery, body: str) -> Outcome:
        async with self._pool.connection() as connection:
            kept = await archive.of_body(connection, body)
        if not kept:
            return Outcome.failed("the report is no longer kept", cause="gone")

        def draw_and_send() -> Outcome:
            from webhook_actions.report.sending import message  # here: matplotlib takes a second and 50 MB

            told = message(self._settings, [one.content for one in kept])
            return send(self._settings, delivery.channel, delivery.address, told)

        return await self._in_thread(draw_and_send)

    async def _told(self, batch: Sequence[ClaimedDelivery]) -> list[IncidentNotice]:
        """Return the incidents of a message, each once, with the contact's own link.

        A message that insists also contains, at its end, the address's earlier unanswered incidents.
        """
        wanted = {one.incident: (one.contact, one.why or "") for one in batch if one.incident is not None}
        news = len(wanted)
        async with self._pool.connection() as connection:
            if any(one.insists for one in batch):
                for id_, contact in await deliveries.unanswered(connection, batch[0].address, list(wanted)):
                    wanted[id_] = contact, _STILL
            found = await escalation_steps.with_runs(connection, list(wanted))
        others = set(list(wanted)[news:])
        found.sort(key=lambda one: one[0].id in others)
        now = datetime.now(UTC)
        return [
            IncidentNotice(incident, tried, why, self._links.url(incident.id, contact, now), contact)
            for incident, tried in found
            for contact, why in [wanted[incident.id]]
        ]

    async def _record(self, batch: Sequence[ClaimedDelivery], outcome: Outcome) -> None:
        async with self._pool.transaction() as connection:
            await deliveries.cancel(connection, [delivery for delivery in batch if not delivery.wanted])
            wanted = [delivery for delivery in batch if delivery.wanted]
            asked = batch[0].channel in receipts.ASKED and outcome.receipt
            policy, ask_after = self._policy(batch[0].channel), receipts.FIRST if asked else None
            states = await deliveries.record(connection, wanted, outcome, policy, ask_after)
            ended = [one for one, state in states if one.step is not None and state != "waiting"]
            await incidents.tell_all(
                connection,
                [(one.incident, *_line(one, outcome)) for one in ended if one.incident],
            )
            for delivery, state in states:
                if state == "failed":
                    await self._people.failed(connection, delivery)
            if states and not asked:
                final = any(state == "failed" for _, state in states)
                await self._note(connection, batch[0], outcome, final=final)
        for delivery, state in states:
            if state == "failed":
                self._metrics.undelivered.labels(delivery.channel, outcome.cause or "other").inc()
            self._metrics.messages.labels(delivery.channel, "retried" if state == "waiting" else state).inc()
            about = {
                "incident": delivery.incident,
                "channel": delivery.channel,
                "attempt": delivery.attempts,
            }
            log.info(f"message {state}", extra=about | {"reason": outcome.detail})

    async def _note(
        self, connection: Connection, one: ClaimedDelivery, outcome: Outcome, *, final: bool
    ) -> None:
        """Record whether a channel works, and notify people over the others when that changes."""
        if one.channel not in CHANNELS:
            return  # a metric and its alert report what only programs miss
        if outcome.done:
            if ended := await outages.ended(connection, one.channel, one.address):
                await self._people.channel_is_back(connection, ended)
        elif outage := await outages.failed(
            connection, one.channel, one.address, outcome.detail, final=final
        ):
            await self._people.channel_fails(connection, outage)

    def _policy(self, channel: str) -> RetryPolicy:
        """Return how often, and after what pauses, the engine retries over a channel."""
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
    """Return kind and text of the timeline entry about a notification, without the address."""
    text = f"{delivery.contact} over {delivery.channel}"
    return ("told", text) if outcome.done else ("not_told", f"{text}: {outcome.detail}")
