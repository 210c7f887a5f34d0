"""A Telegram bot's messages, as plain text, because names may contain markup characters."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

from clients.http import Request
from stack.settings import Settings
from stack.settings.roles import of_chat, rights_of
from webhook_actions.notify.buttons import ALL, WANTS, Act, Buttons
from webhook_actions.notify.http import SETTINGS, field, field_or_text, send_to
from webhook_actions.notify.links import Links
from webhook_actions.notify.message import Attachment, Message
from webhook_actions.notify.truncate import cut, fitting
from webhook_actions.outcome import Outcome

_LONGEST, _CAPTION = 4096, 1024  # the longest message, and the longest caption of a file, in characters


def send(settings: Settings, address: str, message: Message) -> Outcome:
    """Send to a chat, by its number or `@channel`; the text is the first file's caption.

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
        about = {"chat_id": chat, "link_preview_options": {"is_disabled": True}}
        said = about | words(settings, chat, message)
        request = Request("POST", f"{api}/sendMessage", config.timeout, json=said)
    return send_to(
        "Telegram",
        request,
        secrets=(token,),
        reason=field_or_text("description"),
        receipt=field("result", "message_id"),
    )


def words(settings: Settings, chat: int | str, message: Message) -> dict[str, object]:
    """Return text and buttons of a message; no buttons in a public `@channel`, which anybody may read.

    Raises OSError if the token that signs them is unreadable.
    """
    said: dict[str, object] = {"text": fitting(message.text, _LONGEST)}
    name = None if isinstance(chat, str) else of_chat(settings, chat, chat, closed=True)
    if (
        isinstance(chat, str)
        or name is None
        or not (message.incidents and settings.channels.telegram.buttons)
    ):
        return said
    rights = rights_of(settings, name)
    acts = [act for act in (Act.ACKNOWLEDGE, Act.SNOOZE, Act.PAUSE) if WANTS[act] in rights]
    if acts:
        about = message.incidents[0] if len(message.incidents) == 1 else ALL
        buttons = Buttons(settings, Links(settings))
        said["reply_markup"] = buttons.keyboard(chat, about, acts, datetime.now(UTC))
    return said


def _form(fields: Mapping[str, str], name: str, file: Attachment) -> tuple[str, bytes]:
    """Return the media type and the bytes of a form with a file (RFC 7578)."""
    boundary = uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    parts = [f'{head}{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields.items()]
    about = f'{head}{name}"; filename="{file.name}"\r\nContent-Type: {file.kind}\r\n\r\n'
    parts += [about.encode(), file.content, f"\r\n--{boundary}--\r\n".encode()]
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)
