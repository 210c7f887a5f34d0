"""Guards every request: bounds its size, and tells browsers to load nothing from other sites."""

import json

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webhook_actions.web.limit import TooManyFailures

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


_SMALL = 65_536  # bytes; no form or command has more, and a body is read before the caller is known


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, webhook: str, limit: int) -> None:
        """Refuse bodies of more than `limit` bytes at the path `webhook`, of more than 64 KiB elsewhere."""
        self._app = app
        self._webhook = webhook
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        size = 0
        large = scope["type"] == "http" and scope["path"] == self._webhook
        limit = self._limit if large else _SMALL

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                setting = " (webhook_actions.body_limit)" if large else ""
                raise HTTPException(413, f"the body has more than {limit} bytes{setting}")
            return message

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] == "http":
            await self._app(scope, bounded, with_headers)
        else:
            await self._app(scope, receive, send)


async def refuse_unreadable(_: Request, error: Exception) -> Response:
    """Answer with the request's faults, but without its values: some values cannot be written as JSON."""
    wrong = error.errors() if isinstance(error, RequestValidationError) else []
    details = [{name: each[name] for name in ("type", "loc", "msg")} for each in wrong]
    # A field's name may contain half a surrogate pair; JSON's escape can write it.
    body = json.dumps({"detail": details}, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Response(body, 422, media_type="application/json")


async def refuse_for_now(_: Request, error: Exception) -> Response:
    """Answer with the time after which the address may try again."""
    wait = error.retry_after if isinstance(error, TooManyFailures) else "60"
    return Response(
        json.dumps({"detail": str(error)}), 429, {"Retry-After": wait}, media_type="application/json"
    )
