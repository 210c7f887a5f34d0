"""Who is on call: weekly rotas, each in its time zone, and overrides."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import dropwhile, pairwise
from zoneinfo import ZoneInfo

from stack.settings.hours import moment
from stack.settings.model import Settings
from stack.settings.response import Override, Rota

_WEEK = timedelta(weeks=1)


@dataclass(frozen=True)
class Shift:
    """Who is on call from `start` until before `end`, in UTC.

    `instead_of` is the person whose turn it would be without an override; '' without one.
    """

    contact: str
    start: datetime
    end: datetime
    instead_of: str = ""


@dataclass(frozen=True)
class NowAndNext:
    """The person on call, the person they stand in for, and the next person's shift, None without one."""

    contact: str
    instead_of: str = ""
    next: Shift | None = None


def on_call(settings: Settings, name: str, now: datetime) -> str:
    """Return the contact that `name` means now: itself, or who is on call in the rota of that name.

    That is the person of the week, or the one who stands in; the last override counts. Weeks change at the
    same time on the clock in summer and winter.
    """
    rota = settings.escalation.rotas.get(name)
    return _holder(rota, zone_of(settings, rota), now)[0] if rota else name


def shifts(settings: Settings, name: str, start: datetime, end: datetime) -> list[Shift]:
    """Return the shifts from one time to another, without a gap; none if the span is empty."""
    rota = settings.escalation.rotas.get(name)
    if rota is None:
        return [Shift(name, start, end)] if start < end else []
    zone = zone_of(settings, rota)
    cuts = sorted({start, end, *(cut for cut in _cuts(rota, zone, start, end) if start < cut < end)})
    found: list[Shift] = []
    for begins, ends in pairwise(cuts):
        who, turn = _holder(rota, zone, begins)
        one = Shift(who, begins, ends, "" if who == turn else turn)
        same = found and (found[-1].contact, found[-1].instead_of) == (one.contact, one.instead_of)
        if same:
            found[-1] = replace(found[-1], end=ends)
        else:
            found.append(one)
    return found


def now_and_next(settings: Settings, name: str, now: datetime) -> NowAndNext:
    """Return who is on call now, and who takes over when; a contact is on call for ever."""
    rota = settings.escalation.rotas.get(name)
    if rota is None:
        return NowAndNext(name)
    zone = zone_of(settings, rota)
    last = max((span(one, zone)[1] for one in rota.overrides), default=now)
    found = shifts(settings, name, now, max(last, now) + (len(rota.contacts) + 2) * _WEEK)
    first = found[0]
    others = list(dropwhile(lambda one: one.contact == first.contact, found))
    return NowAndNext(first.contact, first.instead_of, _first_person(others) if others else None)


def changed(before: Settings, after: Settings, name: str, start: datetime, end: datetime) -> list[Shift]:
    """Return the parts of a span in which a change puts somebody else on call.

    Each has the new person, and in `instead_of` the old one.
    """
    was, now = shifts(before, name, start, end), shifts(after, name, start, end)
    return [
        Shift(one.contact, max(one.start, other.start), min(one.end, other.end), other.contact)
        for one in now
        for other in was
        if one.contact != other.contact and max(one.start, other.start) < min(one.end, other.end)
    ]


def whole_shift(settings: Settings, name: str, now: datetime) -> Shift:
    """Return the present shift, at most one turn long. Raises KeyError for a name that is no rota."""
    rota = settings.escalation.rotas[name]
    _, start, end = _turn(rota, zone_of(settings, rota), now)
    return next(one for one in shifts(settings, name, start, end) if one.start <= now < one.end)


def with_overrides(settings: Settings, made: Mapping[str, Sequence[Override]]) -> Settings:
    """Return settings whose rotas also have these overrides, which count before the rotas' own."""
    rotas = {
        name: rota.model_copy(update={"overrides": (*rota.overrides, *made.get(name, ()))})
        for name, rota in settings.escalation.rotas.items()
    }
    return settings.model_copy(update={"escalation": settings.escalation.model_copy(update={"rotas": rotas})})


def roles(settings: Settings) -> dict[str, list[str]]:
    """Return every contact and rota that is notified, each with the settings that name it."""
    escalation = settings.escalation
    named = {"escalation.first": escalation.first}
    named |= {f"bots.{name}.team": bot.team for name, bot in settings.bots.items() if bot.team}
    named |= {f"escalation.levels[{index}]": level.contact for index, level in enumerate(escalation.levels)}
    for rule in ("repeated_alerts", "system_down", "critical_loss", "spent_attempts"):
        if contact := getattr(escalation, rule).contact:
            named[f"escalation.{rule}"] = contact
    found: dict[str, list[str]] = {}
    for path, name in named.items():
        found.setdefault(name, []).append(path)
    return found | {name: [] for name in escalation.rotas if name not in found}


def zone_of(settings: Settings, rota: Rota) -> ZoneInfo:
    """Return the time zone of a rota's handovers."""
    return ZoneInfo(rota.timezone or settings.timezone)


def span(override: Override, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the start and end of an override, in UTC. Raises ValueError, as `to_moment`."""
    return to_moment(override.from_, zone), to_moment(override.to, zone)


def to_moment(given: datetime, zone: ZoneInfo) -> datetime:
    """Return a time in UTC: by its own offset, or by the clocks of a zone.

    Raises ValueError for a time that no clock there shows, or that it shows twice.
    """
    if given.tzinfo is not None:
        return given.astimezone(UTC)
    first, second = (given.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first
    shown, written = first.astimezone(zone), f"{given:%Y-%m-%dT%H:%M}"
    if shown.replace(tzinfo=None) != given:
        raise ValueError(
            f"{written} does not exist in {zone.key}, whose clocks skip it; write {shown:%H:%M} or another"
        )
    early, late = (one.astimezone(zone).isoformat(timespec="minutes") for one in (first, second))
    raise ValueError(
        f"{written} comes twice in {zone.key}; write {early} for its first, {late} for its second"
    )


def _holder(rota: Rota, zone: ZoneInfo, now: datetime) -> tuple[str, str]:
    """Return who is on call now, and whose turn it is."""
    turn = rota.contacts[_turn(rota, zone, now)[0] % len(rota.contacts)]
    for one in reversed(rota.overrides):
        start, end = span(one, zone)
        if start <= now < end:
            return one.contact, turn
    return turn, turn


def _turn(rota: Rota, zone: ZoneInfo, now: datetime) -> tuple[int, datetime, datetime]:
    """Return the number of the present turn, from 0, and its start and end in UTC."""
    first, clock = date.fromisoformat(rota.start), time.fromisoformat(rota.handover)

    def begins(number: int) -> datetime:
        return moment(first + number * _WEEK, clock, zone)

    number = (now.astimezone(zone).date() - first) // _WEEK
    # On the day of a handover the clock decides; of a time that occurs twice, the first counts.
    while begins(number) > now:
        number -= 1
    while begins(number + 1) <= now:
        number += 1
    return number, begins(number), begins(number + 1)


def _cuts(rota: Rota, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the times at which the person on call may change."""
    for one in rota.overrides:
        yield from span(one, zone)
    cut = start
    while cut < end:
        _, _, cut = _turn(rota, zone, cut)
        yield cut


def _first_person(found: Sequence[Shift]) -> Shift:
    """Return the first shift, joined with the following ones of the same person."""
    first = found[0]
    end = next((one.start for one in found if one.contact != first.contact), found[-1].end)
    return replace(first, end=end)
