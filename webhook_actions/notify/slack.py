"""A Slack incoming webhook, whose address is its secret."""

from clients.http import Request
from stack.settings import Settings
from webhook_actions.notify.http import SETTINGS, send_to
from webhook_actions.notify.message import Message
from webhook_actions.notify.truncate import fitting
from webhook_actions.outcome import Outcome

_LONGEST = 8000  # characters: Slack takes 40,000, and an escaped character is up to five


def send(settings: Settings, address: str, message: Message) -> Outcome:
    """Send to a Slack channel, as plain text without formatting, links or mentions."""
    config = settings.channels.slack
    if config.url_file is None:
        return Outcome.failed("slack: channels.slack.url_file is not set", cause=SETTINGS)
    url = config.url_file.read_text(encoding="utf-8").strip()
    body = {
        "text": _plain(fitting(message.text, _LONGEST)),
        "channel": address,
        "username": config.username,
        "icon_emoji": config.icon,
        "mrkdwn": False,
    }
    return send_to("Slack", Request("POST", url, config.timeout, json=body), secrets=(url,))


def _plain(text: str) -> str:
    """Escape the three characters that Slack reads as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
