"""Reads a bot that answers Nightdesk's bot API (docs/bot-api.md)."""

import asyncio

from pydantic import ValidationError

from clients.bot_api import State, TradePage
from clients.input import first_problem
from clients.trading import Trade
from exporter.reading import Reading
from exporter.sources.client import BotApi, read_secret
from exporter.sources.protocol import SourceContext, SourceError, source
from exporter.sources.state import money, reading
from stack.settings import HttpBot

_PAGE = 1000


@source(HttpBot)
class HttpSource:
    """Polls the state, and the trades after the last id; all trades if some were corrected."""

    def __init__(self, settings: HttpBot, surroundings: SourceContext) -> None:
        self._api = BotApi(settings, surroundings, lambda: f"Bearer {read_secret(settings.token_file)}")
        self._clock = surroundings.clock
        self._input = surroundings.input
        self._since: int | None = None  # None: nothing read yet
        self._revision: int | None = None

    async def poll(self) -> Reading:
        """Return the bot's state and new trades. Raises SourceError."""
        data = await self._api.get("/api/v1/state")
        try:
            # In a thread: a huge answer must not delay the other bots.
            state = await asyncio.to_thread(self._input.read, State, data)
        except ValidationError as error:
            raise SourceError(
                "parse", f"/api/v1/state: {first_problem(error)}; see docs/bot-api.md"
            ) from None
        last, since = state.last_trade_id, self._since
        restarted = since is None or (last is not None and last < since)
        if since is None or restarted or state.trades_revision != self._revision:
            since = 0
        trades: list[Trade] = []
        if last is None or last > since:
            trades, since = await self._trades_after(since)
        self._since, self._revision = since, state.trades_revision
        return reading(state, tuple(trades), self._clock(), restarted=restarted, ahead=self._api.ahead)

    async def glance(self) -> Reading:
        """Return its money now. Raises SourceError."""
        return money(await self._api.get("/api/v1/state"), self._clock())

    async def _trades_after(self, since: int) -> tuple[list[Trade], int]:
        """Return the trades with a higher id, and the highest id."""
        trades: list[Trade] = []
        while True:
            data = await self._api.get("/api/v1/trades", since_id=since, limit=_PAGE)
            try:
                page = self._input.read(TradePage, data)
            except ValidationError as error:
                raise SourceError(
                    "parse", f"/api/v1/trades: {first_problem(error)}; see docs/bot-api.md"
                ) from None
            found = [trade for trade in page.trades if trade is not None]
            trades += [trade.closed() for trade in found]
            highest = max((trade.id for trade in found), default=since)
            if not page.more:
                return trades, highest
            if highest <= since:
                raise SourceError(
                    "parse", f"/api/v1/trades?since_id={since}: the bot announced more trades, but sent none"
                )
            since = highest
