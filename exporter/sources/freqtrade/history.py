"""Follows Freqtrade's closed trades: all once, then only when /profit says that something has changed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import fsum
from typing import Final

from clients.freqtrade import Profit, TradePage
from clients.trading import Trade

PAGE: Final = 500
_FURTHEST: Final = 100_000  # newer versions of Freqtrade answer 400 beyond it; older trades are not read
_ALL_AGAIN: Final = 86_400.0  # seconds after which all trades are read again, even if /profit is unchanged
_ROUNDING: Final = 1e-7  # /profit rounds its sums to eight decimals
_Sums = tuple[int | None, float | None]  # closed trades and their profit, from /profit


@dataclass
class _Pages:
    """The pages read so far.

    `rows` counts refused rows, too; `total` is the number that Freqtrade reports.
    """

    trades: list[Trade] = field(default_factory=list)
    rows: int = 0
    total: int = 0
    met_known: bool = False


class History:
    """Identifies trades by id and opening time, since Freqtrade uses ids again after cancelled entries."""

    def __init__(
        self, page: Callable[[int], Awaitable[TradePage | None]], clock: Callable[[], float]
    ) -> None:
        """`page` reads one page from an offset, by closing time, newest first where Freqtrade can."""
        self._page = page
        self._clock = clock
        self._all_read_at = float("-inf")
        self._profits: dict[tuple[int, float], float] = {}
        self._total = 0
        self._seen: _Sums | None = None

    async def update(self, profit: Profit | None) -> tuple[tuple[Trade, ...], bool]:
        """Return the trades that are new or may have changed, and whether the history restarted; then these
        are all trades. Raises SourceError; the next update then returns these trades.
        """
        now = (profit.closed_trade_count, profit.profit_closed_coin) if profit else None
        # Corrections that cancel each other out move no sum.
        due = bool(self._profits) and self._clock() - self._all_read_at >= _ALL_AGAIN
        if now is None or (now == self._seen and not due):
            return (), False
        if due:
            return await self._from_scratch(now)
        pages = await self._read(stop_at_known=bool(self._profits))
        if pages is None:
            return (), False
        new = sum(trade.key not in self._profits for trade in pages.trades)
        if self._profits and (self._total + new != pages.total or self._missed_a_correction(pages, now)):
            return await self._from_scratch(now)
        first = self._seen is None
        return self._accept(pages, now), first

    def _missed_a_correction(self, pages: _Pages, now: _Sums) -> bool:
        """Return whether the sum of all profits changed by more than the new trades explain.

        If a trade is unreadable, the sum proves nothing.
        """
        before = self._seen[1] if self._seen else None
        known = self._profits | {trade.key: trade.profit for trade in pages.trades}
        if before is None or now[1] is None or len(known) != now[0]:
            return False
        moved = fsum(trade.profit - self._profits.get(trade.key, 0.0) for trade in pages.trades)
        return abs(now[1] - before - moved) > _ROUNDING

    async def _from_scratch(self, now: _Sums) -> tuple[tuple[Trade, ...], bool]:
        """Read all trades: pages were sorted by id, trades disappeared, or an older trade was corrected."""
        pages = await self._read(stop_at_known=False)
        if pages is None:
            return (), False
        restarted = not self._profits.keys() <= {trade.key for trade in pages.trades}
        if restarted:
            self._profits.clear()
        return self._accept(pages, now), restarted

    def _accept(self, pages: _Pages, now: _Sums) -> tuple[Trade, ...]:
        self._profits |= {trade.key: trade.profit for trade in pages.trades}
        self._total, self._seen = pages.total, now
        return tuple(sorted(pages.trades, key=lambda trade: (trade.closed_at, trade.key)))

    async def _read(self, *, stop_at_known: bool) -> _Pages | None:
        """Read pages until the last one, or one with a known trade; return None if a page is refused."""
        pages = _Pages()
        for offset in range(0, _FURTHEST + 1, PAGE):
            page = await self._page(offset)
            if page is None:
                return None
            found = [row.closed() for row in page.trades if row is not None]
            pages.trades += found
            pages.rows += len(page.trades)
            pages.total = page.total_trades
            pages.met_known |= any(trade.key in self._profits for trade in found)
            if len(page.trades) < PAGE or pages.rows >= page.total_trades:
                break
            if stop_at_known and pages.met_known:
                break
        if not stop_at_known:
            self._all_read_at = self._clock()
        return pages
