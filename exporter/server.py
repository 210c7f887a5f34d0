"""The exporter's HTTP side: /metrics for Prometheus, /health and / for people, /healthz for supervisors."""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.requests import Request
from starlette.responses import Response

from exporter import landing
from exporter.catalogue import COLLECT
from exporter.fleet import Fleet
from exporter.formats import choose, takes_gzip
from exporter.intake import intake
from exporter.web import Guard, WebConfig
from stack.settings import Settings

_log = logging.getLogger(__name__)
# The quickest level: higher ones save a tenth of the bytes and take four times as long.
_GZIP_LEVEL: Final = 1


def create_app(settings: Settings, data: Path, web: WebConfig | None = None) -> FastAPI:
    """Return the application; it polls the bots while it runs and keeps durable files in `data`."""
    watch = _Watch(settings, data)
    app = FastAPI(title="Nightdesk exporter", lifespan=watch.lifespan)
    app.include_router(intake(lambda name: watch.fleet.bots[name].source))
    # Starlette's own routes answer HEAD too.
    app.add_route("/metrics", watch.metrics, include_in_schema=False)
    app.add_route("/health", watch.health, include_in_schema=False)
    app.add_route("/healthz", watch.healthz, include_in_schema=False)
    app.add_route("/", watch.index, include_in_schema=False)
    if web is not None:
        app.add_middleware(Guard, config=web)
    return app


class _Watch:
    """Answers from what the fleet knows; it polls while the application runs."""

    fleet: Fleet

    def __init__(self, settings: Settings, data: Path) -> None:
        self._settings = settings
        self._data = data
        self._polling: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Poll while in the block."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            self.fleet = Fleet(self._settings, session, self._data)
            self._polling = asyncio.create_task(self.fleet.run())
            self._polling.add_done_callback(_tell_end)
            yield
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)

    async def metrics(self, request: Request) -> Response:
        """Answer in the format and the coding that are asked for."""
        collect, bots = (request.query_params.getlist(name) for name in ("collect[]", "bot[]"))
        problem = _unknown("collect[]", collect, COLLECT) or _unknown("bot[]", bots, self.fleet.bots)
        if problem:
            return PlainTextResponse(problem, status_code=400)
        chosen = choose(request.headers.get("accept", ""))
        headers = {"Content-Type": chosen.content_type, "Vary": "Accept, Accept-Encoding"}
        body = self.fleet.metrics(collect, bots, chosen.format)
        if takes_gzip(request.headers.get("accept-encoding", "")):
            # In a thread: the text of a thousand bots takes a while.
            body = await asyncio.to_thread(gzip.compress, body, _GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers=headers)

    async def health(self, request: Request) -> Response:
        """Answer the checks of all bots, or of those named, as JSON; 200 however the bots are."""
        bots = request.query_params.getlist("bot[]")
        problem = _unknown("bot[]", bots, self.fleet.bots)
        if problem:
            return PlainTextResponse(problem, status_code=400)
        return JSONResponse({"time": self.fleet.clock(), "bots": await self.fleet.health(bots)})

    async def healthz(self, _: Request) -> Response:
        """Answer whether the exporter does its work."""
        if self._polling is None or self._polling.done():
            return PlainTextResponse("the polling has ended; see the log and restart\n", status_code=503)
        return PlainTextResponse("ok\n")

    async def index(self, _: Request) -> Response:
        """Answer the page for people."""
        links = {
            "Prometheus": self._settings.link("prometheus"),
            "Grafana": self._settings.link("grafana"),
            "On call": self._settings.link("webhook_actions"),
        }
        return HTMLResponse(landing.page(await self.fleet.rows(), links))


def _tell_end(polling: asyncio.Task[None]) -> None:
    if not polling.cancelled() and (error := polling.exception()) is not None:
        _log.critical("the polling of all bots has ended on a defect", exc_info=error)


def _unknown(parameter: str, given: Iterable[str], allowed: Iterable[str]) -> str:
    """Return what is wrong with the given values, empty where nothing is."""
    known = list(allowed)
    wrong = [value for value in given if value not in known]
    return f"{parameter}: {wrong[0]!r} is not known; allowed: {', '.join(known)}\n" if wrong else ""
