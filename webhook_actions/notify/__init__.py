"""The interface of a channel, and the channels by name, a file each."""

from collections.abc import Callable, Mapping

from stack.settings import Settings
from stack.settings.plan import APPRISE
from webhook_actions.notify import apprise_urls, mail, slack, telegram, twilio
from webhook_actions.notify.http import SETTINGS
from webhook_actions.notify.message import Message
from webhook_actions.outcome import Outcome

__all__ = ["APPRISE", "CHANNELS", "Message", "send"]

# Each sends one message to one address, and says whether a retry makes sense; it does not retry itself.
CHANNELS: Mapping[str, Callable[[Settings, str, Message], Outcome]] = {
    "email": mail.send,
    "telegram": telegram.send,
    "slack": slack.send,
    "sms": twilio.send_sms,
    "phone": twilio.call,
    APPRISE: apprise_urls.send,
}


def send(settings: Settings, channel: str, address: str, message: Message) -> Outcome:
    """Send over a channel; an unreadable secret file is an outcome that names it."""
    try:
        return CHANNELS[channel](settings, address, message)
    except (OSError, UnicodeDecodeError) as error:
        return Outcome.failed(f"{channel}: cannot read its secret: {error}", cause=SETTINGS)
