"""Checks the token and the size of the body before anything else reads a request."""

import hmac

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo_bot.messages import Error

BODY_LIMIT = 65_536  # bytes
OPEN_PATHS = {"/healthz"}


def refusal(status: int, error: str, known: list[str] | None = None) -> JSONResponse:
    """Return an error answer that says why."""
    return JSONResponse(Error(error=error, known=known).model_dump(exclude_none=True), status)


class Gate:
    """ASGI middleware that answers 401 and 413 itself."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request or pass it on."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(given, self._expected):
            answer = refusal(401, "this needs the header 'Authorization: Bearer …' with the bot's token")
            answer.headers["WWW-Authenticate"] = "Bearer"
            await answer(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            await refusal(413, f"the body is over {BODY_LIMIT} bytes")(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)


async def _read(receive: Receive) -> bytes | None:
    """Return the whole body, or None as soon as it exceeds the limit."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_LIMIT:
            return None
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return whole.pop() if whole else await receive()

    return again
