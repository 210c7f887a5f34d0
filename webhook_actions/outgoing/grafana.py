"""Writes an annotation through Grafana's HTTP API."""

from stack.settings import Settings
from webhook_actions.notify.http import json_field, post
from webhook_actions.outcome import Outcome
from webhook_actions.store.deliveries import ClaimedDelivery


def send(settings: Settings, delivery: ClaimedDelivery) -> Outcome:
    """Write the annotation that a delivery holds."""
    config = settings.channels.grafana
    if config.token_file is None:
        return Outcome.failed("channels.grafana.token_file is not set")
    token = config.token_file.read_text(encoding="utf-8").strip()
    return post(
        "Grafana",
        f"{settings.services.grafana.url}/api/annotations",
        timeout=config.timeout,
        secrets=(token,),
        reason=json_field("message"),
        verify=settings.web.verify,
        data=(delivery.body or "").encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
