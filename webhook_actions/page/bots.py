"""The page of the bots: state by Prometheus, Nightdesk's holds, and the last action."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from clients.observer import Observer, Unanswered
from stack.settings import Settings
from webhook_actions.page.render import Desktop, Pages
from webhook_actions.store import runs, search
from webhook_actions.store.database import Connection, Pool
from webhook_actions.store.runs import Run
from webhook_actions.web.login import Session

_DAY = 86_400.0  # seconds for which an action counts as the last one
# The last known values of a bot that is down, from the last hour; its profit of the day until the day ends.
_ASKED = {
    "up": "max by (bot) (trading_bot_up)",
    "equity": "max by (bot) (last_over_time(trading_bot_equity[1h]))",
    "today": 'max by (bot) (bot_window:trading_bot_pnl_all:known{window="day"})',
    "drawdown": "max by (bot) (last_over_time(trading_bot_drawdown_ratio[1h]))",
    "positions": "sum by (bot) (last_over_time(trading_bot_active_positions[1h]))",
}

_OF_POSITIONS = {
    "profit": "max by (bot, symbol, side) (trading_bot_position_profit)",
    "stop": "max by (bot, symbol, side) (trading_bot_position_stop_distance_ratio)",
    "unprotected": "max by (bot, symbol, side) (trading_bot_position_unprotected)",
}


@dataclass(frozen=True)
class Held:
    """An open position; `stop` is its distance as a ratio of the price. None is unknown."""

    symbol: str
    side: str
    profit: float | None
    stop: float | None
    unprotected: bool


@dataclass(frozen=True)
class Row:
    """A bot on the page. Money is in `currency`, drawdown and its limit are ratios; None is unknown."""

    bot: str
    state: str
    currency: str
    figures: Mapping[str, float] = field(default_factory=dict)
    limit: float = 0.0
    open: int = 0
    last: Run | None = None
    held: tuple[Held, ...] = ()

    @property
    def worst(self) -> tuple[bool, bool, float, str]:
        """The page's sort key: unhealthy bots first, then those with incidents, then by drawdown."""
        return self.state == "up", not self.open, -self.figures.get("drawdown", 0.0), self.bot


def rows(
    settings: Settings,
    figures: Mapping[str, Mapping[str, float]],
    desk: Desktop,
    opened: Mapping[str, int],
    last: Mapping[str, Run],
    held: Mapping[str, tuple[Held, ...]],
) -> list[Row]:
    """Return the bots of the settings, the worst first. `figures` has the values by name and bot."""
    left = {control.bot: "entries stopped" for control in desk.left} | {h.bot: "halted" for h in desk.halted}
    found = []
    for bot, watched in settings.bots.items():
        known = {name: values[bot] for name, values in figures.items() if bot in values}
        up = {1.0: "up", 0.0: "down"}.get(known.get("up", -1.0), "unknown")
        found.append(
            Row(
                bot=bot,
                state=left.get(bot, "up") if up == "up" else up,
                currency=watched.currency or settings.currency,
                figures=known,
                limit=settings.thresholds.critical.max_drawdown,
                open=opened.get(bot, 0),
                last=last.get(bot),
                held=held.get(bot, ()),
            )
        )
    return sorted(found, key=lambda row: row.worst)


def routes(
    settings: Settings,
    pool: Pool,
    pages: Pages,
    visitor: Callable[[Request], Awaitable[Session]],
    desktop: Callable[[Connection, Request, Session], Awaitable[Desktop]],
) -> APIRouter:
    """Return the route."""
    router = APIRouter(include_in_schema=False)
    observer = Observer.of(settings)

    @router.get("/bots")
    async def bots(request: Request, session: Annotated[Session, Depends(visitor)]) -> Response:
        figures, held, silent = await asyncio.to_thread(_ask, observer)
        async with pool.connection() as connection:
            desk = await desktop(connection, request, session)
            opened = await search.count_open_by_bot(connection)
            done = await runs.of_bots(connection, list(settings.bots), _DAY)
        last = {run.bot: run for run in done if run.started_at is not None and run.effect != "observe"}
        found = rows(settings, figures, desk, opened, last, held)
        return await asyncio.to_thread(pages.show, "bots.html", desk=desk, rows=found, silent=silent)

    return router


Figures = dict[str, dict[str, float]]


def _ask(observer: Observer) -> tuple[Figures, dict[str, tuple[Held, ...]], str]:
    """Return the figures by name and bot, the positions by bot, and Prometheus's error or ''."""
    try:
        figures = {
            name: {sample.labels.get("bot", ""): sample.value for sample in observer.ask(expression)}
            for name, expression in _ASKED.items()
        }
        return figures, _held(observer), ""
    except Unanswered as error:
        return {}, {}, str(error)


def _held(observer: Observer) -> dict[str, tuple[Held, ...]]:
    """Return the open positions of each bot, those without a stop first, then the largest loss."""
    known: dict[tuple[str, str, str], dict[str, float]] = {}
    for name, expression in _OF_POSITIONS.items():
        for sample in observer.ask(expression):
            bot, symbol, side = (sample.labels.get(label, "") for label in ("bot", "symbol", "side"))
            known.setdefault((bot, symbol, side), {})[name] = sample.value
    found: dict[str, list[Held]] = {}
    for (bot, symbol, side), of in known.items():
        one = Held(symbol, side, of.get("profit"), of.get("stop"), of.get("unprotected") == 1)
        found.setdefault(bot, []).append(one)
    return {bot: tuple(sorted(these, key=_worst)) for bot, these in found.items()}


def _worst(one: Held) -> tuple[bool, float, str, str]:
    return not one.unprotected, one.profit or 0.0, one.symbol, one.side
