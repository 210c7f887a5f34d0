"""Silences in Alertmanager: made with an acknowledgement, ended with its incident."""

import asyncio
from datetime import UTC, datetime

from clients.alertmanager import Alertmanager, SilenceError
from stack.settings import Settings
from webhook_actions.notify.http import UNREACHABLE
from webhook_actions.outcome import Outcome
from webhook_actions.store.deliveries import Delivery
from webhook_actions.store.incidents import Incident

ALERTMANAGER = "alertmanager"  # the channel of deliveries that lift a silence


async def make(settings: Settings, incident: Incident, by: str, comment: str, until: datetime) -> str:
    """Silence exactly this alert in Alertmanager and return the silence's id. Raises SilenceError."""
    matchers = [
        {"name": name, "value": value, "isRegex": False, "isEqual": True}
        for name, value in incident.labels.items()
        if value
    ]
    alertmanager = Alertmanager(settings.services.alertmanager.urls, settings.web)
    return await alertmanager.silence(
        {
            "matchers": matchers,
            "startsAt": datetime.now(UTC).isoformat(),
            "endsAt": until.astimezone(UTC).isoformat(),
            "createdBy": by,
            "comment": comment or f"acknowledged in Nightdesk, incident {incident.id}",
        }
    )


def lift(settings: Settings, delivery: Delivery) -> Outcome:
    """End the silence that a delivery names; an ended one is no error."""
    alertmanager = Alertmanager(settings.services.alertmanager.urls, settings.web)
    try:
        asyncio.run(alertmanager.lift(delivery.address))
    except SilenceError as error:
        return Outcome.retry(str(error), cause=UNREACHABLE)
    return Outcome.ok("the silence is lifted")
