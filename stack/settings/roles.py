"""The rights of each role on an incident from a message, in pure functions of the settings."""

from enum import StrEnum

from stack.settings.model import Settings
from stack.settings.plan import DESK


class Right(StrEnum):
    """The rights of a person; an action needs the right for its effect."""

    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    PAUSE = "pause"
    RESUME = "resume"
    OBSERVE = "observe"
    DISRUPTIVE = "disruptive"
    MONEY = "money"


_RESPONDER = frozenset({Right.ACKNOWLEDGE, Right.SNOOZE, Right.PAUSE, Right.OBSERVE})
_RIGHTS = {"viewer": frozenset[Right](), "responder": _RESPONDER, "operator": frozenset(Right)}


def role_of(settings: Settings, name: str) -> str | None:
    """Return the role of a contact, or of the desk; None for anyone else."""
    if contact := settings.contacts.get(name):
        return contact.role
    return settings.escalation.desk_role if name == DESK else None


def rights_of(settings: Settings, name: str) -> frozenset[Right]:
    """Return the rights of a contact, or of the desk; none for anyone else."""
    return _RIGHTS.get(role_of(settings, name) or "viewer", frozenset())


def of_chat(settings: Settings, chat: int, user: int, *, closed: bool) -> str | None:
    """Return the actor of a button in a Telegram chat: a contact, the desk, or None for a stranger.

    The number of a private chat identifies a person. In a configured group everybody acts as the group's
    contact, or as the desk. Anybody may join a group that is not `closed`: there only known persons act.
    """
    places = {name: contact.telegram for name, contact in settings.contacts.items()}
    own = settings.channels.telegram.chats
    if chat not in own and not any(chat in chats for chats in places.values()):
        return None
    if person := next((name for name, chats in places.items() if user in chats), None):
        return person
    if user == chat or closed:
        return next((name for name, chats in places.items() if chat in chats), DESK)
    return None
