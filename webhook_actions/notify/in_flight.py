"""Counts the messages in flight by channel and address, so that a hanging one delays no other."""

from collections import Counter
from collections.abc import Iterable

from webhook_actions.outgoing import WEBHOOK
from webhook_actions.store.deliveries import Open

PEOPLE = 8  # messages at a time over one channel to people
PROGRAM = 4  # events at a time to one program; a person gets one, so that waiting ones go together


class InFlight:
    """Counts messages from their claim to their end."""

    def __init__(self, people: Iterable[str], programs: Iterable[str], endpoints: int) -> None:
        """`endpoints` are those of webhooks; each has its own count."""
        self._people = frozenset(people)
        self.at_once = PEOPLE * len(self._people) + PROGRAM * (len(tuple(programs)) + endpoints)
        self._channels = Counter[str]()
        self._addresses = Counter[tuple[str, str]]()

    def begin(self, channel: str, address: str) -> None:
        """Count a message that starts."""
        self._channels[channel] += 1
        self._addresses[channel, address] += 1

    def end(self, channel: str, address: str) -> None:
        """Count a message that has ended."""
        self._channels[channel] -= 1
        self._addresses[channel, address] -= 1

    def open(self, *, interrupted: bool) -> Open:
        """Return which deliveries may be claimed."""
        full = [channel for channel, count in self._channels.items() if count >= self._most(channel)]
        busy = [
            (channel, address)
            for (channel, address), count in self._addresses.items()
            if count >= (1 if channel in self._people else PROGRAM)
        ]
        return Open(full, busy, interrupted)

    def _most(self, channel: str) -> int:
        if channel == WEBHOOK:
            return self.at_once
        return PEOPLE if channel in self._people else PROGRAM
