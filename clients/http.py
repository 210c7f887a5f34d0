"""Asks bots over HTTP within a total time: connection, headers and body together; follows no redirect."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace

import aiohttp

LARGEST = 10_000_000  # bytes of an answer
_PATIENCE = 5.0  # seconds beyond its total time after which even the loop itself is not waited for


@dataclass(frozen=True)
class Request:
    """What is asked; `total` is the seconds that it may take in all."""

    method: str
    url: str
    total: float
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object = None


@dataclass(frozen=True)
class Answer:
    """A status and the whole of a body."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it is what was asked for, not an error or another address."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


class Unsent(Exception):
    """The request surely never reached anybody; the text says why."""


class CertificateRefused(Unsent):
    """The server's certificate is not trusted."""


class Lost(Exception):
    """No whole answer came; nobody knows whether the request was carried out."""


Ask = Callable[[Request], Answer]
"""Raises Unsent and Lost."""


def ask(request: Request) -> Answer:
    """Return the answer, from any thread. Raises Unsent and Lost."""
    # A session is made on the one loop that all threads share, so that a total time is kept by one clock.
    future = asyncio.run_coroutine_threadsafe(_ask(request), _loop())
    try:
        return future.result(request.total + _PATIENCE)
    except TimeoutError:
        future.cancel()
        raise Lost(f"no answer within {request.total:g}s") from None


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="http", daemon=True).start()
    return loop


async def _ask(request: Request) -> Answer:
    sent = SimpleNamespace(connected=False)
    try:
        # A connection of its own for each: one that was kept may be gone, and a request lost on it.
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=request.total),
                trace_configs=[_tracing()],
                trust_env=False,
            ) as session,
            session.request(
                request.method,
                request.url,
                json=request.json,
                headers={"Accept-Encoding": "identity", **request.headers},
                allow_redirects=False,
                trace_request_ctx=sent,
            ) as answer,
        ):
            return Answer(answer.status, await _body(answer))
    except aiohttp.ClientConnectorCertificateError as error:
        raise CertificateRefused(f"its certificate is not trusted: {error.certificate_error}") from None
    except aiohttp.ClientConnectorError as error:
        raise Unsent(f"no connection: {error.os_error.strerror or type(error.os_error).__name__}") from None
    except aiohttp.InvalidURL:
        raise Unsent("its address is not one") from None
    except TimeoutError:
        said = f"no answer within {request.total:g}s"
        raise (Lost(said) if sent.connected else Unsent(f"no connection: {said}")) from None
    except (aiohttp.ClientError, ValueError) as error:
        said = f"{type(error).__name__}: {error}"[:200]
        raise (Lost(said) if sent.connected else Unsent(said)) from None


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(65536):
        body += chunk
        if len(body) > LARGEST:
            raise Lost(f"its answer is longer than {LARGEST} bytes")
    return bytes(body)


def _tracing() -> aiohttp.TraceConfig:
    """Return what notes that a connection stands: from then on something may have been carried out."""

    async def connected(_: object, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.connected = True

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_create_end.append(connected)
    return tracing
