"""Adds up the books of an account's bots."""

from collections.abc import Mapping
from math import fsum

from clients.books import Books, Holding, market_key


def together(answering: Mapping[str, Books], last_known: Mapping[str, Books], now: float) -> Books:
    """Return the books of all bots. For a bot that does not answer, its last books count. Its money has
    changed with the prices since then, so the money is unknown.
    """
    every = [*answering.values(), *last_known.values()]
    holdings: dict[str, Holding] = {}
    for books in every:
        for key, one in books.holdings.items():
            holdings[key] = holdings[key].plus(one) if key in holdings else one
    orders = [each.orders for each in every]
    ids = [each.order_ids for each in every]
    money = [each.money for each in every]
    return Books(
        at=min((each.at for each in answering.values()), default=now),
        holdings=holdings,
        orders=None if None in orders else tuple(order for each in orders for order in each or ()),
        money=None if last_known or None in money else fsum(each for each in money if each is not None),
        withdrawals=tuple(one for each in every for one in each.withdrawals),
        order_ids=None if None in ids else frozenset().union(*(each or () for each in ids)),
        traded=frozenset().union(*(each.traded for each in every)),
        loose=frozenset().union(*(_markets(each) for each in last_known.values())),
    )


def _markets(books: Books) -> frozenset[str]:
    return books.traded | books.holdings.keys() | {market_key(each.symbol) for each in books.orders or ()}
