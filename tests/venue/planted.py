"""The twelve kinds of difference, each planted into a good account."""

from collections.abc import Callable

from exporter.witness.compare import Kind
from tests.venue.desk import Desk
from tests.venue.traders import Trader

_OPPOSITE = {True: "sell", False: "buy"}


def plant(desk: Desk, kind: Kind) -> float:
    """Run until the kind can be planted, plant it, and return the time."""
    at = desk.agenda.now
    while not PLANTS[kind](desk):
        at += 7.0
        desk.run(at)
        if at > 100_000:
            raise AssertionError(f"{kind} could never be planted")
    return desk.agenda.now


def _held(desk: Desk) -> tuple[Trader, str, float] | None:
    """Return a position at rest: reported correctly, without open orders, of only one bot."""
    for trader in desk.traders:
        for symbol in trader.symbols[0 if desk.engine.spot else 1 :]:
            quantity = desk.engine.held(symbol)
            settled = trader.is_calm(symbol) and abs(trader.own.held(symbol) - quantity) < 1e-9
            protected = desk.engine.spot or symbol in trader.stops
            if quantity and settled and protected:
                trader.frozen.add(symbol)
                return trader, symbol, quantity
    return None


def _reduced(desk: Desk, share: float) -> bool:
    found = _held(desk)
    if found is None:
        return False
    _, symbol, quantity = found
    desk.engine.market(symbol, _OPPOSITE[quantity > 0], abs(quantity) * share, desk.agenda.now)
    return True


def _ghost(desk: Desk) -> bool:
    desk.engine.market(desk.spare, "buy", 500.0 / desk.engine.prices[desk.spare], desk.agenda.now)
    return True


def _orphan(desk: Desk) -> bool:
    desk.engine.place(desk.traders[0].symbols[0], "buy", 1.0, desk.agenda.now)
    return True


def _stop_missing(desk: Desk) -> bool:
    found = _held(desk)
    if found is None:
        return False
    trader, symbol, _ = found
    desk.engine.cancel(trader.stops[symbol].id)
    return True


def _stop_left(desk: Desk) -> bool:
    desk.engine.place(desk.spare, "sell", 1.0, desk.agenda.now, stop_price=1.0, reduce_only=True)
    return True


def _drift(desk: Desk) -> bool:
    desk.engine.cash -= 0.05 * desk.engine.worth
    return True


def _round_trip(desk: Desk) -> bool:
    for side in ("buy", "sell"):
        desk.engine.market(desk.spare, side, 1.0, desk.agenda.now)
    return True


def _leverage(desk: Desk) -> bool:
    found = _held(desk)
    if found is None:
        return False
    position = desk.engine.positions[found[1]]
    if desk.seed % 3:
        position.leverage = 20.0
    else:
        position.margin_mode = "isolated"
    return True


def _second_bot(desk: Desk) -> bool:
    for number in range(4):
        desk.engine.place(desk.spare, "buy", 1.0 + number, desk.agenda.now)
    return True


def _withdrawn(desk: Desk) -> bool:
    desk.engine.withdraw(0.05 * desk.engine.worth, desk.agenda.now)
    return True


PLANTS: dict[Kind, Callable[[Desk], bool]] = {
    "ghost_position": _ghost,
    "missing_position": lambda desk: _reduced(desk, 1.0),
    "wrong_size": lambda desk: _reduced(desk, 0.4),
    "wrong_side": lambda desk: _reduced(desk, 1.8),
    "orphan_order": _orphan,
    "stop_missing": _stop_missing,
    "stop_without_position": _stop_left,
    "balance_drift": _drift,
    "unknown_fills": _round_trip,
    "leverage_or_margin_mode": _leverage,
    "second_bot": _second_bot,
    "withdrawn_funds": _withdrawn,
}
# An account without positions (spot) has no side, no stop that reduces, and no leverage.
OF_POSITIONS_ONLY: frozenset[Kind] = frozenset(
    {"wrong_side", "stop_missing", "stop_without_position", "leverage_or_margin_mode"}
)
