"""A Freqtrade bot's holdings, by its own books and by the exchange's books that Freqtrade passes on."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

from clients.books import Books, Holding, Order, held, market_key
from clients.freqtrade import STOP, Config, OpenTrade
from clients.input import Answer, Label, Lenient, Real
from clients.trading import Trade

_FUTURES = "futures"


class Currency(Answer):
    """A row of /balance: a coin or, with `is_position`, a position of the size `position`."""

    currency: Label
    balance: Real = None
    is_position: bool | None = False
    position: Real = None
    side: str | None = None


class Balance(Answer):
    """/balance. Its totals are not read, because they fell by a third in an outage.

    `starting_capital` is below 0 if the owner withdrew more than the deposits.
    """

    starting_capital: Real = None
    currencies: Annotated[list[Annotated[Currency | None, Lenient]] | None, Lenient] = None


def own_books(
    entries: Sequence[OpenTrade] | None, trades: Iterable[Trade], config: Config, now: float
) -> Books | None:
    """Return the bot's own books, None if a trade is unreadable. A bot that only simulates holds nothing.

    `entries` are its open trades, `trades` the trades that closed since the last question.
    """
    if config.dry_run:
        return Books(now, {}, orders=(), order_ids=frozenset(), simulated=True)
    if entries is None:
        return None
    orders, ids = list[Order](), {each for trade in trades for each in trade.order_ids}
    lists_orders = all(each.orders is not None for each in entries)
    for entry in entries:
        orders += _orders(entry)
        ids |= {each.order_id for each in entry.orders or () if each.order_id}
    mode = config.margin_mode or None
    return Books(
        at=now,
        holdings=held((each.position(None) for each in entries if each.amount), mode),
        orders=tuple(orders) if lists_orders else None,
        order_ids=frozenset(ids) if lists_orders else None,
    )


def exchange_books(
    balance: Balance | None, entries: Sequence[OpenTrade] | None, config: Config, now: float
) -> Books | None:
    """Return the exchange's books as far as /balance has them, None if it has none.

    Freqtrade asks the exchange after each order, and otherwise once an hour. Only the coins of open trades
    belong to the bot; more coins than expected mean nothing, fewer do.
    """
    if config.dry_run or balance is None or balance.currencies is None or entries is None:
        return None
    rows = [each for each in balance.currencies if each is not None]
    if len(rows) != len(balance.currencies):
        return None
    if config.trading_mode == _FUTURES:
        found = [_position(each) for each in rows if each.is_position]
    else:
        coins = {each.currency: each.balance for each in rows if not each.is_position}
        found = [_coin(symbol, amount, coins) for symbol, amount in _bought(entries)]
    known = [each for each in found if each is not None]
    if len(known) != len(found):
        return None
    return Books(now, {market_key(each.symbol): each for each in known if each.quantity})


def _orders(entry: OpenTrade) -> Iterator[Order]:
    leave = "buy" if entry.is_short else "sell"
    for each in entry.orders or ():
        if each.is_open:
            is_stop = each.ft_order_side == STOP
            side = leave if is_stop else each.ft_order_side or ""
            yield Order(entry.pair, side, each.remaining, each.order_id or "", each.filled or 0.0, is_stop)


def _position(row: Currency) -> Holding | None:
    if row.position is None:
        return None
    size = abs(row.position)
    return Holding(row.currency, -size if row.side == "short" else size)


def _bought(entries: Iterable[OpenTrade]) -> Iterator[tuple[str, float]]:
    amounts: dict[str, float] = {}
    for each in entries:
        amounts[each.pair] = amounts.get(each.pair, 0.0) + (each.amount or 0.0)
    yield from amounts.items()


def _coin(symbol: str, amount: float, coins: dict[str, float | None]) -> Holding | None:
    """Return the amount of a coin that trades bought; Freqtrade leaves out a coin whose amount is 0."""
    balance = coins.get(symbol.partition("/")[0], 0.0)
    return None if balance is None else Holding(symbol, min(balance, amount))
