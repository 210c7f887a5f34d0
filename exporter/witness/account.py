"""The witness of one account: asks its exchange at a pace, and sooner while a difference waits to settle."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, Literal

from clients.books import Books, Withdrawal, market_key
from clients.exchange import Exchange, ExchangeError, Reason, access_of
from exporter.witness.bots import together
from exporter.witness.compare import Difference, Tolerance
from exporter.witness.memory import Memory
from exporter.witness.witness import Witness
from stack.settings import Settings
from stack.settings.accounts import Account, AccountExchange

_log = logging.getLogger(__name__)
TIMEOUT: Final = 10.0  # seconds for one check, which has several calls
_WITHDRAWS: Final = "its key may withdraw: make one that may only read; see docs/exchange.md"
Trouble = Reason | Literal["key_file", "withdraws", "internal"]


class AccountWitness:
    """One account with a key. It calls `changed` after each check."""

    def __init__(
        self,
        name: str,
        account: Account,
        exchange: AccountExchange,
        settings: Settings,
        clock: Callable[[], float],
        changed: Callable[["AccountWitness"], None],
    ) -> None:
        self.name, self.bots = name, tuple(account.bots)
        self.trouble: Trouble | None = None
        self._settings, self._exchange_settings = settings, exchange
        self._clock, self._changed = clock, changed
        self._witness = Witness(tolerance(exchange), exchange.settle)
        self._memories: Mapping[str, Memory] = {}
        self._api: Exchange | None = None
        self._told = asyncio.Event()
        self.compared = False

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The settled differences."""
        return tuple(self._witness.differences)

    def told(self, memories: Mapping[str, Memory]) -> None:
        """Note that a bot was polled.

        Wake up if all bots have answered since the waiting difference was seen.
        """
        self._memories = memories
        settles, books = self._witness.settles_at, self._bots()
        if settles is not None and books is not None and books.at >= settles:
            self._told.set()

    async def run(self, delay: float) -> None:
        """Check for ever, first after `delay` seconds."""
        await asyncio.sleep(delay)
        wide = True
        try:
            while True:
                await self._look(wide=wide)
                self._told.clear()
                try:
                    async with asyncio.timeout(self._exchange_settings.interval):
                        await self._told.wait()
                except TimeoutError:
                    wide = True
                else:
                    wide = False  # soon again, but only the bots' own markets, which is cheap
        finally:
            if self._api is not None:
                await self._api.close()

    async def _look(self, *, wide: bool) -> None:
        trouble: Trouble | None = None
        venue = None
        try:
            venue = await self._ask(wide=wide)
        except ExchangeError as error:
            trouble = error.reason
            self._tell(trouble, str(error))
        except OSError as error:
            trouble = "key_file"
            self._tell(trouble, f"its key cannot be read: {error}")
        except Exception:  # noqa: BLE001 - a defect met by one account must not end the watch over it
            trouble = "internal"
            _log.exception("a check of an exchange failed on a defect", extra={"account": self.name})
        if venue is None and trouble is None:
            trouble = "withdraws"
            self._tell(trouble, _WITHDRAWS)
        self.trouble = trouble
        bots = self._bots()
        self._witness.look(venue, bots)
        self.compared = venue is not None and bots is not None
        self._changed(self)

    def _tell(self, trouble: Trouble, words: str) -> None:
        if trouble != self.trouble:
            _log.warning("the exchange is unknown: %s", words, extra={"account": self.name})

    async def _ask(self, *, wide: bool) -> Books | None:
        """Return the exchange's books, None if the key may withdraw. Raises ExchangeError and OSError."""
        if self._api is None:
            access = await asyncio.to_thread(access_of, self._settings, self.name)
            self._api = Exchange(access, TIMEOUT)
        if (await self._api.rights()).may_withdraw:
            return None
        books = self._bots()
        markets = set() if books is None else {each.symbol for each in books.holdings.values()}
        markets |= {each.symbol for each in (books.orders or () if books else ())}
        markets |= {each.symbol for each in self.differences if each.symbol}
        return await self._api.books(self._clock(), sorted(markets), wide=wide)

    def _bots(self) -> Books | None:
        """Return the books of all bots together, None if a bot has never reported its positions."""
        known = {name: each for name in self.bots if (each := self._memories.get(name)) is not None}
        told = {name: each.books for name, each in known.items() if each.books is not None}
        if len(told) < len(self.bots):
            return None
        answering = {name: books for name, books in told.items() if known[name].answers}
        last = {name: books for name, books in told.items() if not known[name].answers}
        found = together(answering, last, self._clock())
        return replace(found, withdrawals=tuple(self._declared()))

    def _declared(self) -> list[Withdrawal]:
        return [
            Withdrawal("", "", -each.amount, each.at.timestamp())
            for name in self.bots
            for each in self._settings.bots[name].transfers
            if each.amount < 0
        ]


def tolerance(exchange: AccountExchange) -> Tolerance:
    """Return the settings' tolerance."""
    hands = frozenset(market_key(each) for each in exchange.tolerate)
    return Tolerance(exchange.size, exchange.balance, exchange.dust, hands)
