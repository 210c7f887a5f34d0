"""Writes an event through New Relic's Event API (docs.newrelic.com, "Introduction to the Event API")."""

import gzip
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from clients.http import Request
from stack.settings import Settings
from webhook_actions.notify.http import SETTINGS, send_to
from webhook_actions.outcome import Outcome
from webhook_actions.store.deliveries import ClaimedDelivery

_TYPE = "NightdeskEvent"
_LONGEST = 4000  # characters; New Relic takes 4,096 bytes of an attribute


def event(kind: str, data: Mapping[str, Any], at: datetime) -> str:
    """Return the body of an event: New Relic accepts only numbers and text as attributes."""
    said = {
        name: value if isinstance(value, (int, float)) else str(value)[:_LONGEST]
        for name, value in data.items()
        if value is not None and not isinstance(value, (dict, list, tuple))
    }
    return json.dumps({**said, "eventType": _TYPE, "timestamp": int(at.timestamp()), "type": kind})


def send(settings: Settings, delivery: ClaimedDelivery) -> Outcome:
    """Send the event of a delivery."""
    config = settings.integrations.newrelic
    if config.license_key_file is None:
        return Outcome.failed("integrations.newrelic.license_key_file is not set", cause=SETTINGS)
    key = config.license_key_file.read_text(encoding="utf-8").strip()
    url = f"{str(config.events_url).rstrip('/')}/v1/accounts/{config.account}/events"
    header = {"Api-Key": key, "Content-Type": "application/json", "Content-Encoding": "gzip"}
    body = gzip.compress(f"[{delivery.body or ''}]".encode())
    return send_to("New Relic", Request("POST", url, config.timeout, header, body=body), secrets=(key,))
