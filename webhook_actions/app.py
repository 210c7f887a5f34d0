"""The HTTP side: takes Alertmanager's webhooks, serves metrics, the API and the on-call page."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import ClientDisconnect

from stack.settings import Settings
from webhook_actions import page, payload
from webhook_actions.escalation.steps import Escalation
from webhook_actions.metrics import Metrics
from webhook_actions.report import api as reports
from webhook_actions.store import incidents
from webhook_actions.store.database import GONE, Pool
from webhook_actions.web import api, phone, schedule_api, watchdog
from webhook_actions.web.auth import Scope, Tokens
from webhook_actions.web.capabilities import Capabilities
from webhook_actions.web.commands import Commands
from webhook_actions.web.guard import Guard, refuse_for_now, refuse_unreadable
from webhook_actions.web.limit import OnceASecond, RateLimit, TooManyFailures
from webhook_actions.web.schedules import Schedules

log = logging.getLogger(__name__)
log.addFilter(OnceASecond())  # others decide how often these would log

Reload = Callable[[], Awaitable[str | None]]

_WEBHOOK = "/api/v1/alerts"
_AT_ONCE = 65_536  # bytes that are parsed without a noticeable delay; a larger body is parsed in a thread
_PROBLEMS = 20  # problems that an answer lists


def build(
    settings: Settings,
    pool: Pool,
    commands: Commands,
    escalation: Escalation,
    capabilities: Capabilities,
    metrics: Metrics,
    healthy: Callable[[], Awaitable[str | None]],
    reload: Reload,
) -> FastAPI:
    """Return the application; `healthy` and `reload` return what is wrong, or None."""
    app = FastAPI(title="Nightdesk webhook_actions", version="1", openapi_url=None)
    failures = RateLimit(settings.webhook_actions.page.failed_logins)
    tokens = Tokens(settings, metrics.webhooks.labels("unauthorized").inc, failures)
    receive, read = tokens.wants(Scope.RECEIVE), tokens.wants(Scope.READ)
    app.add_middleware(Guard, webhook=_WEBHOOK, limit=int(settings.webhook_actions.body_limit))
    app.add_exception_handler(RequestValidationError, refuse_unreadable)
    app.add_exception_handler(TooManyFailures, refuse_for_now)
    writes = RateLimit(settings.webhook_actions.page.writes)
    api.mount(app, settings, pool, commands, capabilities, tokens, writes)
    app.include_router(reports.routes(settings, pool, read))
    schedules = Schedules(settings, pool)
    app.include_router(schedule_api.reads(settings, pool, read))
    app.include_router(schedule_api.writes(schedules, api.paced(tokens.wants(Scope.ACT), writes)))
    app.include_router(watchdog.routes(settings, pool, metrics, receive))
    app.include_router(phone.routes(settings, pool, commands, metrics))
    page.mount(app, settings, pool, commands, schedules, capabilities, tokens, writes, failures, metrics)

    @app.get("/healthz")
    async def healthz() -> Response:
        wrong = await healthy()
        return Response(f"{wrong or 'ok'}\n", status_code=503 if wrong else 200, media_type="text/plain")

    @app.post(_WEBHOOK, dependencies=[Depends(receive)])
    async def alerts(request: Request) -> dict[str, Any]:
        """Take a webhook of Alertmanager, version 4; after a 200 nothing of it can be lost."""
        good, problems = await _read(request, metrics)
        try:
            async with pool.transaction() as connection:
                accepted = await incidents.accept(connection, good)
                await escalation.opened(connection, accepted.opened)
        except GONE as error:
            metrics.webhooks.labels("unavailable").inc()
            log.error("the database cannot be reached", extra={"reason": str(error)})
            raise HTTPException(503, "the database cannot be reached; send it again") from None
        counts = {
            "opened": len(accepted.opened),
            "resolved": len(accepted.resolved),
            "repeated": accepted.repeated,
            "ignored": accepted.ignored,
        }
        for outcome, count in counts.items():
            metrics.alerts.labels(outcome).inc(count)
        metrics.webhooks.labels("accepted").inc()
        return {
            **counts,
            "refused": problems[:_PROBLEMS],
            "refused_unlisted": len(problems[_PROBLEMS:]),
        }

    @app.post("/-/reload", dependencies=[Depends(tokens.wants(Scope.RELOAD))])
    async def read_anew() -> Response:
        wrong = await reload()
        return Response(f"{wrong or 'ok'}\n", status_code=422 if wrong else 200, media_type="text/plain")

    @app.get("/metrics", dependencies=[Depends(read)])
    async def show_metrics() -> Response:
        async with pool.connection() as connection:
            await metrics.look(connection)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app


async def _read(request: Request, metrics: Metrics) -> tuple[list[payload.Alert], list[str]]:
    """Return the good alerts of a webhook and the problems of the others; count them all.

    Raises HTTPException if the webhook is unreadable.
    """
    body = await _body(request, metrics)
    try:
        if len(body) > _AT_ONCE:
            good, problems = await asyncio.to_thread(payload.read, body)
        else:
            good, problems = payload.read(body)
    except payload.PayloadError as error:
        metrics.webhooks.labels("malformed").inc()
        log.warning("a webhook was refused", extra={"reason": str(error)})
        raise HTTPException(422, f"not a webhook of Alertmanager, version 4: {error}") from None
    metrics.alerts.labels("refused").inc(len(problems))
    if problems:
        log.warning("alerts were refused", extra={"refused": len(problems), "first": problems[0]})
    return good, problems


async def _body(request: Request, metrics: Metrics) -> bytes:
    """Return the body; refuse and count one over the limit before it is read whole."""
    try:
        return await request.body()
    except HTTPException:
        metrics.webhooks.labels("too_large").inc()
        raise
    except ClientDisconnect:
        metrics.webhooks.labels("cut_off").inc()
        raise HTTPException(408, "the connection ended before the body did") from None
