"""Reports each closed trade to programs, from the exporter's trades."""

import asyncio
import logging
import math
from collections.abc import Callable

from clients.exporter import ClosedTrades, TradesUnavailable, told_trades
from clients.trading import Trade
from stack.settings import Settings
from webhook_actions.outgoing import TRADING, Event, Outgoing
from webhook_actions.store import trades_told
from webhook_actions.store.database import Pool

log = logging.getLogger(__name__)

Ask = Callable[[Settings, str, float, float, float], ClosedTrades]


class Trades:
    """Finds closed trades, if an endpoint or another system wants trading events."""

    def __init__(self, settings: Settings, pool: Pool, ask: Ask = told_trades) -> None:
        """`ask` returns a bot's trades of a time, or raises TradesUnavailable."""
        self._settings = settings
        self._pool = pool
        self._ask = ask
        self._outgoing = Outgoing(settings)
        self._untold = dict[str, str]()  # by bot, the reason of the last failure, so that each is logged once

    async def once(self) -> None:
        """Report all trades that closed since the last time, each once."""
        if self._outgoing.wants(TRADING):
            for bot in self._settings.bots:
                await self._look(bot)

    async def _look(self, bot: str) -> None:
        async with self._pool.transaction() as connection:
            since = await trades_told.until(connection, bot)
        patience = float(self._settings.collection.timeout)
        try:
            found = await asyncio.to_thread(self._ask, self._settings, bot, since, math.inf, patience)
        except TradesUnavailable as untold:
            if self._untold.get(bot) != str(untold):
                log.warning("closed trades will be sent later", extra={"bot": bot, "reason": str(untold)})
            self._untold[bot] = str(untold)
            return
        self._untold.pop(bot, None)
        async with self._pool.transaction() as connection:
            since = await trades_told.until(connection, bot)  # another engine may have reported some
            new = [trade for trade in found.trades if trade.closed_at > since]
            if new:
                await self._outgoing.tell(connection, [self._event(bot, trade) for trade in new])
                await trades_told.told(connection, bot, max(trade.closed_at for trade in new))

    def _event(self, bot: str, trade: Trade) -> Event:
        watched = self._settings.bots.get(bot)
        data = {
            "bot": bot,
            "symbol": trade.symbol,
            "side": trade.side,
            "opened_at": trade.opened_at,
            "closed_at": trade.closed_at,
            "profit": trade.profit,
            "currency": (watched and watched.currency) or self._settings.currency,
        }
        return Event(TRADING, "trade.closed", data)
