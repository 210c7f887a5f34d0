"""A Telegram bot's messages, as plain text: names may hold what its markups would take for formatting."""

from typing import Any

from stack.settings import Settings
from webhook_actions.notify.http import json_field, post
from webhook_actions.notify.message import Message
from webhook_actions.outcome import Outcome

_LONGEST, _CAPTION = 4096, 1024  # characters that Telegram takes of a message, and below a file


def send(settings: Settings, address: str, message: Message) -> Outcome:
    """Send to a chat, by its number or `@channel`; the first file with the text below it, as one message."""
    config = settings.channels.telegram
    if config.token_file is None:
        return Outcome.failed("telegram: channels.telegram.token_file is not set")
    token = config.token_file.read_text(encoding="utf-8").strip()
    chat = address if address.startswith("@") else int(address)
    request: dict[str, Any]
    if message.files:
        file = message.files[0]
        method = "sendDocument"
        request = {
            "data": {"chat_id": chat, "caption": message.text[:_CAPTION]},
            "files": {"document": (file.name, file.content, file.kind)},
        }
    else:
        method = "sendMessage"
        request = {
            "json": {
                "chat_id": chat,
                "text": message.text[:_LONGEST],
                "link_preview_options": {"is_disabled": True},
            }
        }
    return post(
        "Telegram",
        f"{str(config.api_url).rstrip('/')}/bot{token}/{method}",
        timeout=config.timeout,
        secrets=(token,),
        reason=json_field("description"),
        **request,
    )
