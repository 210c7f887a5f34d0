"""The pages behind signed links: the recipient sees one incident and may answer it.

They need no login: a link is for one person and one incident, for a limited time, and allows what their role
allows.
"""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from stack.settings import Settings
from stack.settings.roles import Right, rights_of, role_of
from webhook_actions.metrics import Metrics
from webhook_actions.notify.links import Invitation, LinkError, Links
from webhook_actions.page import words
from webhook_actions.page.forms import read
from webhook_actions.page.render import Pages
from webhook_actions.page.signed_acts import acts
from webhook_actions.store import holds, search
from webhook_actions.store.audit import Caller
from webhook_actions.store.database import Pool
from webhook_actions.web.api import Key
from webhook_actions.web.auth import address
from webhook_actions.web.capabilities import Capabilities
from webhook_actions.web.commands import Commands, Done, Refused, Unconfirmed
from webhook_actions.web.limit import RateLimit


def routes(
    settings: Settings,
    pool: Pool,
    commands: Commands,
    capabilities: Capabilities,
    metrics: Metrics,
    pages: Pages,
    writes: RateLimit,
) -> APIRouter:
    """Return the routes."""
    router = APIRouter(include_in_schema=False)
    links, known = Links(settings), acts(settings, commands)

    def invited(token: str) -> Invitation:
        """Return what a link allows. Raises LinkError."""
        invitation = links.read(token, datetime.now(UTC))
        if role_of(settings, invitation.contact) is None:
            raise LinkError(f"{invitation.contact} is no longer in contacts")
        return invitation

    @router.get("/i/{token}")
    async def look(token: str, request: Request) -> Response:
        """Show the incident. Link previews call this, so it changes nothing."""
        try:
            invitation = invited(token)
        except LinkError as error:
            return pages.show("refused.html", 403, text=str(error), back="/")
        async with pool.connection() as connection:
            case = await search.one(connection, invitation.incident)
            paused = await holds.paused(connection)
        if case is None:
            return pages.show("refused.html", 404, text="This incident is no longer kept.", back="/")
        rights = rights_of(settings, invitation.contact)
        return pages.show(
            "signed_link.html",
            case=case,
            contact=invitation.contact,
            role=role_of(settings, invitation.contact),
            token=token,
            may={str(right) for right in rights},
            paused=paused,
            held=await capabilities.standing(case.bot) if case.bot and not case.closed_at else None,
            said=_news(request.query_params.get("said", "")),
        )

    @router.post("/i/{token}")
    async def answer(token: str, request: Request, idempotency_key: Key = None) -> Response:
        """Do what the form, or an app, requests as the link's recipient."""
        try:
            if wait := writes.take(address(request)):
                raise Refused(429, f"Too many requests; try again in {int(wait) + 1} s.")
            invitation, form = invited(token), await read(request)
            act = known.get(form.get("act", Right.ACKNOWLEDGE))
            if act is None:
                raise Refused(422, f"There is no such action; choose one of {', '.join(known)}.")
            caller = Caller(f"{invitation.contact} (link)", address(request))
            said = await act(caller, invitation, form, idempotency_key)
        except Unconfirmed as unconfirmed:
            return pages.confirm(unconfirmed, form, target=f"/i/{token}", back=f"/i/{token}")
        except (LinkError, Refused) as error:
            metrics.answers.labels("link", "invalid" if isinstance(error, LinkError) else "refused").inc()
            status, back = (error.status, f"/i/{token}") if isinstance(error, Refused) else (403, "/")
            return pages.show("refused.html", status, text=str(error), back=back)
        metrics.answers.labels("link", "done").inc()
        return RedirectResponse(f"/i/{token}?said={said}", 303)

    return router


def _news(done: str) -> str:
    """Return what was just done, unless the page shows it anyway, as with an acknowledgement."""
    return "" if done in (Done.ACKNOWLEDGED, Done.SNOOZED) else words.notice(done)
