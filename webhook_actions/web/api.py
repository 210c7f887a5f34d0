"""The JSON API of the on-call page, for programs and `nightdesk`: incidents, and every act of a person."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from stack.settings import RealTime, Settings
from stack.settings.types import Between
from webhook_actions.outgoing import WEBHOOK
from webhook_actions.payload import no_nul
from webhook_actions.store import audit, controls, deliveries, holds, search
from webhook_actions.store.audit import Caller
from webhook_actions.store.controls import Control
from webhook_actions.store.database import GONE, Pool
from webhook_actions.store.holds import Halt
from webhook_actions.web.auth import Scope, Tokens
from webhook_actions.web.capabilities import Capabilities, Capability, Missing
from webhook_actions.web.commands import Commands, Done, Offer, Refused
from webhook_actions.web.limit import RateLimit

log = logging.getLogger(__name__)

_LARGEST = 2**63 - 1  # an id in PostgreSQL

Line = Annotated[str, StringConstraints(max_length=500, strip_whitespace=True), AfterValidator(no_nul)]
Id = Annotated[int, Path(ge=1, le=_LARGEST)]
Before = Annotated[int | None, Query(ge=1, le=_LARGEST)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Key = Annotated[str | None, Header(max_length=200), AfterValidator(no_nul)]
Snooze = Annotated[RealTime, Between("1m", "7d")]


class Body(BaseModel):
    """The fields of every act."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    by: Annotated[Line, Field(description="Your name, for the timeline: the token does not show it.")] = ""


class _Acknowledge(Body):
    comment: Line = ""
    silence: Annotated[
        Snooze | None, Field(description="Silence the alert in Alertmanager for the same time.")
    ] = None


class _Comment(Body):
    text: Annotated[Line, StringConstraints(min_length=1)]


class _Snooze(Body):
    length: Annotated[Snooze, Field(alias="for")]
    comment: Line = ""
    silence: Annotated[bool, Field(description="Silence the alert in Alertmanager, too.")] = False


class _Run(Body):
    action: Line
    confirm: Annotated[Line, Field(description="The bot's name; an action that moves money needs it.")] = ""


class _Pause(Body):
    reason: Line = ""


@dataclass(frozen=True)
class BotState:
    """A bot, whether it is halted until a person releases it, and whether Nightdesk stopped its entries.

    A bot is `releasing` until its release is carried out on the bot; `detail` says why that is not done yet.
    `adapter` is None for a bot without one. If `version` is None, `version_unknown` says why. `cannot` are
    the actions that the bot cannot do. `blind` says why no drawdown alert of the bot can fire.
    """

    bot: str
    adapter: str | None
    version: str | None
    version_unknown: str | None
    cannot: tuple[Missing, ...]
    blind: str | None = None
    halted: bool = False
    reason: str | None = None
    since: datetime | None = None
    entries_stopped: bool = False
    releasing: bool = False
    detail: str | None = None


@dataclass(frozen=True)
class PauseState:
    """The kill switch: whether all actions are paused, by whom, since when and why."""

    paused: bool = False
    by: str | None = None
    reason: str | None = None
    since: datetime | None = None


class _Said(BaseModel):
    done: Done


class _Asked(_Said):
    run: int  # the run that carries out the request


WRONG: dict[int | str, dict[str, Any]] = {
    code: {"description": text}
    for code, text in (
        (401, "Without the token of the scope"),
        (404, "It does not exist"),
        (409, "Not possible in the present state"),
        (429, "Too often; Retry-After says when"),
        (503, "The database cannot be reached"),
    )
}


