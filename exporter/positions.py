"""Samples of the risk of open positions and the age of waiting orders, the worst first."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf

from clients.input import Input
from clients.trading import Position, WaitingOrder
from exporter.catalogue import Sample, known, sample

_Of = Callable[[Position], float | None]
_SUMS: dict[str, _Of] = {
    "position_value": lambda each: each.value_at_price,
    "position_profit": lambda each: each.profit,
    "position_funding_paid": lambda each: each.funding_paid,
}
_SMALLEST: dict[str, _Of] = {
    "position_stop_distance_ratio": lambda each: _at_least_0(each.stop_distance),
    "position_liquidation_distance_ratio": lambda each: each.liquidation_distance,
}
_LARGEST: dict[str, _Of] = {
    "position_leverage": lambda each: each.leverage,
    "position_margin_ratio": lambda each: each.margin_ratio,
}

_DANGERS: tuple[tuple[str, dict[str, _Of], Callable[..., float | None]], ...] = (
    ("position_liquidation_distance_ratio", _SMALLEST, min),
    ("position_margin_ratio", _LARGEST, max),
)


def of_positions(positions: Sequence[Position], now: float, said: Input, *, stops: bool) -> Iterator[Sample]:
    """Yield the figures of each symbol and side: of several positions, their sum or the worst.

    A sum with an unknown part is unknown. If there are more symbols than the cap, those in danger are kept;
    `said` counts the rest, and each stop on the wrong side of the price. `stops` is the bot's setting.
    """
    for each in positions:
        if each.stop_distance is not None and each.stop_distance < 0:
            said.reject(
                "wrong_side", f"{each.key}: the stop {each.stop:g} is beyond the price {each.price:g}"
            )
    groups = _groups(positions)
    symbols = list(dict.fromkeys(symbol for symbol, _ in groups))
    if len(symbols) > said.cap:
        said.over_cap["positions"] = len(symbols) - said.cap
    told = set(symbols[: said.cap])
    for (symbol, side), group in groups.items():
        if symbol in told:
            yield from _figures(group, now, stops=stops, symbol=symbol, side=side)


def of_dangers(positions: Sequence[Position], *, stops: bool) -> Iterator[Sample]:
    """Yield for the guard each symbol's and side's distance to liquidation, and whether it has a stop.

    Those in danger come first; `stops` as above.
    """
    for (symbol, side), group in _groups(positions).items():
        for name, figures, worst in _DANGERS:
            found = worst(
                (value for each in group if (value := figures[name](each)) is not None), default=None
            )
            yield from known(f"guard_{name}", found, symbol=symbol, side=side)
        if stops:
            yield sample("guard_position_unprotected", _unprotected(group), symbol=symbol, side=side)


def of_orders(orders: Iterable[WaitingOrder], now: float) -> Iterator[Sample]:
    """Yield the age of each symbol's oldest waiting order, the oldest first."""
    oldest: dict[str, float] = {}
    for order in sorted(orders, key=lambda each: each.placed_at):
        oldest.setdefault(order.symbol, order.placed_at)
    for symbol, placed_at in oldest.items():
        yield sample("order_age_seconds", max(0.0, now - placed_at), symbol=symbol)


def _figures(group: Sequence[Position], now: float, *, stops: bool, **labels: str) -> Iterator[Sample]:
    for name, of in _SUMS.items():
        parts = [of(each) for each in group]
        total = sum(part for part in parts if part is not None)
        yield from known(name, None if None in parts else total, **labels)
    for figures, worst in ((_SMALLEST, min), (_LARGEST, max)):
        for name, of in figures.items():
            told = [value for each in group if (value := of(each)) is not None]
            yield from known(name, worst(told, default=None), **labels)
    ages = [max(0.0, now - each.opened_at) for each in group if each.opened_at is not None]
    yield from known("position_age_seconds", max(ages, default=None), **labels)
    if stops:
        yield sample("position_unprotected", _unprotected(group), **labels)


def _unprotected(group: Iterable[Position]) -> float:
    return float(any(not each.is_protected for each in group))


def _groups(positions: Iterable[Position]) -> dict[tuple[str, str], list[Position]]:
    """Return the positions by symbol and side, those in danger first."""
    groups: dict[tuple[str, str], list[Position]] = {}
    for each in sorted(positions, key=_danger):
        groups.setdefault((each.symbol, each.side), []).append(each)
    return groups


def _danger(position: Position) -> tuple[bool, float, float]:
    """Return a sort key that puts positions in more danger first."""
    left, away = position.liquidation_distance, position.stop_distance
    return position.is_protected, inf if left is None else left, inf if away is None else away


def _at_least_0(distance: float | None) -> float | None:
    return None if distance is None or distance < 0 else distance
