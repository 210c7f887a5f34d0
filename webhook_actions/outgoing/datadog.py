"""Writes an event through Datadog's events API: https://docs.datadoghq.com/api/latest/events/."""

from stack.settings import Settings
from webhook_actions.outbox import Claimed
from webhook_actions.outcome import Outcome
from webhook_actions.posting import post


def send(settings: Settings, letter: Claimed) -> Outcome:
    """Write the event that a letter holds."""
    config = settings.integrations.datadog
    if config.api_key_file is None:
        return Outcome.failed("integrations.datadog.api_key_file is not set")
    key = config.api_key_file.read_text(encoding="utf-8").strip()
    return post(
        "Datadog",
        f"{str(config.api_url).rstrip('/')}/api/v1/events",
        timeout=config.timeout,
        secrets=(key,),
        data=(letter.body or "").encode(),
        headers={"DD-API-KEY": key, "Content-Type": "application/json"},
    )
