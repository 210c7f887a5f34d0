"""The read-only pages: open incidents, one incident, the history, and who did what."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from stack.settings import Settings
from stack.settings.rota import now_and_next
from webhook_actions.escalation import schedule
from webhook_actions.page.render import Desktop, Pages
from webhook_actions.store import audit, controls, holds, search
from webhook_actions.store.database import Connection, Pool
from webhook_actions.web.api import Before, Id, Line
from webhook_actions.web.capabilities import Capabilities
from webhook_actions.web.login import Login, Session

_OPEN_SHOWN, _HISTORY_SHOWN, _ACTS_SHOWN = 50, 30, 50


def desktop(login: Login) -> Callable[[Connection, Request, Session], Awaitable[Desktop]]:
    """Return a function that reads everything around a page's own content."""

    async def look(connection: Connection, request: Request, session: Session) -> Desktop:
        return Desktop(
            who=session.caller(request).who,
            csrf=login.csrf(session),
            path=request.url.path,
            said=request.query_params.get("said", ""),
            paused=await holds.paused(connection),
            halted=await holds.halts(connection),
            left=await controls.left(connection),
            counts=await search.count_open(connection),
        )

    return look


def routes(
    settings: Settings,
    pool: Pool,
    pages: Pages,
    login: Login,
    visitor: Callable[[Request], Awaitable[Session]],
    capabilities: Capabilities,
) -> APIRouter:
    """Return the routes."""
    router = APIRouter(include_in_schema=False)
    Visitor = Annotated[Session, Depends(visitor)]  # noqa: N806 - a type

    frame_of = desktop(login)

    @router.get("/")
    async def now(request: Request, session: Visitor) -> Response:
        worst = search.Filter(limit=_OPEN_SHOWN, worst_first=True)
        async with pool.connection() as connection:
            found = await search.find(connection, worst)
            last = () if found.incidents else await _last_closed(connection)
            frame = await frame_of(connection, request, session)
            at = datetime.now(UTC)
            known = await schedule.in_force(connection, settings, at)
        watch = now_and_next(known, settings.escalation.first, at)
        return await asyncio.to_thread(
            pages.show_packed, request, "open_incidents.html", desk=frame, found=found, last=last, watch=watch
        )

    @router.get("/incidents/{incident_id}")
    async def incident(incident_id: Id, request: Request, session: Visitor) -> Response:
        async with pool.connection() as connection:
            case = await search.one(connection, incident_id)
            frame = await frame_of(connection, request, session)
        if case is None:
            return pages.show("message.html", 404, desk=frame, text=f"There is no incident {incident_id}.")
        held = await capabilities.standing(case.bot) if case.bot and not case.closed_at else None
        return pages.show("incident.html", desk=frame, case=case, held=held)

    @router.get("/a/{fingerprint}")
    async def by_fingerprint(fingerprint: Line, request: Request, session: Visitor) -> Response:
        async with pool.connection() as connection:
            case = await search.of_fingerprint(connection, fingerprint)
            frame = await frame_of(connection, request, session)
        if case is None:
            text = (
                "Nightdesk has no incident of this alert: it has not fired yet, or its incident was deleted."
            )
            return pages.show("message.html", 404, desk=frame, text=text)
        return RedirectResponse(f"/incidents/{case.id}", 303)

    @router.get("/history")
    async def history(
        request: Request,
        session: Visitor,
        text: Line = "",
        bot: Line = "",
        alert: Line = "",
        state: search.State = "all",
        before: Before = None,
    ) -> Response:
        wanted = search.Filter(state, bot, alert, text, before, _HISTORY_SHOWN)
        async with pool.connection() as connection:
            found = await search.find(connection, wanted)
            frame = await frame_of(connection, request, session)
        terms = {"text": text, "bot": bot, "alert": alert, "state": state, "before": found.next}
        older = urlencode({name: value for name, value in terms.items() if value})
        return pages.show("history.html", desk=frame, found=found, wanted=wanted, older=older)

    @router.get("/audit")
    async def who_did_what(request: Request, session: Visitor, before: Before = None) -> Response:
        async with pool.connection() as connection:
            entries = await audit.entries(connection, before=before, limit=_ACTS_SHOWN)
            frame = await frame_of(connection, request, session)
        older = entries[-1].id if len(entries) == _ACTS_SHOWN else None
        return pages.show("audit.html", desk=frame, entries=entries, older=older, before=before)

    return router


async def _last_closed(connection: Connection) -> tuple[search.Case, ...]:
    """Return the last incident, for a page without open ones."""
    return (await search.find(connection, search.Filter("closed", limit=1))).incidents
