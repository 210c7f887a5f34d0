"""Sends HTTP requests within a total time for connection, headers and body; follows no redirect.

It ignores the environment's proxies and .netrc: only the request decides its way.
"""

import asyncio
import atexit
import os
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from types import SimpleNamespace
from typing import Any, Literal

import aiohttp
from pydantic_core import from_json

from stack.settings.web import Way

DIRECT = Way()
LARGEST = 10_000_000  # bytes of an answer
OWN_LARGEST = 100_000_000  # bytes of an answer from a part of the stack: 50,000 trades, a fleet
_OWN = {"error", "detail", "known"}  # the keys of an error of a bot's own API
_PATIENCE = 5.0  # seconds beyond the total time after which the caller waits for the event loop no longer

Cause = Literal["refused", "timeout", "way", "too_long", "unavailable"]
"""No program listens; no whole answer in time; the network is broken; too many bytes; anything else."""


@dataclass(frozen=True)
class Request:
    """A request. `total` is the seconds for everything, `connect` those for the connection. `largest` is the
    most bytes of an answer. The content is `json`, a `form`, or a raw `body`.
    """

    method: str
    url: str
    total: float
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object = None
    form: Mapping[str, str] | None = None
    body: bytes | None = None
    way: Way = DIRECT
    largest: int = LARGEST
    connect: float | None = None


@dataclass(frozen=True)
class Answer:
    """A status and a whole body. `date` is the answer's own date, as a unix time. `retry_after` is the
    header's number of seconds, if it has one.
    """

    status: int
    body: bytes
    date: float | None = None
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the status is a success, no error and no redirect."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def is_own(self) -> bool:
        """Whether the error comes from the API itself, not from a proxy in front of it.

        The bot API writes `error`, FastAPI `detail`; a proxy's JSON has other or more keys.
        """
        try:
            said = self.json()
        except ValueError:
            return False
        return isinstance(said, dict) and said.keys() <= _OWN

    def json(self) -> Any:  # noqa: ANN401 - whatever was answered
        """Return the body as JSON. Raises ValueError."""
        return from_json(self.body)


class NoAnswer(Exception):
    """No whole answer came; the text says why."""

    def __init__(self, text: str, cause: Cause = "unavailable") -> None:
        super().__init__(text)
        self.cause: Cause = cause


class Unsent(NoAnswer):
    """The request certainly reached no program."""


class Lost(NoAnswer):
    """It is unknown whether the request was carried out."""


Ask = Callable[[Request], Answer]
"""Raises Unsent and Lost."""


def ask(request: Request) -> Answer:
    """Return the answer; callable from any thread. Raises Unsent and Lost."""
    with _FIRST:  # threads that call this at the same time get the same loop
        loop, http = _shared()
    future = asyncio.run_coroutine_threadsafe(http.ask(request), loop)
    try:
        return future.result(request.total + _PATIENCE)
    except TimeoutError:
        future.cancel()
        raise Lost(f"no answer within {request.total:g}s", "timeout") from None


_FIRST = threading.Lock()


@cache
def _shared() -> tuple[asyncio.AbstractEventLoop, "Http"]:
    """Return the event loop that all threads share, so that one clock keeps the total times, and its client.

    Each request has its own connection: a kept connection may be dead, and its request lost.
    """
    loop, http = asyncio.new_event_loop(), Http(keep=False)
    threading.Thread(target=loop.run_forever, name="http", daemon=True).start()
    atexit.register(lambda: asyncio.run_coroutine_threadsafe(http.aclose(), loop).result(_PATIENCE))
    return loop, http


async def ask_once(request: Request) -> Answer:
    """Return the answer; callable in an event loop. Raises Unsent and Lost."""
    async with aclosing(Http(keep=False)) as http:
        return await http.ask(request)


class Http:
    """Sends requests in an event loop; with `keep` it keeps its connections.

    Kept connections are only for reading: if one is dead, a request is sent twice.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, request: Request) -> Answer:
        """Return the answer. Raises Unsent and Lost."""
        sent = SimpleNamespace(connected=False)
        try:
            async with self._open().request(
                request.method,
                request.url,
                json=request.json,
                data=request.form if request.body is None else request.body,
                headers={"Accept-Encoding": "identity", **request.headers},
                timeout=aiohttp.ClientTimeout(total=request.total, connect=request.connect),
                ssl=request.way.context(),
                proxy=request.way.proxy,
                allow_redirects=False,
                trace_request_ctx=sent,
            ) as answer:
                made = _unix_time(answer.headers.get("Date"))
                after = answer.headers.get("Retry-After", "")
                wait = float(after) if after.isascii() and after.isdigit() else None
                return Answer(answer.status, await _body(answer, request.largest), made, wait)
        except aiohttp.ClientConnectorCertificateError as error:
            said = f"its certificate is not trusted: {error.certificate_error}"
            raise Unsent(said, "way") from None
        except TimeoutError:
            said = f"no answer within {request.total:g}s"
            if sent.connected:
                raise Lost(said, "timeout") from None
            raise Unsent(f"no connection: {said}", "timeout") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            said, cause = _told(error)
            raise (Lost if sent.connected else Unsent)(said, cause) from None

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=not self._keep),
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[_tracing()],
                trust_env=False,
            )
        return self._session


def _told(error: aiohttp.ClientError | OSError | ValueError) -> tuple[str, Cause]:
    """Return the problem that prevented a whole answer, and its cause."""
    match error:
        case aiohttp.InvalidURL():
            return "its address is not one", "way"
        case aiohttp.ClientHttpProxyError(status=status):
            # A proxy that answers so may itself have reached no program.
            return f"the proxy answered {status}", "unavailable" if status >= 500 else "way"
        case aiohttp.ClientConnectorSSLError():
            return f"the TLS connection failed: {error}"[:200], "way"
        case aiohttp.ClientConnectorError():
            number = error.os_error.errno or 0
            why = os.strerror(number) if number > 0 else error.os_error.strerror
            said = f"no connection: {why or type(error.os_error).__name__}"
            if isinstance(error, aiohttp.ClientProxyConnectionError):
                return f"{said} to the proxy", "way"
            return said, "refused" if isinstance(error.os_error, ConnectionRefusedError) else "unavailable"
        case ssl.SSLError() | FileNotFoundError() | PermissionError():
            return f"its ca_file cannot be used: {error}"[:200], "way"
        case _:
            return f"{type(error).__name__}: {error}"[:200], "unavailable"


def _unix_time(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


async def _body(answer: aiohttp.ClientResponse, largest: int) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(65536):
        body += chunk
        if len(body) > largest:
            answer.close()
            raise Lost(f"its answer is longer than {largest} bytes", "too_long")
    return bytes(body)


def _tracing() -> aiohttp.TraceConfig:
    """Return a tracer that notes when the connection stands: from then on the request may be carried out."""

    async def connected(_: object, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.connected = True

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_create_end.append(connected)
    tracing.on_connection_reuseconn.append(connected)
    return tracing
