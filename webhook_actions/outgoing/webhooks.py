"""Delivers an event to an endpoint, signed as Standard Webhooks (standardwebhooks.com) are."""

import binascii
from datetime import UTC, datetime

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from clients.http import Request
from stack.settings import Settings
from webhook_actions.notify.http import SETTINGS, send_to
from webhook_actions.outcome import Outcome
from webhook_actions.store.deliveries import ClaimedDelivery

_GONE = 410  # the specification: send no more to this endpoint; after any other refusal the engine retries


def send(settings: Settings, delivery: ClaimedDelivery) -> Outcome:
    """Deliver once; a delivery keeps its `webhook-id` in every retry."""
    webhooks = settings.channels.webhooks
    endpoint = next((one for one in webhooks.endpoints if one.name == delivery.address), None)
    if endpoint is None:
        return Outcome.failed(f"channels.webhooks.endpoints no longer has {delivery.address}", cause=SETTINGS)
    secret = endpoint.secret_file.read_text(encoding="utf-8").strip()
    body, name, now = delivery.body or "", f"msg_{delivery.id}", datetime.now(UTC)
    try:
        signature = Webhook(secret).sign(name, now, body)
    except (binascii.Error, EmptyWebhookSecretError):
        wrong = f"{endpoint.secret_file.name} holds no Standard Webhooks secret (base64 after whsec_)"
        return Outcome.failed(wrong, cause=SETTINGS)
    header = {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    return send_to(
        endpoint.name,
        Request("POST", str(endpoint.url), webhooks.timeout, header, body=body.encode()),
        secrets=(secret,),
        again=lambda status: status != _GONE,
    )
