"""Chooses other channels for a person when one has failed."""

from collections.abc import Collection, Sequence

from stack.settings import Settings
from stack.settings.plan import APPRISE, Recipient, own_addresses, reached

WAKING = ("phone", "sms")  # channels that wake people
_IN_TURN = ("phone", "sms", "telegram", APPRISE, "email")


def over(settings: Settings, name: str, channel: str) -> list[Recipient]:
    """Return a contact's, or the desk's, addresses on a channel; none if it is not enabled."""
    if channel != APPRISE and not getattr(settings.channels, channel).enabled:
        return []
    if name not in settings.contacts:
        own = () if channel == APPRISE else own_addresses(settings, channel)
        return [Recipient(channel, address, name) for address in own]
    asked = [] if channel == APPRISE else [channel]  # Apprise's URLs are always part of the answer
    return [one for one in reached(settings, name, asked) if one.channel == channel]


def instead(settings: Settings, name: str, tried: Sequence[tuple[str, str]]) -> list[Recipient]:
    """Return the addresses of the next channel for someone whom an SMS or a call has not reached.

    `tried` are the channels so far, each with the state of its delivery. There is no next channel while
    another that wakes people has reached them, or may.
    """
    if any(channel in WAKING and state != "failed" for channel, state in tried):
        return []
    untried = (channel for channel in _IN_TURN if channel not in {one for one, _ in tried})
    return next((found for channel in untried if (found := over(settings, name, channel))), [])


def beside(
    settings: Settings, name: str, failing: str, others: Collection[tuple[str, str]]
) -> list[Recipient]:
    """Return where someone is notified that a channel fails: over all other channels that work.

    The phone rings only if nothing else is left.
    """
    channels = [one for one in (*_IN_TURN, "slack") if one != failing]
    known = [address for channel in channels for address in over(settings, name, channel)]
    works = [one for one in known if one.place not in others]
    return [one for one in works if one.channel != "phone"] or works
