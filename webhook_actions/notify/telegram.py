"""A Telegram bot's messages, as plain text: names may hold what its markups would take for formatting."""

from collections.abc import Mapping
from uuid import uuid4

from clients.http import Request
from stack.settings import Settings
from webhook_actions.notify.cut import cut, fitting
from webhook_actions.notify.http import SETTINGS, field, field_or_text, send_to
from webhook_actions.notify.message import Attachment, Message
from webhook_actions.outcome import Outcome

_LONGEST, _CAPTION = 4096, 1024  # characters that Telegram takes of a message, and below a file


def send(settings: Settings, address: str, message: Message) -> Outcome:
    """Send to a chat, by its number or `@channel`; the first file with the text below it, as one message.

    The receipt is the message's id in the chat.
    """
    config = settings.channels.telegram
    if config.token_file is None:
        return Outcome.failed("telegram: channels.telegram.token_file is not set", cause=SETTINGS)
    token = config.token_file.read_text(encoding="utf-8").strip()
    chat = address if address.startswith("@") else int(address)
    api = f"{str(config.api_url).rstrip('/')}/bot{token}"
    if message.files:
        fields = {"chat_id": str(chat), "caption": cut(message.text, _CAPTION)}
        kind, body = _form(fields, "document", message.files[0])
        request = Request("POST", f"{api}/sendDocument", config.timeout, {"Content-Type": kind}, body=body)
    else:
        said = {
            "chat_id": chat,
            "text": fitting(message.text, _LONGEST),
            "link_preview_options": {"is_disabled": True},
        }
        request = Request("POST", f"{api}/sendMessage", config.timeout, json=said)
    return send_to(
        "Telegram",
        request,
        secrets=(token,),
        reason=field_or_text("description"),
        receipt=field("result", "message_id"),
    )


def _form(fields: Mapping[str, str], name: str, file: Attachment) -> tuple[str, bytes]:
    """Return the media type and the bytes of a form with a file (RFC 7578)."""
    boundary = uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    parts = [f'{head}{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields.items()]
    about = f'{head}{name}"; filename="{file.name}"\r\nContent-Type: {file.kind}\r\n\r\n'
    parts += [about.encode(), file.content, f"\r\n--{boundary}--\r\n".encode()]
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)
