"""The pages of the reports: the list, and each as HTML and as PDF."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from stack.settings import Settings
from webhook_actions.page.render import Desktop, Pages
from webhook_actions.report import archive
from webhook_actions.report.api import Form, listed, shown
from webhook_actions.store.database import Connection, Pool
from webhook_actions.web.api import Before, Id, Line
from webhook_actions.web.login import Session

_SHOWN = 50


def routes(
    settings: Settings,
    pool: Pool,
    pages: Pages,
    visitor: Callable[[Request], Awaitable[Session]],
    desktop: Callable[[Connection, Request, Session], Awaitable[Desktop]],
) -> APIRouter:
    """Return the routes."""
    router = APIRouter(include_in_schema=False)
    Visitor = Annotated[Session, Depends(visitor)]  # noqa: N806 - a type

    async def one(report_id: int, request: Request, session: Session, form: Form) -> Response:
        async with pool.connection() as connection:
            kept = await archive.one(connection, report_id)
            if kept is None:
                frame = await desktop(connection, request, session)
                return pages.show("message.html", 404, desk=frame, text=f"There is no report {report_id}.")
        return await asyncio.to_thread(shown, settings, kept.content, form)

    @router.get("/reports")
    async def reports(request: Request, session: Visitor, bot: Line = "", before: Before = None) -> Response:
        async with pool.connection() as connection:
            found = await archive.listing(connection, bot, before, _SHOWN)
            frame = await desktop(connection, request, session)
        older = found[-1].id if len(found) == _SHOWN else None
        rows = [listed(one) for one in found]
        return pages.show("reports.html", desk=frame, reports=rows, older=older, before=before, bot=bot)

    @router.get("/reports/{report_id}")
    async def as_html(report_id: Id, request: Request, session: Visitor) -> Response:
        return await one(report_id, request, session, "html")

    @router.get("/reports/{report_id}/pdf")
    async def as_pdf(report_id: Id, request: Request, session: Visitor) -> Response:
        return await one(report_id, request, session, "pdf")

    return router
