"""Over which other ways someone is reached where one has failed."""

from collections.abc import Collection, Sequence

from stack.settings import Contact, Settings
from webhook_actions.notify import APPRISE
from webhook_actions.store.escalation_steps import Address

WAKING = ("phone", "sms")  # what is meant to wake
_IN_TURN = ("phone", "sms", "telegram", APPRISE, "email")


def over(settings: Settings, contact: Contact, channel: str) -> list[Address]:
    """Return where a channel reaches a contact; one without any address is the owner, whom settings name."""
    every = settings.channels
    if channel == APPRISE:
        return [Address(APPRISE, str(file)) for file in contact.apprise_files]
    if not getattr(every, channel).enabled:
        return []
    owner = not (contact.email or contact.phone or contact.telegram or contact.apprise_files)
    known: dict[str, Sequence[str | int]] = {
        "email": every.email.to if owner else contact.email,
        "sms": every.sms.to if owner else contact.phone,
        "phone": every.phone.to if owner else contact.phone,
        "telegram": every.telegram.chats if owner else contact.telegram,
        "slack": [every.slack.channel],
    }
    return [Address(channel, str(one)) for one in known[channel]]


def instead(settings: Settings, contact: Contact, tried: Sequence[tuple[str, str]]) -> list[Address]:
    """Return the addresses of the next channel for someone whom an SMS or a call has not reached.

    `tried` are the channels that were told to, each with the state of its delivery. There is no next while
    another that wakes has reached them, or may.
    """
    if any(channel in WAKING and state != "failed" for channel, state in tried):
        return []
    untried = (channel for channel in _IN_TURN if channel not in {one for one, _ in tried})
    return next((found for channel in untried if (found := over(settings, contact, channel))), [])


def beside(
    settings: Settings, contact: Contact, failing: str, others: Collection[tuple[str, str]]
) -> list[Address]:
    """Return where someone hears that a channel fails: everywhere else that works.

    The phone rings only where nothing else is left.
    """
    channels = [one for one in (*_IN_TURN, "slack") if one != failing]
    known = [address for channel in channels for address in over(settings, contact, channel)]
    works = [one for one in known if (one.channel, one.address) not in others]
    return [one for one in works if one.channel != "phone"] or works
