"""The exporter's HTTP side: /metrics for Prometheus, /healthz for supervisors, / for people."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import aiohttp
from fastapi import FastAPI, Query, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from exporter.catalogue import COLLECT
from exporter.exposition import CONTENT_TYPE
from exporter.intake import intake
from exporter.poller import Fleet, Status
from stack.settings import Settings

_log = logging.getLogger(__name__)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Nightdesk exporter</title>
<style>
:root{{color-scheme:dark light}}
body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}}
table{{border-collapse:collapse;width:100%}}
td,th{{text-align:left;padding:.3rem .8rem .3rem 0;vertical-align:top}}
</style>
</head><body><h1>Nightdesk exporter</h1>
<p><a href="/metrics">All metrics</a> · {groups}</p>
<table><thead><tr><th>bot</th><th>state</th><th>polled</th><th>problem</th></tr></thead>
<tbody>{rows}</tbody></table></body></html>
"""


def create_app(settings: Settings, data: Path) -> FastAPI:
    """Return the application; it polls the bots while it runs and keeps durable files in `data`."""
    fleets: list[Fleet] = []
    polling: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            fleets.append(Fleet(settings, session, data))
            polling.append(asyncio.create_task(fleets[0].run()))
            polling[0].add_done_callback(_tell_end)
            yield
            polling[0].cancel()
            await asyncio.gather(*polling, return_exceptions=True)

    app = FastAPI(title="Nightdesk exporter", lifespan=lifespan)
    app.include_router(intake(lambda name: fleets[0].bots[name].source))

    @app.get("/metrics")
    async def metrics(
        collect: Annotated[Sequence[str], Query(alias="collect[]")] = (),
        bot: Annotated[Sequence[str], Query(alias="bot[]")] = (),
    ) -> Response:
        problem = _unknown("collect[]", collect, COLLECT) or _unknown("bot[]", bot, fleets[0].bots)
        if problem:
            return PlainTextResponse(problem, status_code=400)
        return Response(fleets[0].metrics(collect, bot), headers={"Content-Type": CONTENT_TYPE})

    @app.get("/healthz")
    async def healthz() -> PlainTextResponse:
        if polling[0].done():
            return PlainTextResponse("the polling has ended; see the log and restart\n", status_code=503)
        return PlainTextResponse("ok\n")

    @app.get("/")
    async def index() -> HTMLResponse:
        return HTMLResponse(_index([bot.status for bot in fleets[0].bots.values()], time.time()))

    return app


def _tell_end(polling: asyncio.Task[None]) -> None:
    if not polling.cancelled() and (error := polling.exception()) is not None:
        _log.critical("the polling of all bots has ended on a defect", exc_info=error)


def _unknown(parameter: str, given: Iterable[str], allowed: Iterable[str]) -> str:
    """Return what is wrong with the given values, empty where nothing is."""
    known = list(allowed)
    wrong = [value for value in given if value not in known]
    return f"{parameter}: {wrong[0]!r} is not known; allowed: {', '.join(known)}\n" if wrong else ""


def _index(bots: Iterable[Status], now: float) -> str:
    groups = " · ".join(f'<a href="/metrics?collect[]={name}">{name}</a>' for name in COLLECT)
    return _PAGE.format(groups=groups, rows="".join(_row(bot, now) for bot in bots))


def _row(bot: Status, now: float) -> str:
    age = "" if bot.polled_at is None else f"{max(0.0, now - bot.polled_at):.0f} s ago"
    name = f'<a href="/metrics?bot[]={quote(bot.name)}">{escape(bot.name)}</a>'
    cells = (name, escape(bot.state), age, escape(bot.error))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
