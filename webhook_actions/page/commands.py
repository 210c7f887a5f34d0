"""The forms of the page that change something: each requires the session's token, and then redirects."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from webhook_actions.page.forms import Form, inside, line, read, same_site, snooze
from webhook_actions.page.render import Pages
from webhook_actions.store.audit import Caller
from webhook_actions.web.api import Id
from webhook_actions.web.commands import Commands, Done, Refused, Unconfirmed
from webhook_actions.web.limit import RateLimit
from webhook_actions.web.login import COOKIE, Login, Session

Act = Callable[[Caller, Form], Awaitable[Done]]
Answered = Callable[[Request, Session, Act], Awaitable[Response]]


def answering(pages: Pages, login: Login, writes: RateLimit) -> Answered:
    """Carry out a form's act; return a sentence about it."""

    async def answered(request: Request, session: Session, act: Act) -> Response:
        """Carry out a form's act, and redirect to the form's page."""
        caller, back = session.caller(request), "/"
        try:
            form = await read(request)
            back = inside(form.get("back", "/"))
            _check(form, login.csrf(session), request)
            if wait := writes.take(caller.address):
                raise Refused(429, f"Too many requests; try again in {int(wait) + 1} s.")
            said = await act(caller, form)
        except Unconfirmed as unconfirmed:
            return pages.confirm(
                unconfirmed, form, target=request.url.path, back=back, csrf=login.csrf(session)
            )
        except Refused as error:
            return pages.show("refused.html", error.status, text=str(error), back=back)
        return RedirectResponse(f"{back}?said={said}", 303)

    return answered


def routes(
    commands: Commands,
    pages: Pages,
    login: Login,
    visitor: Callable[[Request], Awaitable[Session]],
    answered: Answered,
) -> APIRouter:
    """Return the routes."""
    router = APIRouter(include_in_schema=False)
    Visitor = Annotated[Session, Depends(visitor)]  # noqa: N806 - a type

    @router.post("/incidents/{incident_id}/acknowledge")
    async def acknowledge(incident_id: Id, request: Request, session: Visitor) -> Response:
        async def act(caller: Caller, form: Form) -> Done:
            words = line(form, "comment")
            if form.get("only") == "comment":
                return await commands.comment(caller, incident_id, words)
            return await commands.acknowledge(caller, incident_id, words)

        return await answered(request, session, act)

    @router.post("/incidents/{incident_id}/snooze")
    async def snooze_it(incident_id: Id, request: Request, session: Visitor) -> Response:
        async def act(caller: Caller, form: Form) -> Done:
            return await commands.snooze(caller, incident_id, snooze(form, "for"), "", "silence" in form)

        return await answered(request, session, act)

    @router.post("/incidents/{incident_id}/run")
    async def run(incident_id: Id, request: Request, session: Visitor) -> Response:
        async def act(caller: Caller, form: Form) -> Done:
            key = line(form, "key") or None  # of the form: a second click is the same request
            await commands.run(caller, incident_id, line(form, "action"), line(form, "confirm"), key)
            return Done.ASKED

        return await answered(request, session, act)

    @router.post("/bots/run")
    async def run_on(request: Request, session: Visitor) -> Response:
        async def act(caller: Caller, form: Form) -> Done:
            await commands.run_on(caller, line(form, "bot"), line(form, "action"), line(form, "confirm"))
            return Done.ASKED

        return await answered(request, session, act)

    @router.post("/pause")
    async def pause(request: Request, session: Visitor) -> Response:
        async def act(caller: Caller, form: Form) -> Done:
            return await commands.pause(caller, line(form, "reason"))

        return await answered(request, session, act)

    @router.post("/resume")
    async def resume(request: Request, session: Visitor) -> Response:
        async def act(caller: Caller, _: Form) -> Done:
            return await commands.resume(caller)

        return await answered(request, session, act)

    @router.post("/release")
    async def release(request: Request, session: Visitor) -> Response:
        async def act(caller: Caller, form: Form) -> Done:
            return await commands.release(caller, line(form, "bot"))

        return await answered(request, session, act)

    @router.post("/logout")
    async def logout(request: Request, session: Visitor) -> Response:
        try:
            _check(await read(request), login.csrf(session), request)
        except Refused as error:
            return pages.show("refused.html", error.status, text=str(error), back="/")
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE)
        return answer

    return router


def _check(form: Form, csrf: str, request: Request) -> None:
    """Raise Refused for a form of another session."""
    if not (same_site(request) and hmac.compare_digest(form.get("csrf", "").encode(), csrf.encode())):
        raise Refused(403, "This form is from another session: go back, reload the page, and try again.")
