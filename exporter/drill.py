"""The drill's target: serves only the synthetic bot's series, while a drill sends them."""

import asyncio
import hmac
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_log = logging.getLogger(__name__)
FORGOTTEN_AFTER: Final = 10.0  # seconds; so a killed drill ends by itself
_LARGEST: Final = 1_000_000  # bytes
# So no drill can set a series that a real rule reads or a dashboard shows.
_LINE: Final = re.compile(r"(?:[a-z_]+:)?drill_[a-z_]+(?:\{.*\})? \S+")


class Drill:
    """Keeps a drill's last page, as long as the drill goes on sending."""

    def __init__(self, token_file: Callable[[], Path], clock: Callable[[], float] = time.monotonic) -> None:
        """`token_file` holds the token for drills."""
        self._token_file = token_file
        self._clock = clock
        self._page, self._until = b"", 0.0

    async def show(self, _: Request) -> Response:
        """Answer Prometheus with the series of the running drill."""
        page = self._page if self._clock() < self._until else b""
        return Response(page, media_type="text/plain; version=0.0.4")

    async def take(self, request: Request) -> Response:
        """Show a page until the next one, or for ten seconds."""
        file = self._token_file()
        try:
            token = (await asyncio.to_thread(file.read_text, "utf-8")).strip()
        except (OSError, UnicodeDecodeError) as error:
            _log.error("no drill can run: %s: %s", file, error)
            return PlainTextResponse("the exporter cannot read the token for drills; see its log\n", 503)
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            wanted = {"WWW-Authenticate": "Bearer"}
            return PlainTextResponse(f"this needs the bearer token of {file.name}\n", 401, wanted)
        if int(request.headers.get("content-length", _LARGEST + 1)) > _LARGEST:
            return PlainTextResponse(f"has more than {_LARGEST} bytes, or does not say how many\n", 413)
        try:
            page = str((await request.json())["page"])
        except (ValueError, KeyError, TypeError):
            return PlainTextResponse('wants {"page": "…"}\n', 422)
        strange = next((line for line in page.splitlines() if not _LINE.fullmatch(line)), None)
        if strange is not None:
            return PlainTextResponse(f"only series named drill_… are shown: {strange[:200]}\n", 422)
        self._page, self._until = page.encode(), self._clock() + FORGOTTEN_AFTER
        return PlainTextResponse("ok\n")
