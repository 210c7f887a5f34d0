"""Checks overrides and swaps of shifts; pure functions of the settings."""

from datetime import datetime
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from stack.settings.model import Settings
from stack.settings.plan import CHANNELS, reached
from stack.settings.rota import Shift, shifts

Window = tuple[datetime, datetime]


def wrong_with(settings: Settings, contact: str, window: Window) -> str:
    """Return why this override is invalid (unknown person, no address, no time), or '' if it is valid."""
    if contact not in settings.contacts:
        near = get_close_matches(contact, settings.contacts, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(settings.contacts)}"
        return f"{contact} is not in contacts; {hint}"
    start, end = window
    if end <= start:
        return "the end is not after the start"
    enabled = [channel for channel in CHANNELS if getattr(settings.channels, channel).enabled]
    if enabled and not any(one.contact == contact for one in reached(settings, contact, enabled)):
        return (
            f"no configured channel ({', '.join(enabled)}) reaches {contact}; "
            f"give contacts.{contact} an address"
        )
    return ""


def swapped(settings: Settings, rota: str, first: Window, second: Window) -> tuple[Shift, Shift]:
    """Return who is on call in either window after two people exchange them.

    Raises ValueError unless these are two windows of two people.
    """
    if max(first[0], second[0]) < min(first[1], second[1]):
        raise ValueError("the two times overlap; a swap needs times that do not")
    one, other = _only(settings, rota, first), _only(settings, rota, second)
    if one == other:
        raise ValueError(f"both are {one}'s; a swap needs the times of two people")
    return Shift(other, *first, one), Shift(one, *second, other)


def _only(settings: Settings, rota: str, window: Window) -> str:
    """Return the one person who is on call in a window."""
    people = list(dict.fromkeys(one.contact for one in shifts(settings, rota, *window)))
    if len(people) != 1:
        zone = ZoneInfo(settings.timezone)
        start, end = (f"{each.astimezone(zone):%Y-%m-%d %H:%M}" for each in window)
        raise ValueError(
            f"{' and '.join(people) or 'nobody'}: more than one person is on call from {start} to {end}; "
            "swap what is one's"
            if people
            else f"nothing lies between {start} and {end}"
        )
    return people[0]
