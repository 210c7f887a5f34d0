"""Receives from Twilio the key that a person pressed in a call, signed with the account's token.

https://www.twilio.com/docs/voice/twiml/gather, https://www.twilio.com/docs/usage/security#validating-requests
"""

import base64
import hmac
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request, Response

from stack.settings import Settings
from webhook_actions.metrics import Metrics
from webhook_actions.notify.buttons import Act
from webhook_actions.notify.links import LinkError, Links
from webhook_actions.notify.twilio import answer_address
from webhook_actions.store import deliveries
from webhook_actions.store.audit import Caller
from webhook_actions.store.database import Pool
from webhook_actions.web.answers import Answers
from webhook_actions.web.auth import address
from webhook_actions.web.commands import Commands, Refused
from webhook_actions.web.limit import OnceASecond

log = logging.getLogger(__name__)
log.addFilter(OnceASecond())  # otherwise strangers could fill the log

_KEYS = {"1": Act.ACKNOWLEDGE, "2": Act.SNOOZE}
_MOST_FIELDS = 100


def signature(token: str, url: str, fields: Iterable[tuple[str, str]]) -> str:
    """Return Twilio's signature of a request, from its address and its fields, sorted by name."""
    said = url + "".join(f"{name}{value}" for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.digest(token.encode(), said.encode(), "sha1")).decode()


def is_signed(token: str, url: str, fields: Iterable[tuple[str, str]], given: str) -> bool:
    """Return whether Twilio signed a request; it signs the address with its port or without."""
    host, fields = urlsplit(url).netloc, tuple(fields)
    bare = host.rpartition(":")[0] or host
    signed = (signature(token, url.replace(host, one, 1), fields) for one in (host, bare, f"{bare}:443"))
    return any(hmac.compare_digest(given.encode(), one.encode()) for one in signed)


def routes(settings: Settings, pool: Pool, commands: Commands, metrics: Metrics) -> APIRouter:
    """Return the route; none if the settings name no address that Twilio can reach."""
    router = APIRouter(include_in_schema=False)
    config = settings.channels.phone
    if config.answer_url is None or config.token_file is None or not config.enabled:
        return router
    links, answers = Links(settings), Answers(settings, commands, metrics, "phone")
    token_file = config.token_file

    @router.post("/phone/{token}")
    async def key(token: str, request: Request) -> Response:
        """Carry out a key's act, and answer with its result."""
        body = (await request.body()).decode("utf-8", "replace")
        try:
            fields = parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            fields = []
        secret = token_file.read_text(encoding="utf-8").strip()
        given = request.headers.get("X-Twilio-Signature", "")
        if not is_signed(secret, answer_address(settings, token), fields, given):
            answers.count("forged")
            log.warning(
                "a request about a pressed key was not from Twilio", extra={"address": address(request)}
            )
            return Response("not signed by Twilio\n", 403, media_type="text/plain")
        return _said(await _done(token, dict(fields)))

    async def _done(token: str, told: dict[str, str]) -> str:
        try:
            invitation = links.read(token, datetime.now(UTC))
            act = _KEYS.get(told.get("Digits", ""))
            if act is None:
                raise Refused(422, "That key does nothing.")
            async with pool.connection() as connection:
                about = await deliveries.incidents_of(
                    connection, "phone", told.get("To", ""), told.get("CallSid", "")
                )
            caller = Caller(f"{invitation.contact} (phone)", told.get("To", ""))
            return await answers.do(act, invitation.contact, caller, about or [invitation.incident])
        except LinkError:
            answers.count("invalid")
            return "Nothing was done: this call has expired."
        except Refused as error:
            return f"Nothing was done: {error}"

    return router


def _said(text: str) -> Response:
    twiml = f"<Response><Say>{escape(text)}</Say></Response>"
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>{twiml}', media_type="text/xml")
