"""Takes pushes over HTTP: `POST /api/v1/bots/{bot}/state`, `/trades` and `/metrics`."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from clients.bot_api import ClosedTrade, Measured, State
from exporter.sources import Source, SourceError
from exporter.sources.push import Kind, NotJson, PushSource, Unreadable

_log = logging.getLogger(__name__)
BODY_LIMIT: Final = 5_000_000  # bytes: some 30,000 trades
_PATIENCE: Final = 30.0  # seconds that a body may take to arrive


class Answer(BaseModel):
    """The answer to a push: 200 if all of it was accepted, 422 if some or all was refused."""

    accepted: int = Field(0, description="Number of stored entries: new trades, or 1 for state and metrics.")
    duplicates: int = Field(0, description="Number of trades that an earlier push contained.")
    refused: list[str] = Field([], description="The refused values: the field, the value, the way out.")
    ignored: list[str] = Field([], description="Fields that Nightdesk does not know; perhaps misspelt.")


class WatchedElsewhere(Exception):
    """A bot that another exporter watches; the message is its address."""


class _Refusal(Exception):
    """A push that is refused whole."""

    def __init__(self, status: int, problem: str) -> None:
        self.status = status
        self.problem = problem
        super().__init__(problem)


class _Trades(BaseModel):
    trades: list[ClosedTrade]


_KINDS: Final[dict[Kind, tuple[type[BaseModel], str]]] = {
    "state": (State, "The bot's whole state; replaces the earlier one"),
    "trades": (_Trades, "Closed trades; a repeated one is recognised by its id and opening time"),
    "metrics": (Measured, "Figures that the bot measures; each replaces the earlier one of its name"),
}
_PROBLEMS: Final[dict[int, str]] = {
    400: "The body is not JSON.",
    401: "The token is missing or wrong.",
    404: "The settings have no bot of this name that pushes.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    421: "Another exporter watches this bot; the answer names it.",
    422: "Some or all was refused; the rest was accepted.",
    503: "The push cannot be kept; try again later.",
}


def push_routes(source_of: Callable[[str], Source]) -> APIRouter:
    """Return the routes; `source_of` gives a bot's source.

    It raises KeyError for an unknown bot, and WatchedElsewhere for a bot of another exporter.
    """
    router = APIRouter(tags=["push"], dependencies=[Depends(HTTPBearer(auto_error=False))])
    for kind, (model, summary) in _KINDS.items():
        router.add_api_route(
            f"/api/v1/bots/{{bot}}/{kind}",
            _endpoint(source_of, kind),
            methods=["POST"],
            summary=summary,
            name=f"push_{kind}",
            response_model=Answer,
            responses={status: {"model": Answer, "description": said} for status, said in _PROBLEMS.items()},
            openapi_extra={"requestBody": {"required": True, "content": _content(model)}},
        )
    return router


def _endpoint(
    source_of: Callable[[str], Source], kind: Kind
) -> Callable[[str, Request], Coroutine[None, None, JSONResponse]]:
    async def push(bot: str, request: Request) -> JSONResponse:
        try:
            source = _pushing(source_of, bot, request)
            return await _take(source, kind, request)
        except _Refusal as refusal:
            extra = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else None
            body = Answer(refused=[refusal.problem]).model_dump()
            return JSONResponse(body, refusal.status, headers=extra)

    return push


def _pushing(source_of: Callable[[str], Source], bot: str, request: Request) -> PushSource:
    """Check the bot's token and return its source. Raises _Refusal."""
    try:
        source = source_of(bot)
    except WatchedElsewhere as elsewhere:
        raise _Refusal(421, f"bots: {bot!r} is watched by the exporter at {elsewhere}; push there") from None
    except KeyError:
        source = None
    if not isinstance(source, PushSource):
        raise _Refusal(404, f"bots: {bot!r} is not one of type push; add it to monitoring.yaml")
    try:
        allowed = source.allows(request.headers.get("authorization", ""))
    except SourceError as error:
        _log.error("a push cannot be accepted: %s", error.detail, extra={"bot": bot})
        raise _Refusal(503, "the exporter cannot read this bot's token_file; see its log") from None
    if not allowed:
        raise _Refusal(401, "send `Authorization: Bearer TOKEN` with the token of this bot's token_file")
    return source


async def _take(source: PushSource, kind: Kind, request: Request) -> JSONResponse:
    try:
        taken = await source.push(kind, await _body(request))
    except _Refusal as refusal:
        source.refuse("too_large" if refusal.status == 413 else "unfinished", refusal.problem)
        raise
    except NotJson as error:
        source.refuse("malformed", str(error))
        raise _Refusal(400, str(error)) from None
    except Unreadable as error:
        source.refuse("malformed", str(error))
        raise _Refusal(422, str(error)) from None
    except SourceError as error:
        raise _Refusal(503, error.detail) from None
    except OSError as error:
        _log.error("a push cannot be written: %s", error, extra={"bot": request.path_params["bot"]})
        raise _Refusal(503, f"the exporter cannot write it: {error.strerror or error}; try again") from None
    return JSONResponse(asdict(taken), 422 if taken.refused else 200)


async def _body(request: Request) -> bytes:
    """Return the body. Raises _Refusal for one that is too large or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            async for part in request.stream():
                body += part
                if len(body) > BODY_LIMIT:
                    raise _Refusal(
                        413, f"the body has more than {BODY_LIMIT} bytes; push fewer trades at once"
                    )
    except TimeoutError:
        raise _Refusal(408, f"the body did not arrive within {_PATIENCE:g} s") from None
    except ClientDisconnect:
        raise _Refusal(400, "the body broke off") from None
    return bytes(body)


def _content(model: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI of a JSON body, with its parts written out where they are used."""
    schema = model.model_json_schema(by_alias=True)
    parts = schema.pop("$defs", {})

    def written_out(value: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, dict):
            if "$ref" in value:
                return written_out(parts[value["$ref"].rsplit("/", 1)[1]])
            return {key: written_out(each) for key, each in value.items()}
        return [written_out(each) for each in value] if isinstance(value, list) else value

    return {"application/json": {"schema": written_out(schema)}}
