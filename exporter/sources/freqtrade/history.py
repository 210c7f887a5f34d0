"""Follows Freqtrade's closed trades: all once, then only when /profit says that something closed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from clients.freqtrade import Profit, TradePage
from clients.trading import Trade

PAGE: Final = 500
_FURTHEST: Final = 100_000  # newer Freqtrade answers 400 beyond; older trades than these are not read


@dataclass
class _Pages:
    """What was read; `rows` counts refused rows too, `total` is what Freqtrade says it has."""

    trades: list[Trade] = field(default_factory=list)
    rows: int = 0
    total: int = 0
    met_known: bool = False


class History:
    """Knows trades by id and opening time, since Freqtrade uses ids again after cancelled entries."""

    def __init__(self, page: Callable[[int], Awaitable[TradePage | None]]) -> None:
        """`page` reads one page from an offset, by closing time, newest first where Freqtrade can."""
        self._page = page
        self._keys: set[tuple[int, float]] = set()
        self._total = 0
        self._seen: tuple[int | None, float | None] | None = None

    async def update(self, profit: Profit | None) -> tuple[tuple[Trade, ...], bool]:
        """Return the trades not told before, and whether the history began anew and these are all.

        Raises SourceError, after which the next update returns what this one would have.
        """
        now = (profit.closed_trade_count, profit.profit_closed_coin) if profit else None
        if now is None or now == self._seen:
            return (), False
        pages = await self._read(stop_at_known=bool(self._keys))
        if pages is None:
            return (), False
        new = [trade for trade in pages.trades if trade.key not in self._keys]
        if self._keys and self._total + len(new) != pages.total:
            return await self._from_scratch(now)
        return self._accept(new, pages.total, now), False

    async def _from_scratch(self, now: tuple[int | None, float | None]) -> tuple[tuple[Trade, ...], bool]:
        """Read all: the pages came by id, or trades went away."""
        pages = await self._read(stop_at_known=False)
        if pages is None:
            return (), False
        keys = {trade.key for trade in pages.trades}
        restarted = not self._keys <= keys
        if restarted:
            self._keys.clear()
        new = [trade for trade in pages.trades if trade.key not in self._keys]
        return self._accept(new, pages.total, now), restarted

    def _accept(
        self, new: list[Trade], total: int, now: tuple[int | None, float | None]
    ) -> tuple[Trade, ...]:
        self._keys |= {trade.key for trade in new}
        self._total, self._seen = total, now
        return tuple(sorted(new, key=lambda trade: (trade.closed_at, trade.key)))

    async def _read(self, *, stop_at_known: bool) -> _Pages | None:
        """Return page after page until all, or one with a known trade, is read; None where one is refused."""
        pages = _Pages()
        for offset in range(0, _FURTHEST + 1, PAGE):
            page = await self._page(offset)
            if page is None:
                return None
            found = [row.closed() for row in page.trades if row is not None]
            pages.trades += found
            pages.rows += len(page.trades)
            pages.total = page.total_trades
            pages.met_known |= any(trade.key in self._keys for trade in found)
            if len(page.trades) < PAGE or pages.rows >= page.total_trades:
                break
            if stop_at_known and pages.met_known:
                break
        return pages
