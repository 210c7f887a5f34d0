"""Writes an event through Datadog's events API: https://docs.datadoghq.com/api/latest/events/."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from clients.http import Request
from stack.settings import Settings
from webhook_actions.notify.http import SETTINGS, send_to
from webhook_actions.outcome import Outcome
from webhook_actions.store.deliveries import ClaimedDelivery

_TITLE, _TEXT = 100, 4000  # characters of Datadog's limit
_KINDS = {"critical": "error", "warning": "warning"}


def event(settings: Settings, kind: str, data: Mapping[str, Any], at: datetime) -> str:
    """Return the body of an event; events of one incident share a key, so that Datadog groups them."""
    bot, alert, number = (data.get(name) or "" for name in ("bot", "alert", "incident"))
    about = " ".join(str(part) for part in (kind, data.get("action"), alert, bot) if part)
    tags = [f"{name}:{value}" for name, value in (("bot", bot), ("alert", alert), ("type", kind)) if value]
    said = [data.get(name) for name in ("summary", "detail", "reason", "comment")]
    severe = _KINDS.get(data.get("severity", ""), "info")
    body: dict[str, Any] = {
        "title": about[:_TITLE],
        "text": ("\n".join(str(part) for part in said if part) or about)[:_TEXT],
        "date_happened": int(at.timestamp()),
        "tags": ["nightdesk", *tags, *settings.integrations.datadog.tags],
        "alert_type": "success" if kind == "incident.closed" else severe,
        "priority": "normal",
    }
    if number:
        body["aggregation_key"] = f"nightdesk-{number}"
    return json.dumps(body)


def send(settings: Settings, delivery: ClaimedDelivery) -> Outcome:
    """Send the event of a delivery."""
    config = settings.integrations.datadog
    if config.api_key_file is None:
        return Outcome.failed("integrations.datadog.api_key_file is not set", cause=SETTINGS)
    key = config.api_key_file.read_text(encoding="utf-8").strip()
    url = f"{str(config.api_url).rstrip('/')}/api/v1/events"
    header = {"DD-API-KEY": key, "Content-Type": "application/json"}
    body = (delivery.body or "").encode()
    return send_to("Datadog", Request("POST", url, config.timeout, header, body=body), secrets=(key,))
