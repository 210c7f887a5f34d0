"""Calls a bot's HTTP API and says clearly what went wrong."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiohttp
from pydantic_core import from_json

from exporter.sources.protocol import Reason, SourceError, Surroundings

BODY_LIMIT: Final = 64 * 1024 * 1024  # bytes: a bot that answers without end must not take the exporter along
_CHUNK = 256 * 1024


def read_secret(file: Path) -> str:
    """Return the secret in a file. Raises SourceError naming the file."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError("auth", f"{file}: cannot be read ({error}); write the bot's secret there") from None


class BotApi:
    """GETs JSON from one bot; `authorization` gives the header's value anew for each call."""

    def __init__(self, url: str, surroundings: Surroundings, authorization: Callable[[], str]) -> None:
        self._url = url.rstrip("/")
        self._session = surroundings.session
        self._timeout = surroundings.timeout
        self._authorization = authorization

    async def get(self, path: str, **query: str | int) -> object:
        """Return the answer's JSON. Raises SourceError with the reason, and the status where there is one."""
        where = f"{self._url}{path}"
        headers = {"Authorization": self._authorization(), "Accept": "application/json"}
        try:
            async with asyncio.timeout(self._timeout):
                # Redirects are not followed: the credentials are meant for this address only.
                async with self._session.get(
                    where, params=query, headers=headers, allow_redirects=False
                ) as response:
                    body = await _body(response, where)
        except TimeoutError:
            raise SourceError("timeout", f"{where}: no answer within {self._timeout:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise SourceError(_reason(error), f"{where}: {error or type(error).__name__}") from None
        if response.status in (401, 403):
            advice = "check the user, the password or token, and the secret's file"
            raise SourceError("auth", f"{where}: answered {response.status}; {advice}", response.status)
        if response.status != 200:
            said = body[:200].decode("utf-8", "replace")
            raise SourceError("http", f"{where}: answered {response.status}: {said}", response.status)
        try:
            return from_json(body)
        except ValueError as error:
            raise SourceError("parse", f"{where}: not JSON: {error}") from None


async def _body(response: aiohttp.ClientResponse, where: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(_CHUNK):
        size += len(part)
        if size > BODY_LIMIT:
            response.close()
            raise SourceError("parse", f"{where}: answered more than {BODY_LIMIT} bytes")
        parts.append(part)
    return b"".join(parts)


def _reason(error: Exception) -> Reason:
    refused = isinstance(error, aiohttp.ClientConnectorError) and isinstance(
        error.os_error, ConnectionRefusedError
    )
    return "refused" if refused else "unavailable"
