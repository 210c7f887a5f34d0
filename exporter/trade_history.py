"""Serves the closed trades of a bot: `GET /api/v1/bots/{bot}/trades`."""

import asyncio
import hmac
import itertools
import math
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from clients.trading import Side, Slippage, Trade

_MOST: Final = 50_000  # trades in one answer
_BEARER = HTTPBearer(auto_error=False)


@dataclass(frozen=True)
class Span:
    """The trades that closed in a span of time, oldest first; `total` is their number, also if some are
    missing here. `capital` is the equity before the very first trade and before transfers, null if unknown.
    """

    total: int
    capital: float | None
    trades: list[dict[str, Any]]


class TradeHistory:
    """Keeps the last version of every trade, in the order of arrival; `told`: the bot has answered."""

    def __init__(self) -> None:
        self.capital: float | None = None
        self.told = False
        self.clear()

    def clear(self) -> None:
        """Forget all trades: the bot has a new history."""
        self._rows: dict[tuple[int, float], int] = {}  # the place of each trade
        self._closed, self._opened, self._profits = array("d"), array("d"), array("d")
        # The stake, slippage and fees; NaN is unknown.
        self._stakes, self._fees = array("d"), array("d")
        self._entries, self._exits, self._costs = array("d"), array("d"), array("d")
        self._kinds = array("L")  # places in `_names`
        self._names: list[tuple[str, Side]] = []
        self._places: dict[tuple[str, Side], int] = {}

    def add(self, trades: Iterable[Trade]) -> tuple[list[Trade], bool]:
        """Take trades; return the new ones, and whether a known trade has changed."""
        new, corrected = [], False
        # The closing time comes last: a concurrent reader finds rows by it.
        columns: tuple[array[Any], ...] = (
            self._kinds,
            self._opened,
            self._profits,
            self._stakes,
            self._fees,
            self._entries,
            self._exits,
            self._costs,
            self._closed,
        )
        for trade in trades:
            place = self._rows.setdefault(trade.key, len(self._closed))
            if place == len(self._closed):
                for column, value in zip(columns, self._values(trade), strict=True):
                    column.append(value)
                new.append(trade)
            elif self._trade(trade.key, place) != trade:
                for column, value in zip(columns, self._values(trade), strict=True):
                    column[place] = value
                corrected = True
        return new, corrected

    def trades(self) -> Iterator[Trade]:
        """Yield all trades."""
        return itertools.starmap(self._trade, self._rows.items())

    def _values(self, trade: Trade) -> tuple[Any, ...]:
        kind = (trade.symbol, trade.side)
        if kind not in self._places:
            self._places[kind] = len(self._names)
            self._names.append(kind)
        slipped = trade.slippage
        unsure = (trade.stake, trade.fees, slipped.entry, slipped.exit, slipped.cost)
        told = (math.nan if each is None else each for each in unsure)
        return self._places[kind], trade.opened_at, trade.profit, *told, trade.closed_at

    def _trade(self, key: tuple[int, float], place: int) -> Trade:
        slipped = Slippage(*(_known(of[place]) for of in (self._entries, self._exits, self._costs)))
        return Trade(key=key, **self._row(place), slippage=slipped, fees=_known(self._fees[place]))

    def was_open(self, moment: float) -> bool:
        """Return whether any of the trades was open just before a unix time."""
        return any(
            opened < moment <= closed for opened, closed in zip(self._opened, self._closed, strict=False)
        )

    def between(self, start: float, end: float) -> Span:
        """Return the trades that closed from one unix time until before another; of too many, the newest."""
        closed = self._closed
        found = sorted((at, place) for place, at in enumerate(closed) if start <= at < end)
        return Span(len(found), self.capital, [self._row(place) for _, place in found[-_MOST:]])

    def _row(self, place: int) -> dict[str, Any]:
        symbol, side = self._names[self._kinds[place]]
        return {
            "symbol": symbol,
            "side": side,
            "opened_at": self._opened[place],
            "closed_at": self._closed[place],
            "profit": self._profits[place],
            "stake": _known(self._stakes[place]),
        }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def past_trades(past_of: Callable[[str], TradeHistory], read_token: Callable[[], str]) -> APIRouter:
    """Return the route, which needs the read token. `past_of` raises KeyError for an unknown bot."""
    router = APIRouter(tags=["trades"])

    def reader(given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> None:
        try:
            token = read_token()
        except OSError as error:
            raise HTTPException(503, f"the read token cannot be read: {error.strerror}") from None
        said = given.credentials if given else ""
        if not hmac.compare_digest(said.encode(), token.encode()):
            raise HTTPException(401, "wants the read token", headers={"WWW-Authenticate": "Bearer"})

    @router.get("/api/v1/bots/{bot}/trades", dependencies=[Depends(reader)])
    async def trades(
        bot: str, start: Annotated[float, Query()] = 0.0, end: Annotated[float, Query()] = float("inf")
    ) -> Span:
        """Return the trades that closed from `start` until before `end`, unix seconds; 503 while unknown."""
        try:
            past = past_of(bot)
        except KeyError:
            raise HTTPException(404, f"bots: {bot!r} is not watched by this exporter") from None
        if not past.told:
            # An empty answer would mean that the bot made no trades.
            raise HTTPException(503, f"{bot} has reported no trades since this exporter started")
        return await asyncio.to_thread(past.between, start, end)

    return router
