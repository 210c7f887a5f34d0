"""The exporter's HTTP side: /metrics for Prometheus, /health and / for people, /healthz for supervisors."""

import asyncio
import gzip
import hmac
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.requests import Request
from starlette.responses import Response

from clients.http import Http
from exporter import status_page
from exporter.catalogue import COLLECT
from exporter.drill import Drill
from exporter.fleet import Fleet
from exporter.formats import choose, takes_gzip
from exporter.push_api import push_routes
from exporter.recording import Recording
from exporter.sharding import Shard
from exporter.sources import Source
from exporter.trade_history import TradeHistory, past_trades
from exporter.web import Guard
from stack.settings import Settings, SettingsError, replica_of
from stack.settings.web_config import WebConfig

_log = logging.getLogger(__name__)
# The quickest level: higher ones save a tenth of the bytes and take four times as long.
_GZIP_LEVEL: Final = 1


def create_app(
    read: Callable[[], Settings], replica: int, data: Path, web: WebConfig | None = None
) -> FastAPI:
    """Return the application; it polls the bots while it runs, and keeps durable files in `data`. `read`
    reads the settings, now and at each reload; `replica` is this exporter's number.
    """
    watch = _Watch(read, replica, data)
    app = FastAPI(title="Nightdesk exporter", lifespan=watch.lifespan)
    app.include_router(push_routes(watch.source))
    app.include_router(past_trades(watch.past, watch.read_token))
    # Starlette's own routes answer HEAD too.
    app.add_route("/metrics", watch.metrics, include_in_schema=False)
    app.add_route("/health", watch.health, include_in_schema=False)
    app.add_route("/limits", watch.limits, include_in_schema=False)
    app.add_route("/healthz", watch.healthz, include_in_schema=False)
    app.add_route("/sd", watch.discover, include_in_schema=False)
    app.add_route("/-/reload", watch.reload, methods=["POST"], include_in_schema=False)
    drill = Drill(watch.reload_token)
    app.add_route("/drill", drill.show, include_in_schema=False)
    app.add_route("/-/drill", drill.take, methods=["PUT"], include_in_schema=False)
    app.add_route("/", watch.index, include_in_schema=False)
    if web is not None:
        app.add_middleware(Guard, config=web)
    return app


