"""A Slack incoming webhook, whose address is its secret."""

from stack.settings import Settings
from webhook_actions.notify.http import post
from webhook_actions.notify.message import Message
from webhook_actions.outcome import Outcome


def send(settings: Settings, address: str, message: Message) -> Outcome:
    """Send to a Slack channel, as text in which nothing is formatting, a link or a mention."""
    config = settings.channels.slack
    if config.url_file is None:
        return Outcome.failed("slack: channels.slack.url_file is not set")
    url = config.url_file.read_text(encoding="utf-8").strip()
    return post(
        "Slack",
        url,
        timeout=config.timeout,
        secrets=(url,),
        json={
            "text": _plain(message.text),
            "channel": address,
            "username": config.username,
            "icon_emoji": config.icon,
            "mrkdwn": False,
        },
    )


def _plain(text: str) -> str:
    """Write out the three characters that Slack reads as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
