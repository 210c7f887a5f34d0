"""Lets only users of a web configuration in, by basic authentication, like other Prometheus exporters."""

import asyncio
import base64
import hashlib
import secrets

import bcrypt
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stack.settings.web_config import WebConfig

_HASHED_BYTES = 72  # bytes of a password that bcrypt uses
_REMEMBERED = 100  # right passwords: a hash is slow on purpose, but a scrape must be fast
# Paths that reveal nothing about the bots, or have their own tokens.
_OPEN = ("/healthz", "/api/v1/bots/", "/-/reload", "/-/drill")


class _Users:
    """The users of the web configuration."""

    def __init__(self, config: WebConfig) -> None:
        self._config = config
        self._right: dict[bytes, None] = {}
        self._key = secrets.token_bytes(32)
        self._nobody = bcrypt.hashpw(b"", bcrypt.gensalt(10)).decode()

    async def allow(self, authorization: str) -> bool:
        """Return whether an Authorization header belongs to a user."""
        scheme, _, said = authorization.partition(" ")
        try:
            user, _, password = base64.b64decode(said, validate=True).decode().partition(":")
        except ValueError:
            return False
        if scheme.lower() != "basic":
            return False
        # An unknown user takes as long as a known one, so that the answer's time reveals no user.
        hashed = self._config.users.get(user, self._nobody)
        proof = hashlib.blake2b(f"{user}:{hashed}:{password}".encode(), key=self._key).digest()
        if proof in self._right:
            return True
        right = await asyncio.to_thread(bcrypt.checkpw, password.encode()[:_HASHED_BYTES], hashed.encode())
        if not right or user not in self._config.users:
            return False
        if len(self._right) >= _REMEMBERED:
            self._right.clear()
        self._right[proof] = None
        return True


class Guard:
    """Lets only users of the web configuration through, and adds its headers."""

    def __init__(self, app: ASGIApp, config: WebConfig) -> None:
        self._app = app
        self._config = config
        self._users = _Users(config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._config.refresh()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._config.headers)
            await send(message)

        said = Headers(scope=scope).get("authorization", "")
        needless = not self._config.users or scope["path"].startswith(_OPEN)
        if needless or await self._users.allow(said):
            await self._app(scope, receive, answer)
        else:
            refusal = PlainTextResponse("Unauthorized\n", 401, {"WWW-Authenticate": "Basic"})
            await refusal(scope, receive, answer)
