"""The JSON API of the on-call schedule: who is on call, who would be notified of an alert, and changes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from stack.settings import RealTime, Settings, severities_of
from stack.settings.plan import Subject
from stack.settings.response import DayTime
from stack.settings.rota import Shift, now_and_next, roles, shifts, to_moment, zone_of
from stack.settings.timetable import Entry, timetable
from stack.settings.types import Between
from webhook_actions.escalation import schedule
from webhook_actions.store import overrides
from webhook_actions.store.audit import Caller
from webhook_actions.store.database import Connection, Pool
from webhook_actions.web.api import WRONG, Body, Id, Line
from webhook_actions.web.commands import Refused
from webhook_actions.web.schedules import Changed, Schedules

_SHOWN = timedelta(weeks=4)
Length = Annotated[RealTime, Between("1m", "90d")]
Rota = Annotated[Line, Path(min_length=1)]


@dataclass(frozen=True)
class Role:
    """A contact or rota that the settings in `named` notify, its person on call, and the next one. `next` is
    None if nobody else follows; its `start` is the handover. `shifts` are those of four weeks.
    """

    role: str
    named: tuple[str, ...]
    zone: str
    is_rota: bool
    contact: str
    instead_of: str
    next: Shift | None
    shifts: tuple[Shift, ...]


@dataclass(frozen=True)
class StoredOverride:
    """An override that a person made; `forgotten` says why it no longer counts, if so."""

    id: int
    rota: str
    contact: str
    start: datetime
    end: datetime
    swap: int | None
    by: str
    made_at: datetime
    forgotten: str


@dataclass(frozen=True)
class Preview:
    """The notifications of a bot's alert that fires at a time and that nobody answers."""

    alert: str
    bot: str
    severity: str
    at: datetime
    told: tuple[Entry, ...]


class _Override(Body):
    contact: Line
    start: Annotated[DayTime | None, Field(alias="from", description="Default: now.")] = None
    end: Annotated[DayTime | None, Field(alias="to")] = None
    length: Annotated[Length | None, Field(alias="for", description="Use it instead of `to`.")] = None


class _Swap(Body):
    first: Annotated[DayTime, Field(alias="from")]
    second: Annotated[DayTime, Field(alias="with")]
    length: Annotated[
        Length | None, Field(alias="for", description="The time that both swap; default: the whole shifts.")
    ] = None


async def settings_and_overrides(
    settings: Settings, connection: Connection, since: datetime
) -> tuple[Settings, list[StoredOverride]]:
    """Return the settings with the overrides that have not ended at a time, and these overrides."""
    made = await overrides.not_over(connection, since)
    shown = [
        StoredOverride(
            one.id,
            one.rota,
            one.contact,
            one.starts_at,
            one.ends_at,
            one.swap,
            one.made_by,
            one.made_at,
            schedule.forgotten(settings, one),
        )
        for one in made
    ]
    return schedule.over(settings, made), shown


def on_call(settings: Settings, now: datetime) -> list[Role]:
    """Return everyone on call, by role."""
    return [_role(settings, name, paths, now) for name, paths in roles(settings).items()]


def _role(settings: Settings, name: str, paths: list[str], now: datetime) -> Role:
    rota, found = settings.escalation.rotas.get(name), now_and_next(settings, name, now)
    return Role(
        name,
        tuple(paths),
        zone_of(settings, rota).key if rota else settings.timezone,
        rota is not None,
        found.contact,
        found.instead_of,
        found.next,
        tuple(shifts(settings, name, now, now + _SHOWN)) if rota else (),
    )


def previews(settings: Settings, alert: str, bot: str, at: datetime) -> list[Preview]:
    """Return the notifications of an alert, for each of its severities.

    Raises Refused for an unknown name.
    """
    kind = alert.removeprefix("TradingBot")
    for name, known, what in ((kind, settings.alerts, "alert"), (bot, settings.bots, "bot")):
        if name not in known and not (what == "bot" and not name):
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or 'none'}"
            raise Refused(404, f"{name} is no {what}; {hint}")
    return [
        Preview(kind, bot, severity, at, tuple(timetable(settings, Subject(kind, bot, severity), at)))
        for severity in severities_of(kind)
    ]


def moment(settings: Settings, at: datetime | None) -> datetime:
    """Return a requested time in UTC; now without one. Raises Refused for an invalid one."""
    try:
        return datetime.now(UTC) if at is None else to_moment(at, ZoneInfo(settings.timezone))
    except (ValueError, OverflowError) as error:
        raise Refused(422, str(error)) from None


def reads(settings: Settings, pool: Pool, read: Callable[..., Caller]) -> APIRouter:
    """Return the routes that only read; they need the read token."""
    router = APIRouter(prefix="/api/v1", dependencies=[Depends(read)], responses=WRONG, tags=["on call"])

    @router.get("/oncall")
    async def who(at: DayTime | None = None) -> list[Role]:
        """Return who is on call at a time (default: now): by role the person, the next one, and when."""
        when = moment(settings, at)
        async with pool.connection() as connection:
            known, _ = await settings_and_overrides(settings, connection, when)
        return on_call(known, when)

    @router.get("/overrides")
    async def made_overrides(at: DayTime | None = None) -> list[StoredOverride]:
        """Return the overrides made at run time that have not ended at a time; the newest wins."""
        async with pool.connection() as connection:
            return (await settings_and_overrides(settings, connection, moment(settings, at)))[1]

    @router.get("/preview")
    async def preview(alert: Line, bot: Line = "", at: DayTime | None = None) -> list[Preview]:
        """Return who would be notified of an alert that fires at a time, and when, while nobody answers."""
        when = moment(settings, at)
        async with pool.connection() as connection:
            known, _ = await settings_and_overrides(settings, connection, when)
        return previews(known, alert, bot, when)

    return router


def writes(schedules: Schedules, act: Callable[..., Caller]) -> APIRouter:
    """Return the routes that change who is on call; they need the act token."""
    router = APIRouter(prefix="/api/v1", responses=WRONG, tags=["on call"])
    By = Annotated[Caller, Depends(act)]  # noqa: N806 - a type

    @router.post("/rotas/{rota}/override")
    async def override(rota: Rota, body: _Override, caller: By) -> Changed:
        """Put a person on call in a rota, from a time until another or for a duration."""
        who = caller.named(body.by)
        return await schedules.override(who, rota, body.contact, body.start, body.end, body.length)

    @router.post("/rotas/{rota}/swap")
    async def swap(rota: Rota, body: _Swap, caller: By) -> Changed:
        """Exchange two people's times in a rota: a duration from each start, or their whole shifts."""
        return await schedules.swap(caller.named(body.by), rota, body.first, body.second, body.length)

    @router.post("/overrides/{override_id}/cancel")
    async def cancel(override_id: Id, body: Body, caller: By) -> Changed:
        """End an override, with the other half of its swap."""
        return await schedules.cancel(caller.named(body.by), override_id)

    return router
