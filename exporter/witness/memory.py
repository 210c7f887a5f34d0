"""Remembers a bot's recent orders and markets, which the bot reports only while they are open."""

from dataclasses import replace
from typing import Final

from clients.books import Books, market_key
from exporter.limits.figures import Figures
from exporter.reading import Reading

_LATE: Final = 3600.0  # seconds; longer than the witness looks at a fill of the exchange


class Memory:
    """One bot: its last books, with the orders and markets of the last hour."""

    def __init__(self) -> None:
        self.books: Books | None = None
        self.answers = False
        self._ids: dict[str, float] = {}
        self._markets: dict[str, float] = {}

    def take(self, reading: Reading, figures: Figures) -> None:
        """Take the bot's answer."""
        books = reading.books
        self.answers, self.books = True, None
        if books is None:
            return
        now = books.at
        open_now = [each.symbol for each in books.orders or ()]
        closed = [each.symbol for each in reading.trades if each.closed_at > reading.time - _LATE]
        self._markets |= dict.fromkeys(map(market_key, (*open_now, *closed)), now)
        self._markets |= dict.fromkeys(books.holdings, now)
        self._ids |= dict.fromkeys(books.order_ids or (), now)
        self._ids = {each: at for each, at in self._ids.items() if at > now - _LATE}
        self._markets = {each: at for each, at in self._markets.items() if at > now - _LATE}
        self.books = replace(
            books,
            money=0.0 if books.simulated else _money(figures),
            order_ids=None if books.order_ids is None else frozenset(self._ids),
            traded=frozenset(self._markets),
        )

    def lost(self) -> None:
        """Note that the bot does not answer: its last books stay."""
        self.answers = False


def _money(figures: Figures) -> float | None:
    if figures.capital is None or figures.profit is None:
        return None
    return figures.capital + figures.moved + figures.profit
