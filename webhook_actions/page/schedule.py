"""The page of who is on call: now and next, coming shifts, overrides and swaps, and who would be notified."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from stack.settings import Settings
from stack.settings.timetable import Entry, rows
from webhook_actions.page.commands import Answered
from webhook_actions.page.forms import Form, day_time, length, line
from webhook_actions.page.render import Desktop, Pages
from webhook_actions.store.audit import Caller
from webhook_actions.store.database import Connection, Pool
from webhook_actions.web.api import Line
from webhook_actions.web.commands import Done, Refused
from webhook_actions.web.login import Session
from webhook_actions.web.schedule_api import moment, on_call, previews, settings_and_overrides
from webhook_actions.web.schedules import Schedules


def routes(
    settings: Settings,
    pool: Pool,
    pages: Pages,
    visitor: Callable[[Request], Awaitable[Session]],
    desktop: Callable[[Connection, Request, Session], Awaitable[Desktop]],
    schedules: Schedules,
    answered: Answered,
) -> APIRouter:
    """Return the routes."""
    router = APIRouter(include_in_schema=False)
    Visitor = Annotated[Session, Depends(visitor)]  # noqa: N806 - a type

    @router.get("/schedule")
    async def who(
        request: Request, session: Visitor, alert: Line = "", bot: Line = "", at: Line = ""
    ) -> Response:
        now = datetime.now(UTC)
        asked: dict[str, Any] = {"alert": alert, "bot": bot, "at": at, "wrong": "", "plans": []}
        async with pool.connection() as connection:
            frame = await desktop(connection, request, session)
            known, overrides = await settings_and_overrides(settings, connection, now)
            if alert:
                try:
                    when = moment(settings, day_time({"at": at}, "at"))
                    then, _ = await settings_and_overrides(settings, connection, when)
                    asked["plans"] = [
                        (one, _steps(one.told, when)) for one in previews(then, alert, bot, when)
                    ]
                except Refused as error:
                    asked["wrong"] = str(error)
        return pages.show(
            "schedule.html",
            desk=frame,
            roles=on_call(known, now),
            overrides=overrides,
            contacts=list(settings.contacts),
            asked=asked,
        )

    @router.post("/schedule/{rota}/override")
    async def override(rota: Line, request: Request, session: Visitor) -> Response:
        async def act(caller: Caller, form: Form) -> Done:
            start, end = day_time(form, "from"), day_time(form, "to")
            lasts = None if end else length(form, "for")
            return (await schedules.override(caller, rota, line(form, "contact"), start, end, lasts)).done

        return await answered(request, session, act)

    @router.post("/schedule/{rota}/swap")
    async def swap(rota: Line, request: Request, session: Visitor) -> Response:
        async def act(caller: Caller, form: Form) -> Done:
            first, second = day_time(form, "from"), day_time(form, "with")
            if first is None or second is None:
                raise Refused(422, "a swap needs a time in each of two shifts")
            return (await schedules.swap(caller, rota, first, second, length(form, "for"))).done

        return await answered(request, session, act)

    @router.post("/schedule/cancel")
    async def cancel(request: Request, session: Visitor) -> Response:
        async def act(caller: Caller, form: Form) -> Done:
            number = line(form, "override")
            if not (number.isdecimal() and len(number) < 19):
                raise Refused(422, "an override has a number")
            return (await schedules.cancel(caller, int(number))).done

        return await answered(request, session, act)

    return router


def _steps(entries: Sequence[Entry], at: datetime) -> list[tuple[datetime | None, tuple[str, ...]]]:
    """Return a timetable's rows: time by the clock, None for never, and cells."""
    found: list[tuple[datetime | None, tuple[str, ...]]] = []
    for after in dict.fromkeys(one.after for one in entries):
        when = None if after is None else at + timedelta(seconds=after)
        found += [(when, row) for row in rows([one for one in entries if one.after == after])]
    return found
