"""Asks each channel whether it would accept a message, and sends none."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from clients.http import Request
from stack.settings import Settings
from webhook_actions.notify import APPRISE, mail, twilio
from webhook_actions.notify.http import SETTINGS, field_or_text, send_to
from webhook_actions.outcome import Outcome

VALID, UNKNOWN = "valid", "unknown: only a message shows it (--send)"
_EMPTY = (
    "no_text",
    "invalid_payload",
    "missing_text_or_fallback_or_attachments",
)  # the answer of an existing webhook


def check_channels(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Yield (channel, question, result) for each configured channel."""
    channels = settings.channels
    if channels.email.enabled:
        yield "email", channels.email.host, _said(partial(mail.log_in, settings))
    if channels.telegram.enabled:
        yield "telegram", "the token", _said(partial(_telegram, settings, "getMe", {}))
        for chat in channels.telegram.chats:
            asked = {"chat_id": str(chat)}
            yield "telegram", f"chat {chat}", _said(partial(_telegram, settings, "getChat", asked))
    if channels.slack.enabled:
        yield "slack", "the webhook", _said(partial(_slack, settings))
    for channel in ("sms", "phone"):
        config = getattr(channels, channel)
        if config.enabled:
            yield channel, config.account, _said(partial(twilio.account, settings, channel))
    files = dict.fromkeys(file for one in settings.contacts.values() for file in one.apprise_files)
    yield from ((APPRISE, str(file), UNKNOWN) for file in files)


def _said(asks: Callable[[], Outcome]) -> str:
    try:
        outcome = asks()
    except OSError as error:  # an unreadable secret
        return f"failed: {error.filename}: {error.strerror}"
    return VALID if outcome.done else f"failed: {outcome.detail}"


def _secret(file: Path | None) -> str:
    return file.read_text(encoding="utf-8").strip() if file else ""


def _telegram(settings: Settings, method: str, asked: dict[str, str]) -> Outcome:
    config = settings.channels.telegram
    token = _secret(config.token_file)
    url = f"{str(config.api_url).rstrip('/')}/bot{token}/{method}"
    request = Request("POST", url, config.timeout, json=asked)
    return send_to("Telegram", request, secrets=(token,), reason=field_or_text("description"))


def _slack(settings: Settings) -> Outcome:
    """Send nothing: Slack refuses a message without text after it has found the webhook."""
    config = settings.channels.slack
    url = _secret(config.url_file)
    outcome = send_to("Slack", Request("POST", url, config.timeout, json={"text": ""}), secrets=(url,))
    if outcome.done:
        return Outcome.failed(
            "Slack took a message without text, as no webhook of Slack does", cause=SETTINGS
        )
    return Outcome.ok(outcome.detail) if outcome.detail.endswith(_EMPTY) else outcome
