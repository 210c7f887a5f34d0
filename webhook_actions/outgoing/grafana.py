"""Writes an annotation through Grafana's HTTP API."""

from clients.http import Request
from stack.settings import Settings
from webhook_actions.notify.http import SETTINGS, field_or_text, send_to
from webhook_actions.outcome import Outcome
from webhook_actions.store.deliveries import ClaimedDelivery


def send(settings: Settings, delivery: ClaimedDelivery) -> Outcome:
    """Write the annotation of a delivery."""
    config = settings.channels.grafana
    if config.token_file is None:
        return Outcome.failed("channels.grafana.token_file is not set", cause=SETTINGS)
    token = config.token_file.read_text(encoding="utf-8").strip()
    header = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = Request(
        "POST",
        f"{settings.services.grafana.url}/api/annotations",
        config.timeout,
        header,
        body=(delivery.body or "").encode(),
        way=settings.web.way,
    )
    return send_to("Grafana", request, secrets=(token,), reason=field_or_text("message"))