def mount(
    app: FastAPI,
    settings: Settings,
    pool: Pool,
    commands: Commands,
    capabilities: Capabilities,
    tokens: Tokens,
    writes: RateLimit,
) -> None:
    """Add the API to the application."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, error.status)

    async def unavailable(_: Request, error: Exception) -> JSONResponse:
        log.error("the database cannot be reached", extra={"reason": str(error)})
        return JSONResponse({"detail": "the database cannot be reached; try again"}, 503)

    @app.get("/openapi.json", include_in_schema=False, dependencies=[Depends(tokens.wants(Scope.READ))])
    async def described() -> dict[str, Any]:
        return app.openapi()

    for kind in GONE:
        app.add_exception_handler(kind, unavailable)
    app.include_router(_reads(settings, pool, commands, capabilities, tokens.wants(Scope.READ)))
    app.include_router(_writes(commands, paced(tokens.wants(Scope.ACT), writes)))


def paced(act: Callable[..., Caller], writes: RateLimit) -> Callable[..., Caller]:
    """Return a dependency that requires the act token and limits the rate."""

    def check(caller: Annotated[Caller, Depends(act)]) -> Caller:
        if wait := writes.take(caller.address):
            raise HTTPException(
                429, f"too many writes from {caller.address}", headers={"Retry-After": str(int(wait) + 1)}
            )
        return caller

    return check


def _reads(
    settings: Settings,
    pool: Pool,
    commands: Commands,
    capabilities: Capabilities,
    read: Callable[..., Caller],
) -> APIRouter:
    router = APIRouter(prefix="/api/v1", dependencies=[Depends(read)], responses=WRONG)

    @router.get("/incidents")
    async def list_incidents(
        state: search.State = "open",
        bot: Line = "",
        alert: Line = "",
        text: Line = "",
        before: Before = None,
        limit: Limit = 100,
    ) -> search.IncidentPage:
        """Return incidents, newest first, with their steps and timelines."""
        async with pool.connection() as connection:
            return await search.find(connection, search.Filter(state, bot, alert, text, before, limit))

    @router.get("/incidents/{incident_id}")
    async def one_incident(incident_id: Id) -> search.Case:
        """Return one incident with its steps and its timeline."""
        async with pool.connection() as connection:
            found = await search.one(connection, incident_id)
        if found is None:
            raise Refused(404, f"there is no incident {incident_id}")
        return found

    @router.get("/actions")
    async def list_actions() -> list[Offer]:
        """Return the actions, their effect on a bot, and whether Nightdesk runs them by itself."""
        return list(commands.offers)

    @router.get("/bots")
    async def list_bots() -> list[BotState]:
        """Return the watched bots, the actions that they cannot do, and their halts and stopped entries."""
        async with pool.connection() as connection:
            halted = {halt.bot: halt for halt in await holds.halts(connection)}
            left = {control.bot: control for control in await controls.left(connection)}
        bots = await capabilities.told(sorted({*settings.bots, *halted, *left}))
        return [_bot_state(bot, can, halted.get(bot), left.get(bot)) for bot, can in bots.items()]

    @router.get("/pause")
    async def show_pause() -> PauseState:
        """Return whether all actions are paused."""
        async with pool.connection() as connection:
            now = await holds.paused(connection)
        return PauseState(True, now.paused_by, now.reason, now.since) if now else PauseState()

    @router.get("/audit")
    async def list_acts(before: Before = None, limit: Limit = 100) -> list[audit.Entry]:
        """Return who did what and from where, newest first."""
        async with pool.connection() as connection:
            return await audit.entries(connection, before=before, limit=limit)

    @router.get("/dead-letters")
    async def list_dead_letters(limit: Limit = 100) -> list[deliveries.Dead]:
        """Return the events that outgoing webhooks did not accept in any attempt, newest first."""
        async with pool.connection() as connection:
            return await deliveries.dead(connection, WEBHOOK, limit)

    return router


def _bot_state(bot: str, can: Capability, halt: Halt | None, left: Control | None) -> BotState:
    shown = halt or left
    return BotState(
        bot,
        can.adapter,
        can.version,
        can.unknown,
        can.cannot,
        can.blind,
        halted=halt is not None,
        reason=shown.reason if shown else None,
        since=shown.since if shown else None,
        entries_stopped=left is not None,
        releasing=left is not None and left.released_by is not None,
        detail=left.detail if left else None,
    )


def _writes(commands: Commands, act: Callable[..., Caller]) -> APIRouter:
    router = APIRouter(prefix="/api/v1", responses=WRONG)
    By = Annotated[Caller, Depends(act)]  # noqa: N806 - a type

    @router.post("/incidents/{incident_id}/acknowledge")
    async def acknowledge(incident_id: Id, body: _Acknowledge, caller: By) -> _Said:
        """Acknowledge: escalation stops."""
        who = caller.named(body.by)
        return _Said(done=await commands.acknowledge(who, incident_id, body.comment, body.silence))

    @router.post("/incidents/{incident_id}/snooze")
    async def snooze(incident_id: Id, body: _Snooze, caller: By) -> _Said:
        """Snooze it; then escalation starts again."""
        who = caller.named(body.by)
        return _Said(done=await commands.snooze(who, incident_id, body.length, body.comment, body.silence))

    @router.post("/incidents/{incident_id}/comment")
    async def comment(incident_id: Id, body: _Comment, caller: By) -> _Said:
        """Add a comment to the timeline."""
        return _Said(done=await commands.comment(caller.named(body.by), incident_id, body.text))

    @router.post("/incidents/{incident_id}/run", status_code=202)
    async def run(incident_id: Id, body: _Run, caller: By, idempotency_key: Key = None) -> _Asked:
        """Run an action now; the incident's timeline shows how it ends.

        A repeated Idempotency-Key returns the same run; without one, so does an unfinished run.
        """
        who = caller.named(body.by)
        run = await commands.run(who, incident_id, body.action, body.confirm, idempotency_key)
        return _Asked(done=Done.ASKED, run=run)

    @router.post("/bots/{bot}/run", status_code=202)
    async def run_on(
        bot: Annotated[Line, Path(min_length=1)], body: _Run, caller: By, idempotency_key: Key = None
    ) -> _Asked:
        """Run an action on a bot now, without an incident: the request opens one of its own.

        A repeated Idempotency-Key returns the same run; without one, so does an unfinished run.
        """
        who = caller.named(body.by)
        run = await commands.run_on(who, bot, body.action, body.confirm, idempotency_key)
        return _Asked(done=Done.ASKED, run=run)

    @router.post("/pause")
    async def pause(body: _Pause, caller: By) -> _Said:
        """Stop all actions: the kill switch."""
        return _Said(done=await commands.pause(caller.named(body.by), body.reason))

    @router.post("/resume")
    async def resume(body: Body, caller: By) -> _Said:
        """Let actions run again."""
        return _Said(done=await commands.resume(caller.named(body.by)))

    @router.post("/bots/{bot}/release")
    async def release(bot: Annotated[Line, Path(min_length=1)], body: Body, caller: By) -> _Said:
        """Release a bot that was halted or whose entries were stopped, and undo that on the bot."""
        return _Said(done=await commands.release(caller.named(body.by), bot))

    @router.post("/dead-letters/{letter}/send")
    async def send_again(letter: Id, body: Body, caller: By) -> _Said:
        """Retry an event from the start, with the same webhook-id."""
        return _Said(done=await commands.send_again(caller.named(body.by), letter))

    return router
