"""Serves the bot API over HTTP: its requests, and the shape of its errors."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import yaml
from fastapi import APIRouter, Body, FastAPI, Header, Query, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from demo_bot.arguments import FAULTS, VERBS, NoArguments
from demo_bot.child import ANSWER_SECONDS, DiedError, NotRunningError, UnansweredError
from demo_bot.journal import JournalError
from demo_bot.messages import Done, Error, FaultDone, Faults, State, Trades
from demo_bot.middleware import Gate, refusal
from demo_bot.supervisor import MisusedKeyError, Options, RefusedError, StartFailedError, Supervisor

ABOUT = """Nightdesk's requests to a bot. Times are unix seconds, ratios 0 to 1, money in the bot's currency.
A bot leaves out an unknown figure and never sends zero; only `time`, `state`, `currency` are required."""
FAULT_TAGS: list[str | Enum] = ["faults (demo bot only)"]
FAILURES: dict[int | str, dict[str, object]] = {
    401: {"model": Error, "description": "The token is missing or wrong."},
    409: {"model": Error, "description": "Refused in the present state."},
    422: {"model": Error, "description": "The arguments are wrong."},
    503: {"model": Error, "description": "The trading process is not running."},
    504: {"model": Error, "description": f"It did not answer within {ANSWER_SECONDS:g} s."},
}

Key = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        alias="Idempotency-Key",
        description="The same key again gets the same answer and has no second effect. "
        "After a 503 or a 504 ask again with the same key.",
    ),
]


def create_app(bots: Mapping[str, Supervisor], token: str) -> FastAPI:
    """Return the application of bots by name; it opens them when it starts and closes them when it stops.

    The first is at `/api/v1`, each other one at `/NAME/api/v1`.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as opened:
            for bot in bots.values():
                await bot.open()
                opened.push_async_callback(bot.close)
            yield

    app = FastAPI(
        title="Nightdesk bot API",
        version="1",
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.add_middleware(Gate, token=token)
    # The gate has already checked the token; this only documents it.
    for place, (name, bot) in enumerate(bots.items()):
        prefix = f"/{name}/api/v1" if place else "/api/v1"
        asks_token = [Security(HTTPBearer(auto_error=False))]
        router = APIRouter(prefix=prefix, dependencies=asks_token, responses=FAILURES)
        _add_reading(router, bot)
        _add_verbs(router, bot)
        _add_faults(router, bot)
        app.include_router(router)

    @app.get("/healthz", tags=["reading"], summary="Whether the API is up; needs no token")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    _tell_failures(app)
    return app


def openapi_document() -> str:
    """Return the OpenAPI document of the bot API as YAML."""
    nobody = Options(data=Path(), seed=0, pace=0, currency="", log_bytes=0, log_files=0)
    document = create_app({"nobody": Supervisor(nobody)}, token="").openapi()
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _add_reading(router: APIRouter, bot: Supervisor) -> None:
    @router.get(
        "/state",
        tags=["reading"],
        summary="The bot's whole state",
        response_model_exclude_none=True,
    )
    async def state() -> State:
        return await bot.state()

    @router.get(
        "/trades", tags=["reading"], summary="Closed trades with an id above `since_id`, oldest first"
    )
    async def trades(
        since_id: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 1000
    ) -> Trades:
        return Trades.model_validate(await bot.trades(since_id, limit))


def _add_verbs(router: APIRouter, bot: Supervisor) -> None:
    def endpoint(name: str, arguments: type[NoArguments]) -> Callable[..., Awaitable[JSONResponse]]:
        async def act(arguments: NoArguments, key: Key = None) -> JSONResponse:
            answer = await bot.control(name, arguments, key)
            return JSONResponse(answer.body, answer.status)

        act.__annotations__["arguments"] = _body(arguments)
        return act

    for name, verb in VERBS.items():
        router.add_api_route(
            f"/control/{name}",
            endpoint(name, verb.arguments),
            methods=["POST"],
            tags=["control"],
            operation_id=name,
            summary=verb.does,
            response_model=Done,
        )

    @router.post("/control/{verb}", include_in_schema=False)
    async def unknown(verb: str) -> JSONResponse:
        return refusal(404, f"{verb!r} is not a control verb", list(VERBS))


def _add_faults(router: APIRouter, bot: Supervisor) -> None:
    @router.get("/faults", tags=[*FAULT_TAGS], summary="All faults", response_model_exclude_none=True)
    async def faults() -> Faults:
        return await bot.faults()

    def switch_on(name: str, arguments: type[NoArguments]) -> Callable[..., Awaitable[FaultDone]]:
        async def on(arguments: NoArguments) -> FaultDone:
            return await bot.switch_on(name, arguments)

        on.__annotations__["arguments"] = _body(arguments)
        return on

    def switch_off(name: str) -> Callable[..., Awaitable[FaultDone]]:
        async def off() -> FaultDone:
            return await bot.switch_off(name)

        return off

    for name, fault in FAULTS.items():
        path, tags = f"/faults/{name}", [*FAULT_TAGS]
        router.add_api_route(
            path, switch_on(name, fault.arguments), methods=["POST"], tags=tags,
            operation_id=f"{name}_on", summary=fault.does, description=f"Ends {fault.ends}.",
        )  # fmt: skip
        router.add_api_route(
            path, switch_off(name), methods=["DELETE"], tags=tags,
            operation_id=f"{name}_off", summary=f"Switch {name} off",
        )  # fmt: skip

    @router.api_route("/faults/{name}", methods=["POST", "DELETE"], include_in_schema=False)
    async def unknown(name: str) -> JSONResponse:
        return refusal(404, f"{name!r} is not a fault", list(FAULTS))


def _body(arguments: type[NoArguments]) -> object:
    """Return the type of a request's body; the body is optional if its defaults are harmless."""
    return Annotated[arguments, Body() if arguments.needed else Body(default_factory=arguments)]


def _tell_failures(app: FastAPI) -> None:
    """Give every failure the same shape."""

    @app.exception_handler(RequestValidationError)
    async def wrong(_: Request, error: RequestValidationError) -> JSONResponse:
        return refusal(422, "; ".join(_line(problem) for problem in error.errors()))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        # FastAPI answers 422 for a body that cannot be parsed; this does the same for one that cannot be
        # decoded.
        return refusal(422 if error.status_code == 400 else error.status_code, str(error.detail))

    def tell(kind: type[Exception], status: int, text: str | None = None) -> None:
        @app.exception_handler(kind)
        async def told(_: Request, error: Exception) -> JSONResponse:
            return refusal(status, text or str(error))

    tell(NotRunningError, 503, "the trading process is not running")
    tell(DiedError, 503, "the trading process died before it answered")
    tell(StartFailedError, 503)
    tell(JournalError, 503)
    tell(UnansweredError, 504, f"the trading process did not answer within {ANSWER_SECONDS:g} s")
    tell(RefusedError, 409)
    tell(MisusedKeyError, 422)


def _line(problem: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    hint = (
        "; send JSON with Content-Type: application/json" if isinstance(problem.get("input"), bytes) else ""
    )
    return f"{where}: {problem['msg']}{hint}"
