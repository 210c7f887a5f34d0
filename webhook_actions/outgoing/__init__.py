"""Messages to programs: signed webhooks of events, and annotations in Grafana; each is a delivery."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stack.settings import Settings
from webhook_actions.outcome import Outcome
from webhook_actions.outgoing import datadog, newrelic
from webhook_actions.store import deliveries, incidents
from webhook_actions.store.database import Connection
from webhook_actions.store.deliveries import Delivery
from webhook_actions.store.incidents import Incident

ALERTS, TRADING, REPORTS = "system_alerts", "trading_events", "performance_reports"
WEBHOOK, GRAFANA, DATADOG, NEWRELIC = "webhook", "grafana", "datadog", "newrelic"


@dataclass(frozen=True)
class Event:
    """An event: its family, which an endpoint chooses, its type, and its data."""

    family: str
    type: str
    data: Mapping[str, Any]
    incident: int | None = None


class Outgoing:
    """Writes events for the endpoints that want them, in the transaction of the change."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._endpoints = settings.channels.webhooks.endpoints
        self._grafana = settings.channels.grafana
        systems = settings.integrations
        self._systems = [
            name for name in (DATADOG, NEWRELIC) if getattr(systems, name).enabled
        ]  # these want every event

    def wants(self, family: str) -> bool:
        """Return whether anyone wants the events of a family."""
        return bool(self._systems) or any(family in endpoint.events for endpoint in self._endpoints)

    async def tell(self, connection: Connection, events: Sequence[Event]) -> None:
        """Write events as `type`, `timestamp` and `data`, for endpoints that want them, and for other
        systems.
        """
        at = datetime.now(UTC)
        now = at.isoformat()
        written = [
            Delivery(
                WEBHOOK,
                endpoint.name,
                event.incident,
                body=json.dumps({"type": event.type, "timestamp": now, "data": event.data}, default=str),
            )
            for event in events
            for endpoint in self._endpoints
            if event.family in endpoint.events
        ]
        written += [
            Delivery(name, name, event.incident, body=self._body(name, event, at))
            for event in events
            for name in self._systems
        ]
        await deliveries.write(connection, written)

    def _body(self, system: str, event: Event, at: datetime) -> str:
        if system == DATADOG:
            return datadog.event(self._settings, event.type, event.data, at)
        return newrelic.event(event.type, event.data, at)

    async def opened(self, connection: Connection, ids: Sequence[int]) -> None:
        """Report new incidents."""
        if self.wants(ALERTS):
            found = await incidents.load(connection, ids)
            await self.tell(
                connection, [Event(ALERTS, "incident.opened", _about(one), one.id) for one in found]
            )

    async def incident(self, connection: Connection, incident: Incident, what: str, **more: object) -> None:
        """Report a change of an incident: `incident.<what>`, among the system alerts."""
        await self.tell(connection, [Event(ALERTS, f"incident.{what}", _about(incident) | more, incident.id)])

    async def acted(
        self, connection: Connection, incident: Incident, action: str, effect: str, outcome: Outcome
    ) -> None:
        """Report an action: as a trading event if it touches money, else as a system alert."""
        family = TRADING if effect == "money" else ALERTS
        data = _about(incident) | {"action": action, "outcome": outcome.result, "detail": outcome.detail}
        await self.tell(connection, [Event(family, "action.ended", data, incident.id)])
        text = f"{action} of {incident.bot}: {outcome.result}. {outcome.detail}"
        await self.annotate(connection, incident, text, action)

    async def report(self, connection: Connection, name: str, content: Mapping[str, Any]) -> None:
        """Report a finished performance report."""
        await self.tell(connection, [Event(REPORTS, "report.ready", {"report": name, **content})])

    async def annotate(self, connection: Connection, incident: Incident, text: str, *tags: str) -> None:
        """Write an annotation for now in Grafana, if configured, tagged with the bot and the alert."""
        if self._grafana.enabled:
            named = [tag for tag in ("nightdesk", incident.bot, incident.alert, *tags) if tag]
            body = {"time": int(datetime.now(UTC).timestamp() * 1000), "tags": named, "text": text}
            await deliveries.write(
                connection, [Delivery(GRAFANA, GRAFANA, incident.id, body=json.dumps(body))]
            )


def _about(incident: Incident) -> dict[str, Any]:
    return {
        "incident": incident.id,
        "alert": incident.alert,
        "bot": incident.bot,
        "severity": incident.severity,
        "summary": incident.annotations.get("summary", ""),
        "opened_at": incident.opened_at,
    }
