"""Bots that trade on the engine and learn of their fills late, as real ones do; virtual time, seeded."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from clients.books import Books, Holding, Order, market_key
from tests.venue.engine import Engine, VenueFill, VenueOrder

POLL = 15.0  # seconds between two polls of the exporter
IDS_KEPT = 3600.0
LEVERAGE = 5.0


class Agenda:
    """The next events, in order of time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (max(when, self.now), next(self._count), what))

    def run(self, until: float) -> None:
        while self._heap and self._heap[0][0] <= until:
            self.now, _, what = heapq.heappop(self._heap)
            what()
        self.now = until


@dataclass(frozen=True)
class Snapshot:
    """A bot's answer; its money depends on the prices at the time of the question."""

    books: Books
    cash: float
    positions: dict[str, tuple[float, float]]

    def told(self, at: float, prices: dict[str, float], spot: bool) -> Books:
        worth = self.cash + sum(
            quantity * (prices[name] - (0.0 if spot else entry))
            for name, (quantity, entry) in self.positions.items()
        )
        return Books(
            at=at,
            holdings=self.books.holdings,
            orders=self.books.orders,
            money=worth,
            order_ids=self.books.order_ids,
            traded=self.books.traded,
        )


@dataclass
class Trader:
    """One bot. `gap` is the mean time between two of its trades, `lag` the longest until it knows a fill."""

    name: str
    engine: Engine
    agenda: Agenda
    random: Random
    symbols: list[str]
    cash: float
    gap: float
    lag: float = 8.0
    down: list[tuple[float, float]] = field(default_factory=list)
    frozen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.own = Engine(self.engine.spot, self.cash, self.engine.prices)  # its own books
        self.waiting: dict[str, VenueOrder] = {}
        self.known_filled: dict[str, float] = {}
        self.stops: dict[str, VenueOrder] = {}
        self.ids: dict[str, float] = {}
        self.traded: dict[str, float] = {}
        self.snapshots: list[tuple[float, Snapshot]] = []
        self.phase = self.random.uniform(0, POLL)
        self._busy: set[str] = set()
        self._heard: dict[str, float] = {}
        self._slow = self.random.uniform(0, 5)  # the missed events, in their order
        self._note()
        self._later(self.random.expovariate(1 / self.gap), self._trade)

    # the exporter's view

    def is_down(self, at: float) -> bool:
        return any(start <= at < end for start, end in self.down)

    def polled(self, now: float) -> tuple[Books | None, bool]:
        """Return the last answer, and whether the last poll was answered."""
        last = self.phase + (now - self.phase) // POLL * POLL
        answered = last
        while answered >= 0 and self.is_down(answered):
            answered -= POLL
        if answered < 0:
            return None, False
        while len(self.snapshots) > 1 and self.snapshots[1][0] <= answered - 3600:
            del self.snapshots[0]
        found = next((each for at, each in reversed(self.snapshots) if at <= answered), self.snapshots[0][1])
        return found.told(answered, self.engine.prices, self.engine.spot), answered == last

    def next_poll(self, after: float) -> float:
        return self.phase - (self.phase - after) // POLL * POLL

    def _note(self) -> None:
        now = self.agenda.now
        self.ids = {each: at for each, at in self.ids.items() if at > now - IDS_KEPT}
        self.traded = {each: at for each, at in self.traded.items() if at > now - IDS_KEPT}
        held = {name: each for name, each in self.own.positions.items() if each.quantity}
        books = Books(
            at=now,
            holdings={
                market_key(name): Holding(
                    name,
                    each.quantity,
                    self.engine.prices[name],
                    None if self.engine.spot else LEVERAGE,
                    None if self.engine.spot else "cross",
                    abs(each.quantity) if name in self.stops else 0.0,
                )
                for name, each in held.items()
            },
            orders=tuple(
                Order(
                    each.symbol, each.side, each.quantity - self.known_filled.get(each.id, 0.0), each.id,
                    self.known_filled.get(each.id, 0.0), each.stop_price is not None,
                )
                for each in (*self.waiting.values(), *self.stops.values())
            ),
            order_ids=frozenset(self.ids),
            traded=frozenset(market_key(each) for each in (*self.traded, *held)),
        )  # fmt: skip
        positions = {name: (each.quantity, each.entry) for name, each in held.items()}
        self.snapshots.append((now, Snapshot(books, self.own.cash, positions)))

    # its actions

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        def awake() -> None:
            now = self.agenda.now
            end = next((end for start, end in self.down if start <= now < end), None)
            if end is not None:  # it does and learns nothing until it is back
                self.agenda.at(end + self._slow, awake)
            else:
                what()

        self.agenda.at(self.agenda.now + seconds, awake)

    def _lag(self) -> float:
        return self.random.uniform(0.2, self.lag)

    def _trade(self) -> None:
        self._later(self.random.expovariate(1 / self.gap), self._trade)
        symbol = self.random.choice(self.symbols)
        if symbol in self._busy or symbol in self.frozen:
            return
        held = self.own.held(symbol)
        if held:
            self._busy.add(symbol)
            self._leave(symbol, held)
        else:
            self._busy.add(symbol)
            self._enter(symbol)

    def _enter(self, symbol: str) -> None:
        quantity = round(self.random.uniform(0.02, 0.1) * self.cash / self.engine.prices[symbol], 6)
        side = "buy" if self.engine.spot or self.symbols.index(symbol) % 2 else "sell"
        if self.random.random() < 0.5:
            self._market(symbol, side, quantity, then=self._protect)
        else:
            self._limit(symbol, side, quantity, then=self._protect)

    def _leave(self, symbol: str, held: float) -> None:
        stop = self.stops.get(symbol)
        if stop and self.random.random() < 0.2:  # the stop itself is hit
            self.agenda.at(self.agenda.now + 0.1, lambda: self._stopped(symbol, stop))
            return
        # If it dies between the two, its position really has no stop: that is no false alarm.
        if stop and not any(self.is_down(self.agenda.now + ahead) for ahead in range(0, 30, 5)):
            self.engine.cancel(stop.id)
            self._later(self.random.uniform(0.1, 2), lambda: self._forget_stop(symbol))
        side = "sell" if held > 0 else "buy"
        way = self._market if self.random.random() < 0.6 else self._limit
        way(symbol, side, abs(held), then=self._done)

    def _forget_stop(self, symbol: str) -> None:
        self.stops.pop(symbol, None)
        self._note()

    def _stopped(self, symbol: str, stop: VenueOrder) -> None:
        if stop.id in self.engine.orders and symbol not in self.frozen:
            fill = self.engine.fill(stop.id, self.agenda.now)
            self._later(self._lag(), lambda: self._learn(fill, stop, self._done))
        else:
            self._busy.discard(symbol)

    def _market(self, symbol: str, side: str, quantity: float, then: Callable[[str], None]) -> None:
        order = self.engine.place(symbol, side, quantity, self.agenda.now)
        fill = self.engine.fill(order.id, self.agenda.now)
        self._later(self._lag(), lambda: self._learn(fill, order, then))

    def _limit(self, symbol: str, side: str, quantity: float, then: Callable[[str], None]) -> None:
        order = self.engine.place(symbol, side, quantity, self.agenda.now)
        told = 0.0 if self.random.random() < 0.8 else self._lag()  # the answer may come late
        self._later(told, lambda: self._placed(order))
        part = quantity * self.random.uniform(0.2, 0.8)
        first, whole = self.random.uniform(9, 60), self.random.uniform(60, 240)
        self.agenda.at(self.agenda.now + first, lambda: self._filled(order, part, then, last=False))
        self.agenda.at(self.agenda.now + whole, lambda: self._filled(order, None, then, last=True))

    def _placed(self, order: VenueOrder) -> None:
        self.ids[order.id] = self.agenda.now
        self.waiting[order.id] = order
        self._note()

    def _filled(
        self, order: VenueOrder, quantity: float | None, then: Callable[[str], None], *, last: bool
    ) -> None:
        if order.id not in self.engine.orders:
            return
        fill = self.engine.fill(order.id, self.agenda.now, quantity)
        # The news of one order arrives in order.
        heard = max(self.agenda.now + self._lag(), self._heard.get(order.id, 0.0) + 0.001)
        self._heard = {each: at for each, at in self._heard.items() if at > self.agenda.now} | {
            order.id: heard
        }
        self._later(heard - self.agenda.now, lambda: self._learn(fill, order, then if last else None))

    def _learn(self, fill: VenueFill | None, order: VenueOrder, then: Callable[[str], None] | None) -> None:
        now = self.agenda.now
        self.ids[order.id], self.traded[order.symbol] = now, now
        if fill:
            self.own._move(order.symbol, fill.quantity if order.side == "buy" else -fill.quantity, fill.price)
            self.known_filled[order.id] = self.known_filled.get(order.id, 0.0) + fill.quantity
        if then:
            self.waiting.pop(order.id, None)
            self.known_filled.pop(order.id, None)
            if order.stop_price is not None:
                self.stops.pop(order.symbol, None)
            then(order.symbol)
        self._note()

    def _protect(self, symbol: str) -> None:
        if not self.engine.spot and self.own.held(symbol):
            self._later(self.random.uniform(0.5, 3), lambda: self._set_stop(symbol))
        else:
            self._busy.discard(symbol)

    def _set_stop(self, symbol: str) -> None:
        held = self.own.held(symbol)
        if held:
            price = self.engine.prices[symbol] * (0.95 if held > 0 else 1.05)
            stop = self.engine.place(
                symbol, "sell" if held > 0 else "buy", abs(held), self.agenda.now,
                stop_price=price, reduce_only=True,
            )  # fmt: skip
            self.stops[symbol], self.ids[stop.id] = stop, self.agenda.now
            self._note()
        self._busy.discard(symbol)

    def _done(self, symbol: str) -> None:
        self._busy.discard(symbol)
        if stop := self.stops.pop(symbol, None):
            self.engine.cancel(stop.id)

    def is_calm(self, symbol: str) -> bool:
        """Whether a symbol has no open orders."""
        return symbol not in self._busy and not any(each.symbol == symbol for each in self.waiting.values())
