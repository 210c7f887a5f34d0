"""Who is on call, with overrides made at run time; messages to people put on call or taken off."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from stack.settings import Override, Settings
from stack.settings.plan import APPRISE
from stack.settings.rota import Shift, changed, with_overrides, zone_of
from webhook_actions.escalation import fallback
from webhook_actions.notify import notices
from webhook_actions.store import overrides
from webhook_actions.store.database import Connection
from webhook_actions.store.deliveries import Delivery
from webhook_actions.store.overrides import Made

log = logging.getLogger(__name__)

_WORDS_OVER = ("telegram", "sms", APPRISE, "email", "phone")  # the first that reaches them


async def in_force(connection: Connection, settings: Settings, since: datetime) -> Settings:
    """Return settings with the overrides that are not over at a time; the on-call schedule uses only these.

    They are read each time, so that every engine uses the same.
    """
    if not settings.escalation.rotas:
        return settings
    return over(settings, await overrides.not_over(connection, since))


def over(settings: Settings, made: Sequence[Made]) -> Settings:
    """Return settings with those overrides whose rota and contact still exist."""
    known: dict[str, list[Override]] = defaultdict(list)
    for one in made:
        if not forgotten(settings, one):
            known[one.rota].append(
                Override.model_construct(from_=one.starts_at, to=one.ends_at, contact=one.contact)
            )
    return with_overrides(settings, known)


def forgotten(settings: Settings, made: Made) -> str:
    """Return why an override no longer counts, '' while it does: settings have changed since."""
    if made.rota not in settings.escalation.rotas:
        return f"{made.rota} is no longer a rota"
    return "" if made.contact in settings.contacts else f"{made.contact} is no longer in contacts"


def changes(
    before: Settings, after: Settings, rota: str, windows: Sequence[tuple[datetime, datetime]]
) -> list[Shift]:
    """Return the times within some windows when the person on call changes; none for a rota that is gone."""
    if rota not in after.escalation.rotas:
        return []
    return [one for window in windows for one in changed(before, after, rota, *window)]


def words_to(settings: Settings, rota: str, changes: Sequence[Shift], by: str) -> Iterator[Delivery]:
    """Yield one message to each person put on call or taken off, except the one who made the change."""
    lines: dict[str, list[str]] = defaultdict(list)
    for one in changes:
        when = span(settings, rota, one)
        lines[one.contact].append(f"You are on call {when}, instead of {one.instead_of}.")
        lines[one.instead_of].append(f"You are not on call {when}: {one.contact} is.")
    for name, said in lines.items():
        if name == by:
            continue
        body = notices.body(f"On-call schedule {rota} changed by {by}", "\n".join(said))
        places = (place for channel in _WORDS_OVER for place in fallback.over(settings, name, channel))
        place = next(places, None)
        if place is None:
            log.warning(
                "a change of the on-call schedule reaches nobody", extra={"contact": name, "rota": rota}
            )
        else:
            yield Delivery(place.channel, place.address, contact=name, body=body)


def span(settings: Settings, rota: str, shift: Shift) -> str:
    """Return start and end of a shift, by the clocks of its rota."""
    zone = zone_of(settings, settings.escalation.rotas[rota])
    start, end = (each.astimezone(zone) for each in (shift.start, shift.end))
    return f"{start:%a %d %b %H:%M} – {end:%a %d %b %H:%M} {end:%Z}"
