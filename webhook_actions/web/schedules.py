"""A person's changes of the on-call schedule: checks each, makes it, notifies people, and audits it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from stack.settings import Settings
from stack.settings.overrides import Window, swapped, wrong_with
from stack.settings.rota import Shift, to_moment, whole_shift, zone_of
from webhook_actions.escalation import schedule
from webhook_actions.store import audit, deliveries, overrides
from webhook_actions.store.audit import Caller
from webhook_actions.store.database import Connection, Pool
from webhook_actions.web.commands import Done, Refused

log = logging.getLogger(__name__)

_AHEAD = timedelta(days=366)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Changed:
    """The result of an act: the ids of its overrides, and the changed times on call."""

    done: Done
    overrides: tuple[int, ...]
    shifts: tuple[Shift, ...]


class Schedules:
    """The acts on rotas. Each raises Refused if it is impossible."""

    def __init__(
        self, settings: Settings, pool: Pool, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._now = now

    async def override(
        self,
        caller: Caller,
        rota: str,
        contact: str,
        start: datetime | None = None,
        end: datetime | None = None,
        length: float | None = None,
    ) -> Changed:
        """Put a contact on call from `start` (default: now) until `end`, or for a number of seconds."""
        zone = self._zone(rota)
        window = self._window(zone, start, end, length)
        if wrong := wrong_with(self._settings, contact, window):
            raise Refused(422, wrong)
        return await self._make(caller, Done.OVERRIDDEN, rota, [window], lambda _: [(contact, *window)])

    async def swap(
        self,
        caller: Caller,
        rota: str,
        first: datetime,
        second: datetime,
        length: float | None = None,
    ) -> Changed:
        """Exchange two people's times: a number of seconds of both, else their whole shifts."""
        zone = self._zone(rota)
        async with self._pool.connection() as connection:
            settings = await schedule.in_force(connection, self._settings, self._now())
        both = [self._part(settings, rota, zone, each, length) for each in (first, second)]

        def spans(settings: Settings) -> list[tuple[str, datetime, datetime]]:
            try:
                found = swapped(settings, rota, *both)
            except ValueError as error:
                raise Refused(409, str(error)) from None
            for one in found:
                if wrong := wrong_with(self._settings, one.contact, (one.start, one.end)):
                    raise Refused(422, wrong)
            return [(one.contact, one.start, one.end) for one in found]

        return await self._make(caller, Done.SWAPPED, rota, both, spans)

    async def cancel(self, caller: Caller, id_: int) -> Changed:
        """End an override now, with the other half of its swap."""
        now = self._now()
        async with self._pool.transaction() as connection:
            await overrides.lock(connection)
            before = await schedule.in_force(connection, self._settings, now)
            ended = await overrides.end(connection, id_, now)
            if not ended:
                raise Refused(404, f"there is no override {id_}, or it has ended")
            windows = [(max(now, one.starts_at), one.ends_at) for one in ended]
            ids = [one.id for one in ended]
            return await self._told(connection, caller, Done.CANCELLED, ended[0].rota, windows, before, ids)

    def _part(
        self, settings: Settings, rota: str, zone: ZoneInfo, given: datetime, length: float | None
    ) -> Window:
        """Return the part of a swap that begins at a time, or the rest of the shift at that time."""
        if length is not None:
            return self._window(zone, given, None, length)
        shift = whole_shift(settings, rota, _moment(given, zone))
        return self._window(zone, shift.start, shift.end, None)

    def _window(
        self, zone: ZoneInfo, start: datetime | None, end: datetime | None, length: float | None
    ) -> Window:
        """Return the start and the end: the start is never in the past, and the end is not too far away."""
        now = self._now()
        if (end is None) == (length is None):
            raise Refused(422, "give either an end or a length, not both")
        given = now if start is None else _moment(start, zone)
        ends = _moment(end, zone) if end is not None else later(given, length or 0.0, zone)
        if given >= ends:
            raise Refused(422, "the end is not after the start")
        if ends <= now:
            raise Refused(422, f"its end, {ends.astimezone(zone):%Y-%m-%d %H:%M}, is in the past")
        if ends > now + _AHEAD:
            raise Refused(422, "its end is more than a year ahead")
        return max(given, now), ends

    def _zone(self, rota: str) -> ZoneInfo:
        rotas = self._settings.escalation.rotas
        if rota not in rotas:
            raise Refused(
                404, f"{rota} is not a rota; choose one of {', '.join(rotas) or 'none in escalation.rotas'}"
            )
        return zone_of(self._settings, rotas[rota])

    async def _make(
        self,
        caller: Caller,
        done: Done,
        rota: str,
        windows: Sequence[Window],
        spans: Callable[[Settings], Sequence[tuple[str, datetime, datetime]]],
    ) -> Changed:
        async with self._pool.transaction() as connection:
            await overrides.lock(connection)
            before = await schedule.in_force(connection, self._settings, self._now())
            ids = await overrides.make(connection, rota, spans(before), caller.who)
            return await self._told(connection, caller, done, rota, windows, before, ids)

    async def _told(
        self,
        connection: Connection,
        caller: Caller,
        done: Done,
        rota: str,
        windows: Sequence[Window],
        before: Settings,
        ids: Sequence[int],
    ) -> Changed:
        """Notify the people concerned and write the audit log, in the transaction of the act."""
        after = await schedule.in_force(connection, self._settings, self._now())
        changes = schedule.changes(before, after, rota, windows)
        if not changes and done is not Done.CANCELLED:
            raise Refused(409, "that changes nothing: the person is already on call then")
        await deliveries.write(connection, list(schedule.words_to(after, rota, changes, caller.who)))
        said = [
            f"{one.contact} instead of {one.instead_of}, {schedule.span(after, rota, one)}" for one in changes
        ]
        detail = f"{rota}, override {' and '.join(map(str, ids))}: {'; '.join(said) or 'nothing changes'}"
        await audit.write(connection, caller, done, detail=detail)
        about = {"who": caller.who, "address": caller.address, "rota": rota}
        log.info("a person acted", extra=about | {"act": done, "detail": detail})
        return Changed(done, tuple(ids), tuple(changes))


def later(start: datetime, seconds: float, zone: ZoneInfo) -> datetime:
    """Return a later time in UTC: whole days count by the clock, the rest by real time. If the clock skips
    the time, the result is later by the skipped span; if the clock shows it twice, the first counts.
    """
    days, rest = divmod(timedelta(seconds=seconds), _DAY)
    if not days:
        return start + rest
    local = start.astimezone(zone).replace(tzinfo=None) + days * _DAY
    return local.replace(tzinfo=zone).astimezone(UTC) + rest


def _moment(given: datetime, zone: ZoneInfo) -> datetime:
    try:
        return to_moment(given, zone)
    except (ValueError, OverflowError) as error:
        raise Refused(422, str(error)) from None
