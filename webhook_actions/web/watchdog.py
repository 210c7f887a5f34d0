"""The end of the loop: stores each webhook of the Watchdog, and only then calls the dead man's switch."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from fastapi import APIRouter, Depends, HTTPException, Request

from clients.http import NoAnswer, ask_once
from clients.http import Request as Asked
from stack.settings import Settings
from webhook_actions import payload
from webhook_actions.metrics import Metrics
from webhook_actions.store.audit import Caller
from webhook_actions.store.database import GONE, Pool
from webhook_actions.web.health import writable

log = logging.getLogger(__name__)

PATH = "/api/v1/watchdog"
_RESENT = 60.0  # seconds after which Prometheus sends a firing alert to Alertmanager again
_SLACK = 30.0  # seconds for all steps together
_PING_WITHIN = 10.0  # seconds


def routes(
    settings: Settings,
    pool: Pool,
    metrics: Metrics,
    receive: Callable[..., Caller],
    now: Callable[[], float] = time.time,
) -> APIRouter:
    """Return the route that Alertmanager's receiver `watchdog` posts to.

    After any answer but 200 the switch got no call; Alertmanager retries, and counts a failure.
    """
    router = APIRouter()
    collection = settings.collection
    freshest = float(collection.system.interval) + float(collection.evaluation_interval)
    oldest = freshest + _RESENT + float(settings.routing.watchdog_interval) + _SLACK

    @router.post(PATH, dependencies=[Depends(receive)])
    async def round_trip(request: Request) -> dict[str, float]:
        """Take the Watchdog's webhook; 503 if it is old, cannot be written or cannot be passed on."""
        seen_at = _seen_at(await request.body())
        try:
            async with pool.connection(timeout=5) as connection:
                wrong = await writable(connection)
        except GONE as error:
            wrong = f"the database cannot be reached: {type(error).__name__}"
        if wrong:
            _fail(wrong)
        age = now() - seen_at  # after the write: a database may take long
        if age > oldest:
            _fail(f"the exporter was last seen {age:.0f} s ago; the limit is {oldest:.0f} s")
        if isinstance(settings.routing.watchdog_url_file, Path):
            await _ping(settings.routing.watchdog_url_file)
        metrics.round_trip.set(seen_at)
        return {"seen_at": seen_at, "age_seconds": max(0.0, age)}

    return router


def _seen_at(body: bytes) -> float:
    """Return the unix time at which the exporter was last seen.

    Raises HTTPException for any other webhook.
    """
    try:
        alerts, _ = payload.read(body)
        return max(float(one.annotations["seen_at"]) for one in alerts if one.status == "firing")
    except (payload.PayloadError, KeyError, ValueError) as error:
        raise HTTPException(422, f"not the Watchdog's webhook: {error}") from None


async def _ping(file: Path) -> None:
    """Call the switch outside. Raises HTTPException if it does not accept the call."""
    try:
        url = file.read_text(encoding="utf-8").strip()  # noqa: ASYNC240 - a line
        answer = await ask_once(Asked("GET", url, _PING_WITHIN))
    except (OSError, UnicodeDecodeError, NoAnswer) as error:
        _fail(f"the dead man's switch cannot be reached: {type(error).__name__}")
    if not answer.ok:
        _fail(f"the dead man's switch answers {answer.status}")


def _fail(why: str) -> NoReturn:
    """Raise HTTPException without the outside address, which is a secret."""
    log.error("the dead man's switch was not pinged", extra={"reason": why})
    raise HTTPException(503, why)
