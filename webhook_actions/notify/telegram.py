"""A Telegram bot's messages, as plain text: names may hold what its markups would take for formatting."""

from stack.settings import Settings
from webhook_actions.notify.message import Message
from webhook_actions.outcome import Outcome
from webhook_actions.posting import json_field, post

_LONGEST = 4096  # characters that Telegram takes


def send(settings: Settings, address: str, message: Message) -> Outcome:
    """Send to a chat, by its number or `@channel`."""
    config = settings.channels.telegram
    if config.token_file is None:
        return Outcome.failed("telegram: channels.telegram.token_file is not set")
    token = config.token_file.read_text(encoding="utf-8").strip()
    return post(
        "Telegram",
        f"{str(config.api_url).rstrip('/')}/bot{token}/sendMessage",
        timeout=config.timeout,
        secrets=(token,),
        reason=json_field("description"),
        json={
            "chat_id": address if address.startswith("@") else int(address),
            "text": message.text[:_LONGEST],
            "link_preview_options": {"is_disabled": True},
        },
    )
