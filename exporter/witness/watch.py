"""Watches all accounts for differences between exchange and bots, and publishes them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from clients.books import market_key
from exporter.catalogue import Sample, sample
from exporter.exposition import Board, Lines, Owner
from exporter.limits.figures import Figures
from exporter.reading import Reading
from exporter.witness.account import AccountWitness
from exporter.witness.compare import Difference, Tolerance
from exporter.witness.memory import Memory
from exporter.witness.witness import Witness
from stack.settings import Settings

_KEYLESS: Final = Tolerance(size=0.01, balance=1.0, dust=5.0)
_ITS_TIME: Final = 3900.0  # seconds; Freqtrade asks its exchange after each order, and once an hour


class WitnessWatch:
    """Keeps each bot's last books, and a witness for each account with a key in the settings. A Freqtrade bot
    without a key is compared with the exchange's books that Freqtrade itself passes on.
    """

    def __init__(self, settings: Settings, board: Board, clock: Callable[[], float]) -> None:
        self._board, self._clock = board, clock
        self._memories: dict[str, Memory] = {}
        self._keyless: dict[str, Witness] = {}
        self._lines: dict[tuple[str, str], Lines] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.accounts: tuple[AccountWitness, ...] = ()
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Continue with new settings; `start` starts the accounts' witnesses again."""
        self._settings = settings
        self._memories = {name: self._memories.get(name) or Memory() for name in settings.bots}
        self._keyless = {name: each for name, each in self._keyless.items() if name in settings.bots}
        self.accounts = tuple(
            AccountWitness(name, account, account.exchange, settings, self._clock, self._publish)
            for name, account in settings.accounts.items()
            if account.exchange is not None and set(account.bots) <= settings.bots.keys()
        )

    def start(self, group: asyncio.TaskGroup) -> None:
        """Start the witnesses."""
        self._tasks = [
            group.create_task(account.run(float(place))) for place, account in enumerate(self.accounts)
        ]

    async def stop(self) -> None:
        """Stop the witnesses, and withdraw the published samples."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for account in self.accounts:
            for bot in account.bots:
                self._board.publish(Owner(bot, "witness"), {})

    def told(self, bot: str, reading: Reading | None, figures: Figures | None) -> None:
        """Take a bot's reading of a poll, None if the bot did not answer."""
        memory = self._memories.get(bot)
        if memory is None:
            return
        if reading is None or figures is None:
            memory.lost()
        else:
            memory.take(reading, figures)
        account = next((each for each in self.accounts if bot in each.bots), None)
        if account is not None:
            account.told(self._memories)
        elif reading is not None and reading.exchange_books is not None:
            self._without_key(bot, reading)

    def _without_key(self, bot: str, reading: Reading) -> None:
        witness = self._keyless.setdefault(bot, Witness(_KEYLESS, _ITS_TIME))
        witness.look(reading.exchange_books, reading.books)
        found = witness.differences
        samples = [*_differences("", found), _count("", found), _compared("", reading.books is not None)]
        self._render(bot, samples)

    def _publish(self, account: AccountWitness) -> None:
        """Publish an account's differences: at the bot that trades the market, else at the first bot."""
        found = account.differences
        for bot in account.bots:
            own = [each for each in found if self._whose(each, account) == bot]
            samples = list(_differences(account.name, own))
            if account.compared:
                samples.append(_count(account.name, found))
            if bot == account.bots[0]:
                samples += _seen(account)
            self._render(bot, samples)

    def _whose(self, one: Difference, account: AccountWitness) -> str:
        key = market_key(one.symbol)
        for bot in account.bots:
            books = self._memories[bot].books
            if one.symbol and books is not None and key in books.traded:
                return bot
        return account.bots[0]

    def _render(self, bot: str, samples: Sequence[Sample]) -> None:
        lines = self._lines.setdefault((bot, "witness"), Lines(self._settings.collection.max_symbols, bot))
        self._board.publish(Owner(bot, "witness"), lines.render(samples)[0])


def _differences(account: str, found: Sequence[Difference]) -> Iterator[Sample]:
    """Yield the differences by kind and market; several orders are one sum."""
    sums: dict[tuple[str, str], tuple[float, float]] = {}
    for each in found:
        exchange, bots = sums.get((each.kind, each.symbol), (0.0, 0.0))
        sums[each.kind, each.symbol] = (exchange + each.exchange, bots + each.bots)
    for (kind, symbol), (exchange, bots) in sums.items():
        about = {"symbol": symbol, "difference": kind, "account": account}
        yield sample("books_difference", abs(exchange - bots), **about)
        yield sample("books_at_exchange", exchange, **about)
        yield sample("books_by_bots", bots, **about)


def _count(account: str, found: Sequence[Difference]) -> Sample:
    kinds = {(each.kind, each.symbol) for each in found}
    return sample("books_differences", float(len(kinds)), account=account)


def _compared(account: str, compared: bool) -> Sample:
    return sample("books_compared", float(compared), account=account)


def _seen(account: AccountWitness) -> Iterator[Sample]:
    yield _compared(account.name, account.compared)
    yield sample("exchange_up", float(account.trouble is None), account=account.name)
    if account.trouble is not None:
        yield sample("exchange_error", 1, account=account.name, reason=account.trouble)
