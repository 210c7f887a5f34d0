"""The on-call page as plain HTML: open incidents, a person's acts, and the history."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from stack.settings import Settings
from webhook_actions.metrics import Metrics
from webhook_actions.page import bots, incidents, manual, reports, schedule, signed_link
from webhook_actions.page import commands as command_forms
from webhook_actions.page import login as login_page
from webhook_actions.page.render import Pages
from webhook_actions.store.database import Pool
from webhook_actions.web.auth import Tokens
from webhook_actions.web.capabilities import Capabilities
from webhook_actions.web.commands import Commands
from webhook_actions.web.limit import RateLimit
from webhook_actions.web.login import Login, Session
from webhook_actions.web.schedules import Schedules

_NO_SUCH_PATH = "Not Found"  # Starlette's name


class _LoginWanted(Exception):
    """A request for a page without a session."""


def mount(
    app: FastAPI,
    settings: Settings,
    pool: Pool,
    commands: Commands,
    schedules: Schedules,
    capabilities: Capabilities,
    tokens: Tokens,
    writes: RateLimit,
    failures: RateLimit,
    metrics: Metrics,
) -> None:
    """Add the pages to the application."""
    login, pages = Login(settings, tokens, failures), Pages(settings, commands, capabilities)
    visitor = _visitor(login)

    @app.exception_handler(_LoginWanted)
    async def to_login(request: Request, _: Exception) -> Response:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        target = f"/login?{urlencode({'next': path if request.method == 'GET' else '/'})}"
        if request.headers.get("Sec-Fetch-Site") == "cross-site" and request.method == "GET":
            # A browser does not send a strict cookie with a link from a mail; our own page redirects once, so
            # that it does.
            return pages.show("redirect.html", target=target)
        return RedirectResponse(target, 303)

    @app.exception_handler(404)
    async def nowhere(request: Request, error: HTTPException) -> Response:
        browses = "text/html" in request.headers.get("Accept", "")
        if not browses or request.url.path.startswith("/api/"):
            return JSONResponse({"detail": error.detail}, 404)
        text = "" if error.detail == _NO_SUCH_PATH else error.detail
        return pages.show("not_found.html", 404, text=text or f"{request.url.path} is no page of Nightdesk.")

    app.include_router(manual.routes(settings, pages, login))
    app.include_router(login_page.routes(commands, login, pages))
    app.include_router(signed_link.routes(settings, pool, commands, capabilities, metrics, pages, writes))
    app.include_router(incidents.routes(settings, pool, pages, login, visitor, capabilities))
    desktop = incidents.desktop(login)
    app.include_router(bots.routes(settings, pool, pages, visitor, desktop))
    app.include_router(reports.routes(settings, pool, pages, visitor, desktop))
    answered = command_forms.answering(pages, login, writes)
    app.include_router(command_forms.routes(commands, pages, login, visitor, answered))
    app.include_router(schedule.routes(settings, pool, pages, visitor, desktop, schedules, answered))


def _visitor(login: Login) -> Callable[[Request], Awaitable[Session]]:
    """Return a dependency that passes only logged-in requests, and returns who it is."""

    async def check(request: Request) -> Session:
        found = await asyncio.to_thread(login.session, request)
        if found is None:
            raise _LoginWanted
        return found

    return check
