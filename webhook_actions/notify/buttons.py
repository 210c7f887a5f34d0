"""The buttons below a Telegram message: their text and act, signed for the chat, for a limited time."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from stack.settings import Settings
from stack.settings.roles import Right
from webhook_actions.notify.links import LinkError, Links

_PURPOSE = "telegram button"
ALL = 0  # instead of an incident's number: all incidents of the message
SNOOZE = 3600.0  # seconds of a snooze by a button, a phone's key or ntfy


class Act(StrEnum):
    """What a button does, as one letter, because Telegram has room for 64 bytes."""

    ACKNOWLEDGE = "a"
    SNOOZE = "s"
    PAUSE = "p"
    RESUME = "r"


WANTS = {
    Act.ACKNOWLEDGE: Right.ACKNOWLEDGE,
    Act.SNOOZE: Right.SNOOZE,
    Act.PAUSE: Right.PAUSE,
    Act.RESUME: Right.RESUME,
}
_SAYS = {
    Act.ACKNOWLEDGE: "Acknowledge",
    Act.SNOOZE: "Snooze 1 h",
    Act.PAUSE: "Pause all actions",
    Act.RESUME: "Let actions run again",
}
_SAYS_OF_ALL = {Act.ACKNOWLEDGE: "Acknowledge all", Act.SNOOZE: "Snooze all 1 h"}


@dataclass(frozen=True)
class Press:
    """A button's act, and its incident, or ALL."""

    act: Act
    incident: int


Keyboard = dict[str, list[list[dict[str, str]]]]
"""An inline keyboard in Telegram's form: rows of buttons."""


class Buttons:
    """Makes and reads buttons; a new act token ends those of the old one."""

    def __init__(self, settings: Settings, links: Links) -> None:
        self._valid = float(settings.escalation.link_valid_for)
        self._links = links

    def keyboard(self, chat: int, incident: int, acts: Iterable[Act], now: datetime) -> Keyboard:
        """Return buttons below a message to a chat about an incident: answers in one row, others below."""
        until = int(now.timestamp() + self._valid)
        made = {act: self._button(act, incident, until, chat) for act in acts}
        answers = [made.pop(act) for act in (Act.ACKNOWLEDGE, Act.SNOOZE) if act in made]
        return {"inline_keyboard": [row for row in (answers, *([one] for one in made.values())) if row]}

    def read(self, data: str, chat: int, now: datetime) -> Press:
        """Return the act of a button.

        Raises LinkError if it was not made here for that chat, or is too old.
        """
        payload, _, mac = data.rpartition(".")
        ours = data.isascii() and hmac.compare_digest(mac, self._mac(payload, chat))
        if not ours:
            raise LinkError("another Nightdesk made this button, or the act token has changed since")
        act, incident, until = payload.split(".")
        if int(until) <= now.timestamp():
            ended = datetime.fromtimestamp(int(until), UTC)
            raise LinkError(f"this button was valid until {ended:%Y-%m-%d %H:%M} UTC")
        return Press(Act(act), int(incident))

    def _button(self, act: Act, incident: int, until: int, chat: int) -> dict[str, str]:
        payload = f"{act}.{incident}.{until}"
        says = _SAYS_OF_ALL.get(act, _SAYS[act]) if incident == ALL else _SAYS[act]
        return {"text": says, "callback_data": f"{payload}.{self._mac(payload, chat)}"}

    def _mac(self, payload: str, chat: int) -> str:
        return self._links.mac(f"{_PURPOSE} {chat} {payload}")
