"""Reads an account's holdings from an exchange, over ccxt, with a key that may only read."""

import asyncio
import importlib
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from clients.books import Books, Fill, Holding, Order, Withdrawal, market_key
from clients.venues import VENUES, Rights
from stack.settings import Settings

Reason = Literal["auth", "clock", "limit", "timeout", "unavailable", "answer"]
FILLS_KEPT: Final = 600.0
_WITHDRAWALS_KEPT: Final = 86_400.0
_MARKETS_KEPT: Final = 86_400.0  # a market may be listed, or renamed, on any day
_FELL: Final = 0.99  # of the money: a larger fall makes it ask for withdrawals, which costs much
_ASK_ON: Final = 300.0  # seconds, because a withdrawal may be listed late
_PLACE: Final = re.compile(r"https?://\S+")
_LONGEST: Final = 200  # characters of an exchange's own words

_Answer = TypeVar("_Answer")

_SAYS: Final[Mapping[Reason, str]] = {
    "auth": "the exchange refuses the key: it is wrong, has expired, lacks a right, or does not allow this "
    "machine's address",
    "clock": "the exchange refuses our time: this machine's clock is off; turn on NTP",
    "limit": "the exchange says that it is asked too often",
    "timeout": "the exchange does not answer in time",
    "unavailable": "the exchange cannot be reached, or is out",
    "answer": "the exchange's answer cannot be used",
}


class ExchangeError(Exception):
    """The exchange gave no usable answer, so it is unknown. `reason` is a label."""

    def __init__(self, reason: Reason, said: str = "") -> None:
        self.reason: Reason = reason
        super().__init__(f"{_SAYS[reason]}{f' ({said})' if said else ''}")


@dataclass(frozen=True, repr=False)
class Access:
    """An account at an exchange. A `url`, of a testnet or a proxy, replaces the exchange's own address."""

    venue: str
    stake: str
    key: str
    secret: str
    url: str | None = None


def access_of(settings: Settings, account: str) -> Access:
    """Return the access to an account's exchange. Raises OSError for an unreadable key."""
    one = settings.accounts[account]
    assert one.exchange is not None  # noqa: S101 - nobody asks for an account without one
    return Access(
        one.exchange.venue,
        settings.bots[one.bots[0]].currency or settings.currency,
        one.exchange.key_file.read_text(encoding="utf-8").strip(),
        one.exchange.secret_file.read_text(encoding="utf-8").strip(),
        str(one.exchange.url) if one.exchange.url else None,
    )


