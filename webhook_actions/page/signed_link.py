"""The signed links of Nightdesk's own messages: whoever got one sees its incident, and may answer it."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from stack.settings import Settings
from webhook_actions.notify.links import LinkError, Links
from webhook_actions.page.forms import line, read
from webhook_actions.page.render import Pages
from webhook_actions.store import search
from webhook_actions.store.audit import Caller
from webhook_actions.store.database import Pool
from webhook_actions.web.auth import address
from webhook_actions.web.commands import Commands, Refused
from webhook_actions.web.limit import RateLimit


def routes(
    settings: Settings,
    pool: Pool,
    commands: Commands,
    pages: Pages,
    writes: RateLimit,
) -> APIRouter:
    """Return the routes."""
    router = APIRouter(include_in_schema=False)
    links = Links(settings)

    @router.get("/i/{token}")
    async def look(token: str) -> Response:
        """Show the incident. Previews of links come here, so nothing is changed."""
        try:
            invitation = links.read(token, datetime.now(UTC))
        except LinkError as error:
            return pages.show("refused.html", 403, text=str(error), back="/")
        async with pool.connection() as connection:
            case = await search.one(connection, invitation.incident)
        if case is None:
            return pages.show("refused.html", 404, text="This incident is no longer kept.", back="/")
        return pages.show("invited.html", case=case, contact=invitation.contact, token=token)

    @router.post("/i/{token}")
    async def answer(token: str, request: Request) -> Response:
        """Acknowledge the incident as the one whom the link was sent to."""
        try:
            if wait := writes.take(address(request)):
                raise Refused(429, f"Too much at once; go on in {int(wait) + 1} s.")
            invitation = links.read(token, datetime.now(UTC))
            caller = Caller(f"{invitation.contact} (link)", address(request))
            await commands.acknowledge(caller, invitation.incident, line(await read(request), "comment"))
        except LinkError as error:
            return pages.show("refused.html", 403, text=str(error), back="/")
        except Refused as error:
            return pages.show("refused.html", error.status, text=str(error), back=f"/i/{token}")
        return RedirectResponse(f"/i/{token}", 303)

    return router
