"""The login's form and style sheet, open to all, and the logout."""

import asyncio
import logging

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from stack.settings.web_config import WebConfigError
from webhook_actions.page.forms import inside, line, read, same_site
from webhook_actions.page.render import Pages
from webhook_actions.web.auth import address
from webhook_actions.web.commands import Commands, Refused
from webhook_actions.web.limit import TooManyFailures
from webhook_actions.web.login import Login

log = logging.getLogger(__name__)


def routes(commands: Commands, login: Login, pages: Pages) -> APIRouter:
    """Return the routes."""
    router = APIRouter(include_in_schema=False)

    def form(next_: str, problem: str = "", status: int = 200) -> Response:
        return pages.show("login.html", status, next=next_, by_user=login.by_user, problem=problem)

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        found = pages.static.get(name)
        if found is None:
            raise HTTPException(404, "there is no such file")
        content, kind = found
        return Response(content, media_type=kind, headers={"Cache-Control": "max-age=3600"})

    @router.get("/login")
    async def login_form(request: Request, next: str = "/") -> Response:
        if await asyncio.to_thread(login.session, request):
            return RedirectResponse(inside(next), 303)
        return form(inside(next))

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        next_ = "/"
        try:
            given = await read(request)
            name, next_ = line(given, "name"), inside(given.get("next", "/"))
        except Refused as error:
            return form(next_, str(error), error.status)
        if not same_site(request):
            return form(next_, "This form came from another site.", 403)
        try:
            session = await asyncio.to_thread(login.open, address(request), name, given.get("secret", ""))
        except TooManyFailures as error:
            return form(next_, f"There were {error}.", 429)
        except WebConfigError as error:
            log.error("nobody can log in by name", extra={"reason": str(error)})
            return form(next_, "The users cannot be read; the log says why. The act token still works.", 503)
        if session is None:
            return form(next_, "Wrong name, password or token. You are not logged in.", 401)
        await commands.login(session.caller(request))
        answer = RedirectResponse(next_, 303)
        login.remember(request, answer, session)
        return answer

    return router
