"""Compares an exchange's books of an account with its bots' books, at one moment; pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from math import fsum, inf, isclose
from typing import Final, Literal

from clients.books import Books, Holding, Order, Withdrawal, market_key

Kind = Literal[
    "ghost_position", "missing_position", "wrong_size", "wrong_side", "orphan_order", "stop_missing",
    "stop_without_position", "balance_drift", "unknown_fills", "leverage_or_margin_mode", "second_bot",
    "withdrawn_funds",
]  # fmt: skip
_SECOND_BOT: Final = 3  # orders that no bot knows: a person seldom places more within an hour
_DECLARED: Final = 86_400.0  # seconds between a declared transfer and its withdrawal, at most
_FEES: Final = 0.02  # share by which their amounts may differ
_ROUNDING: Final = 1e-9
_SAME: Final = 1e-3
_MODES: Final = {"isolated": 1.0, "cross": 2.0}


@dataclass(frozen=True)
class Tolerance:
    """The tolerated differences: a share of a size, a share of the account's money, an amount of dust. In the
    markets of `hands` (their `market_key`) the owner trades by hand: no difference counts there.
    """

    size: float
    balance: float
    dust: float
    hands: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Difference:
    """The figures of the exchange and of the bots for a market, or for the account if `symbol` is empty.
    `order` is the id of the order concerned.
    """

    kind: Kind
    symbol: str
    exchange: float
    bots: float
    order: str = ""

    @property
    def key(self) -> tuple[Kind, str, str, bool]:
        """The identity of the difference; with the opposite sign it is another one."""
        return self.kind, self.symbol, self.order, self.exchange > self.bots

    def is_still(self, before: "Difference") -> bool:
        """Whether it is the same difference as before.

        Fills in flight come and go with different sizes; money moves with prices.
        """
        gap = before.exchange - before.bots
        change = abs(self.exchange - self.bots - gap)
        return self.kind == "balance_drift" or change <= _SAME * abs(gap)


def compare(venue: Books, bots: Books, settled_after: float, tolerance: Tolerance) -> list[Difference]:
    """Return the differences at this moment; a figure unknown to one side is no difference. The bots may not
    know fills after the unix time `settled_after` yet.
    """
    return [
        *_of_markets(venue, bots, settled_after, tolerance),
        *_strange_orders(venue, bots, tolerance),
        *_strange_fills(venue, bots, tolerance),
        *_of_money(venue, bots, tolerance),
    ]


def second_bot(differences: Iterable[Difference]) -> Iterator[Difference]:
    """Yield "another bot trades here" if enough orders of the differences are unknown to all bots."""
    ids = {each.order for each in differences if each.order}
    if len(ids) >= _SECOND_BOT:
        yield Difference("second_bot", "", float(len(ids)), 0.0)


def _of_markets(
    venue: Books, bots: Books, settled_after: float, tolerance: Tolerance
) -> Iterator[Difference]:
    stops, fresh = _stops(venue), _fresh(venue, settled_after)
    for key in sorted({*venue.holdings, *bots.holdings, *stops} - tolerance.hands):
        there, told = venue.holdings.get(key), bots.holdings.get(key)
        held, known = there.quantity if there else 0.0, told.quantity if told else 0.0
        symbol = there.symbol if there else told.symbol if told else stops[key][0].symbol
        price = (there and there.price) or (told and told.price)
        fills = fresh.get(key, _NONE)
        slack = max(tolerance.size * max(abs(held), abs(known)), tolerance.dust / price if price else 0.0)
        low, high = _reachable(key, known + fills.sold, known + fills.bought, venue, bots)
        if not low - slack - _ROUNDING <= held <= high + slack + _ROUNDING:
            kind = _kind(held, known, slack)
            if kind == "wrong_side" or key not in bots.loose:
                yield Difference(kind, symbol, held, known)
        if venue.orders is not None:
            yield from _of_stops(
                symbol, held, told.stop if told else 0.0, stops.get(key, []), bots, tolerance
            )
        if there and told and known and held:
            yield from _of_terms(symbol, there.leverage, told.leverage)
            yield from _of_terms(symbol, _mode(there), _mode(told))


def _mode(holding: Holding) -> float | None:
    return _MODES.get(holding.margin_mode or "")


def _kind(held: float, known: float, slack: float) -> Kind:
    slack = min(slack, max(abs(held), abs(known)) / 2)
    if abs(known) <= slack:
        return "ghost_position"
    if abs(held) <= slack:
        return "missing_position"
    return "wrong_side" if held * known < 0 else "wrong_size"


@dataclass(frozen=True)
class _Fresh:
    """The recent purchases and sales (below 0) that the bots may not know yet."""

    bought: float
    sold: float


_NONE: Final = _Fresh(0.0, 0.0)


def _fresh(venue: Books, settled_after: float) -> dict[str, _Fresh]:
    found: dict[str, _Fresh] = {}
    for fill in venue.fills:
        if fill.at > settled_after:
            key = market_key(fill.symbol)
            before, change = found.get(key, _NONE), fill.sign * fill.quantity
            found[key] = _Fresh(before.bought + max(change, 0.0), before.sold + min(change, 0.0))
    return found


def _reachable(key: str, low: float, high: float, venue: Books, bots: Books) -> tuple[float, float]:
    """Return a position's smallest and largest size if the bots' orders were filled since their report."""
    open_now = {each.id: each for each in venue.orders or () if each.id}
    for order in bots.orders or ():
        if order.is_stop or market_key(order.symbol) != key:
            continue
        there = open_now.get(order.id)
        left = inf if order.quantity is None else order.quantity
        left = left if there is None else min(left, max(0.0, there.filled - order.filled))
        if order.sign >= 0:
            high += left
        if order.sign <= 0:
            low -= left
    return low, high


def _stops(venue: Books) -> dict[str, list[Order]]:
    found: dict[str, list[Order]] = {}
    for order in venue.orders or ():
        if order.is_stop:
            found.setdefault(market_key(order.symbol), []).append(order)
    return found


def _of_stops(
    symbol: str, held: float, told: float, there: list[Order], bots: Books, tolerance: Tolerance
) -> Iterator[Difference]:
    """Yield each stop that a bot reports and the exchange lacks, and each stop that protects nothing."""
    covers = sum(inf if each.quantity is None else each.quantity for each in there if each.sign * held <= 0)
    if held and told and covers < min(told, abs(held)) * (1 - tolerance.size):
        yield Difference("stop_missing", symbol, covers, told)
    entering = any(market_key(each.symbol) == market_key(symbol) for each in bots.orders or ())
    if there and not held and not entering and market_key(symbol) not in bots.loose:
        yield Difference("stop_without_position", symbol, float(len(there)), 0.0)


def _of_terms(symbol: str, there: float | None, told: float | None) -> Iterator[Difference]:
    if there is not None and told is not None and not isclose(there, told, rel_tol=0.01):
        yield Difference("leverage_or_margin_mode", symbol, there, told)


def _strange_orders(venue: Books, bots: Books, tolerance: Tolerance) -> Iterator[Difference]:
    """Yield the open orders of no bot; without ids, the orders beyond the number that the bots report."""
    if venue.orders is None or bots.orders is None:
        return
    known = {each.id for each in bots.orders} | (bots.order_ids or frozenset())
    unnamed = Counter(market_key(each.symbol) for each in bots.orders if not each.id and not each.is_stop)
    for order in venue.orders:
        key = market_key(order.symbol)
        if order.is_stop or order.id in known or key in tolerance.hands | bots.loose:
            continue
        if unnamed[key]:
            unnamed[key] -= 1
        else:
            yield Difference("orphan_order", order.symbol, order.quantity or 0.0, 0.0, order.id)


def _strange_fills(venue: Books, bots: Books, tolerance: Tolerance) -> Iterator[Difference]:
    """Yield the filled orders of no bot; without ids, those in markets that no bot trades."""
    filled: dict[tuple[str, str], float] = {}
    for fill in venue.fills:
        key = market_key(fill.symbol)
        known = key in bots.traded if bots.order_ids is None else fill.order in bots.order_ids
        if not known and key not in tolerance.hands | bots.loose:
            place = (fill.symbol, fill.order)
            filled[place] = filled.get(place, 0.0) + fill.quantity
    for (symbol, order), quantity in filled.items():
        yield Difference("unknown_fills", symbol, quantity, 0.0, order)


def _of_money(venue: Books, bots: Books, tolerance: Tolerance) -> Iterator[Difference]:
    left = [each for each in venue.withdrawals if not _is_declared(each, bots.withdrawals)]
    for currency in dict.fromkeys(each.currency for each in left):
        amount = fsum(each.amount for each in left if each.currency == currency)
        yield Difference("withdrawn_funds", currency, amount, 0.0)
    if venue.money is None or bots.money is None or tolerance.hands:
        return
    gone = sum(each.amount for each in left)  # already reported
    if abs(venue.money + gone - bots.money) > tolerance.balance * max(venue.money, bots.money, 0.0):
        yield Difference("balance_drift", "", venue.money, bots.money)


def _is_declared(one: Withdrawal, declared: Collection[Withdrawal]) -> bool:
    return any(
        isclose(one.amount, each.amount, rel_tol=_FEES) and abs(one.at - each.at) <= _DECLARED
        for each in declared
    )