class _Watch:
    """Answers requests from the fleet, which polls while the application runs."""

    fleet: Fleet

    def __init__(self, read: Callable[[], Settings], replica: int, data: Path) -> None:
        self._read = read
        self._replica = replica
        self._share = self._now()
        self._data = data
        self._polling: asyncio.Task[None] | None = None
        self._reloading = asyncio.Lock()

    def _now(self) -> Shard:
        """Return the shard by the present settings. Raises SettingsError."""
        settings = self._read()
        return Shard(settings, replica_of(settings.services.exporter, self._replica))

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Poll while in the block, and reload the settings on SIGHUP."""
        async with aclosing(Http()) as http:
            self.fleet = Fleet(self._share.own, http, self._data)
            self._polling = asyncio.create_task(self.fleet.run())
            self._polling.add_done_callback(_tell_end)
            recording = Recording(lambda: self._share.settings, self._replica, self.fleet.clock)
            self.fleet.beside = recording.samples
            writing = asyncio.create_task(recording.run(lambda form: self.fleet.metrics(form=form)))
            writing.add_done_callback(_tell_end)
            loop, asked = asyncio.get_running_loop(), set[asyncio.Task[str]]()
            loop.add_signal_handler(signal.SIGHUP, lambda: asked.add(loop.create_task(self._reload())))
            yield
            loop.remove_signal_handler(signal.SIGHUP)
            for task in (self._polling, writing):
                task.cancel()
            await asyncio.gather(self._polling, writing, return_exceptions=True)

    async def _reload(self) -> str:
        """Continue with the present settings. If they are wrong, keep the old ones and return the fault."""
        async with self._reloading:
            try:
                share = await asyncio.to_thread(self._now)
            except SettingsError as error:
                _log.error("the settings stay unchanged: %s", error)
                self.fleet.reloads.ended(self.fleet.clock(), good=False)
                return str(error)
            await self.fleet.apply(share.own)
            self._share = share
            self.fleet.reloads.ended(self.fleet.clock(), good=True)
            _log.info("the settings were reloaded", extra={"bots": len(share.own.bots)})
            return ""

    async def reload(self, request: Request) -> Response:
        """Reload the settings; needs the reload token. 422 names the fault of the settings."""
        file = self.reload_token()
        try:
            token = (await asyncio.to_thread(file.read_text, "utf-8")).strip()
        except (OSError, UnicodeDecodeError) as error:
            _log.error("no reload by HTTP is possible: %s: %s", file, error)
            return PlainTextResponse("the exporter cannot read its reload token; see its log\n", 503)
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            wanted = {"WWW-Authenticate": "Bearer"}
            return PlainTextResponse(f"this needs the bearer token of {file.name}\n", 401, wanted)
        problem = await self._reload()
        return PlainTextResponse(f"{problem or 'ok'}\n", 422 if problem else 200)

    async def discover(self, _: Request) -> Response:
        """Answer with all bots, in the format of Prometheus's HTTP service discovery."""
        return JSONResponse(self._share.targets())

    def source(self, bot: str) -> Source:
        """Return the source of a bot. Raises KeyError, and WatchedElsewhere for another exporter's bot."""
        return self._share.source(bot, lambda name: self.fleet.bots[name].source)

    def past(self, bot: str) -> TradeHistory:
        """Return the trades of a bot of this exporter. Raises KeyError."""
        return self.fleet.bots[bot].past

    def reload_token(self) -> Path:
        """Return the file with the token for reloads and drills."""
        return self._share.settings.webhook_actions.tokens.reload_file

    def read_token(self) -> str:
        """Return the token for reading. Raises OSError."""
        return self._share.settings.webhook_actions.tokens.read_file.read_text(encoding="utf-8").strip()

    async def metrics(self, request: Request) -> Response:
        """Answer in the requested format and coding."""
        collect, bots = request.query_params.getlist("collect[]"), _bots(request)
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
        """Answer with the checks of all bots, or of the named ones, as JSON; always 200."""
        bots = _bots(request)
        problem = _unknown("bot[]", bots, self.fleet.bots)
        if problem:
            return PlainTextResponse(problem, status_code=400)
        return JSONResponse({"time": self.fleet.clock(), "bots": await self.fleet.health(bots)})

    async def limits(self, _: Request) -> Response:
        """Answer with the loss limits of all bots and accounts, and the rest of each, as JSON."""
        return JSONResponse({"time": self.fleet.clock(), "limits": self.fleet.limits.as_json()})

    async def healthz(self, _: Request) -> Response:
        """Answer whether the exporter works."""
        if self._polling is None or self._polling.done():
            return PlainTextResponse("the polling has ended; see the log and restart\n", status_code=503)
        return PlainTextResponse("ok\n")

    async def index(self, _: Request) -> Response:
        """Answer with the page for people."""
        links = {
            "Prometheus": self._share.settings.link("prometheus"),
            "Grafana": self._share.settings.link("grafana"),
            "On call": self._share.settings.link("webhook_actions"),
        }
        return HTMLResponse(status_page.page(await self.fleet.rows(), links))


def _tell_end(polling: asyncio.Task[None]) -> None:
    if not polling.cancelled() and (error := polling.exception()) is not None:
        _log.critical("the polling, or the writing of files, has ended on a defect", exc_info=error)


def _bots(request: Request) -> list[str]:
    """Return the requested bots; targets of service discovery use `bot`."""
    return [name for key in ("bot[]", "bot") for name in request.query_params.getlist(key)]


def _unknown(parameter: str, given: Iterable[str], allowed: Iterable[str]) -> str:
    """Return the fault of the given values, or an empty text."""
    known = list(allowed)
    wrong = [value for value in given if value not in known]
    return f"{parameter}: {wrong[0]!r} is not known; allowed: {', '.join(known)}\n" if wrong else ""