class Exchange:
    """One account. `timeout` is the seconds for all calls of one question."""

    def __init__(self, access: Access, timeout: float) -> None:
        self._access, self._timeout = access, timeout
        self._venue = VENUES[access.venue]
        self._api: Any = None
        self._listed_at = float("-inf")
        self._held: dict[str, float] = {}
        self._fills: dict[str, Fill] = {}
        self._withdrawals: dict[str, Withdrawal] = {}
        self._turn = 0
        self._highest = 0.0
        self._asks_until = float("-inf")

    async def books(self, now: float, symbols: Collection[str], *, wide: bool = True) -> Books:
        """Return the account's books at the unix time `now`. Raises ExchangeError.

        `symbols` are the markets of its bots, in the bots' spelling. `wide` asks for open orders in all other
        markets, too. Fills are of the last ten minutes, from a few markets at a time; changed markets come
        first.
        """
        return await self._within(lambda: self._books(now, symbols, wide=wide))

    async def rights(self) -> Rights:
        """Return the key's rights, as far as the exchange reports them. Raises ExchangeError."""
        return await self._within(lambda: self._venue.rights(self._api))

    async def ahead(self, clock: Callable[[], float]) -> float:
        """Return by how many seconds the exchange's clock is ahead of `clock`. Raises ExchangeError."""

        async def ask() -> float:
            before = clock()
            told = float(await self._api.fetch_time()) / 1000
            return told - (before + clock()) / 2

        return await self._within(ask)

    async def unlisted(self, now: float, symbols: Iterable[str]) -> list[str]:
        """Return the symbols that the exchange does not list. Raises ExchangeError."""

        async def ask() -> list[str]:
            await self._list(now)
            known = {market_key(each) for each in self._api.symbols}
            return [each for each in symbols if market_key(each) not in known]

        return await self._within(ask)

    async def close(self) -> None:
        """Close its connections."""
        if self._api is not None:
            await self._api.close()

    async def _within(self, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        # In a thread, and only when needed: the import of ccxt with all its exchanges takes seconds.
        ccxt = await asyncio.to_thread(importlib.import_module, "ccxt.async_support")
        if self._api is None:
            self._api = self._connect(ccxt)
        try:
            async with asyncio.timeout(self._timeout):
                return await ask()
        except TimeoutError:
            raise ExchangeError("timeout") from None
        except ccxt.BaseError as error:
            raise ExchangeError(_reason(error), self._said(error)) from None
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ExchangeError("answer", f"{type(error).__name__}: {error}"[:_LONGEST]) from None

    def _connect(self, ccxt: Any) -> Any:  # noqa: ANN401 - ccxt has no types
        access = self._access
        api = getattr(ccxt, access.venue)(
            {
                "apiKey": access.key,
                "secret": access.secret,
                "timeout": round(1000 * self._timeout),
                "enableRateLimit": True,
                "options": self._venue.options,
            }
        )
        if access.url is not None:
            api.urls["api"] = _moved(api.urls["api"], access.url.rstrip("/"))
        return api

    def _said(self, error: Exception) -> str:
        """Return an exchange's own words, without addresses: they carry signatures."""
        text = _PLACE.sub("…", str(error))
        for secret in (self._access.key, self._access.secret):
            text = text.replace(secret, "…") if secret else text
        return text[:_LONGEST]

    async def _list(self, now: float) -> None:
        if now - self._listed_at > _MARKETS_KEPT:
            await self._api.load_markets(True)
            self._listed_at = now

    async def _books(self, now: float, symbols: Collection[str], *, wide: bool) -> Books:
        await self._list(now)
        keys = {market_key(each): each for each in self._api.symbols}
        traded = [keys[key] for each in symbols if (key := market_key(each)) in keys]
        money, holdings = await self._holdings()
        asked = list(dict.fromkeys([*traded, *(each.symbol for each in holdings.values())]))
        orders = await self._orders(asked, wide=wide)
        await self._ask_fills(now, asked, holdings)
        await self._ask_withdrawals(now, money)
        return Books(
            at=now,
            holdings=holdings,
            orders=orders,
            money=money,
            fills=tuple(self._fills.values()),
            withdrawals=tuple(self._withdrawals.values()),
        )

    async def _holdings(self) -> tuple[float | None, dict[str, Holding]]:
        balance = await self._api.fetch_balance()
        stake = balance["total"].get(self._access.stake)
        if self._venue.market == "swap":
            positions = [_position(each, self._api) for each in await self._api.fetch_positions()]
            return stake, {market_key(each.symbol): each for each in positions if each.quantity}
        coins = {
            symbol: float(total)
            for coin, total in balance["total"].items()
            if total and (symbol := f"{coin}/{self._access.stake}") in self._api.markets
        }
        tickers = await self._api.fetch_tickers(list(coins)) if coins else {}
        prices = {symbol: tickers.get(symbol, {}).get("last") for symbol in coins}
        worth = [None if prices[symbol] is None else coins[symbol] * prices[symbol] for symbol in coins]
        known = [each for each in worth if each is not None]
        money = (stake or 0.0) + sum(known) if len(known) == len(worth) else None
        return money, {market_key(each): Holding(each, coins[each], prices[each]) for each in coins}

    async def _orders(self, asked: Collection[str], *, wide: bool) -> tuple[Order, ...]:
        found: dict[str, Order] = {}
        for way in self._venue.order_ways:
            every = self._venue.lists_all(way, wide=wide, markets=len(asked))
            for symbol in (None,) if every else asked:
                for each in await self._api.fetch_open_orders(symbol, None, None, dict(way)):
                    order = _order(each, self._api, is_stop=bool(way))
                    found[order.id] = order
        return tuple(found.values())

    async def _ask_fills(self, now: float, asked: list[str], holdings: Mapping[str, Holding]) -> None:
        held = {each.symbol: each.quantity for each in holdings.values()}
        moved = [each for each in {**held, **self._held} if held.get(each) != self._held.get(each)]
        self._held = held
        turn = asked[self._turn % max(len(asked), 1) :] + asked[: self._turn % max(len(asked), 1)]
        chosen = list(dict.fromkeys([*moved, *turn]))[: self._venue.fills_at_once]
        self._turn += max(0, len(chosen) - len(moved))
        for symbol in chosen:
            since = round(1000 * (now - FILLS_KEPT))
            for each in await self._api.fetch_my_trades(symbol, since):
                size = float(each["amount"]) * _contract(self._api, each["symbol"])
                fill = Fill(each["symbol"], str(each["order"]), each["side"], size, each["timestamp"] / 1000)
                self._fills[f"{fill.symbol} {each['id']}"] = fill
        self._fills = {name: each for name, each in self._fills.items() if each.at > now - FILLS_KEPT}

    async def _ask_withdrawals(self, now: float, money: float | None) -> None:
        if money is None:
            return
        if money < _FELL * self._highest:
            self._highest, self._asks_until = money, now + _ASK_ON
        self._highest = max(self._highest, money)
        if now > self._asks_until:
            return
        for each in await self._venue.withdrawals(self._api, now - _WITHDRAWALS_KEPT):
            self._withdrawals[each.id] = each
        self._withdrawals = {
            name: each for name, each in self._withdrawals.items() if each.at > now - _WITHDRAWALS_KEPT
        }


def _reason(error: Exception) -> Reason:
    """Return the reason of a ccxt error; the first name that fits decides."""
    names = {each.__name__ for each in type(error).__mro__}
    kinds: tuple[tuple[str, Reason], ...] = (
        ("InvalidNonce", "clock"),
        ("AuthenticationError", "auth"),
        ("RateLimitExceeded", "limit"),
        ("DDoSProtection", "limit"),
        ("RequestTimeout", "timeout"),
        ("NetworkError", "unavailable"),
    )
    return next((reason for name, reason in kinds if name in names), "answer")


def _moved(urls: Any, place: str) -> Any:  # noqa: ANN401 - as ccxt nests them
    if isinstance(urls, dict):
        return {name: _moved(each, place) for name, each in urls.items()}
    return place + urlsplit(urls).path


def _contract(api: Any, symbol: str) -> float:  # noqa: ANN401 - ccxt has no types
    return float(api.markets[symbol].get("contractSize") or 1.0)


def _position(said: Mapping[str, Any], api: Any) -> Holding:  # noqa: ANN401 - ccxt has no types
    size = abs(float(said["contracts"] or 0.0)) * _contract(api, said["symbol"])
    return Holding(
        said["symbol"],
        -size if said["side"] == "short" else size,
        said.get("markPrice"),
        said.get("leverage"),
        said.get("marginMode"),
    )


def _order(said: Mapping[str, Any], api: Any, *, is_stop: bool) -> Order:  # noqa: ANN401 - ccxt has no types
    size = _contract(api, said["symbol"])
    left = said["remaining"] if said["remaining"] is not None else said["amount"]
    return Order(
        said["symbol"],
        said["side"],
        None if not left else float(left) * size,
        str(said["id"]),
        float(said["filled"] or 0.0) * size,
        is_stop or said.get("triggerPrice") is not None,
    )
