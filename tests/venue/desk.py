"""An account with its bots, its exchange and its witness, on a virtual clock."""

from dataclasses import dataclass, field
from math import exp
from random import Random

from clients.books import Books, Fill, Holding, Order, Withdrawal, market_key
from exporter.witness.bots import together
from exporter.witness.compare import Kind, Tolerance
from exporter.witness.witness import Witness
from tests.venue.engine import Engine
from tests.venue.traders import Agenda, Trader

INTERVAL, SETTLE = 30.0, 10.0
TOLERANCE = Tolerance(size=0.01, balance=0.02, dust=5.0)
FILLS_KEPT, WITHDRAWALS_KEPT = 600.0, 86_400.0
PRICES = {f"{coin}/USDT": price for coin, price in (
    ("BTC", 60_000.0), ("ETH", 3_000.0), ("SOL", 150.0), ("ADA", 0.45), ("XRP", 0.6), ("DOT", 6.0),
    ("LTC", 80.0), ("BCH", 400.0), ("LINK", 15.0), ("ATOM", 8.0), ("AVAX", 30.0), ("UNI", 9.0),
)}  # fmt: skip


def books_of(engine: Engine, now: float) -> Books:
    """Return a venue's answer about an engine."""
    engine.fills = [each for each in engine.fills if each.at > now - FILLS_KEPT]
    return Books(
        at=now,
        holdings={
            market_key(name): Holding(
                name,
                each.quantity,
                engine.prices[name],
                None if engine.spot else each.leverage,
                None if engine.spot else each.margin_mode,
            )
            for name, each in engine.positions.items()
            if each.quantity
        },
        orders=tuple(
            Order(each.symbol, each.side, each.left, each.id, each.filled, each.stop_price is not None)
            for each in engine.orders.values()
        ),
        money=engine.worth,
        fills=tuple(
            Fill(each.symbol, each.order, each.side, each.quantity, each.at) for each in engine.fills
        ),
        withdrawals=tuple(
            Withdrawal(each.id, each.currency, each.amount, each.at)
            for each in engine.withdrawals
            if each.at > now - WITHDRAWALS_KEPT
        ),
    )


@dataclass
class Desk:
    """One account. `gap` is the time between its bots' trades; `settle` is the witness's."""

    seed: int
    bots: int
    gap: float = 600.0
    settle: float = SETTLE
    outages: list[tuple[float, float]] = field(default_factory=list)
    tolerance: Tolerance = TOLERANCE

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.agenda = Agenda()
        spot = self.seed % 2 == 0
        self.engine = Engine(spot, 10_000.0 * self.bots + 5_000.0, dict(PRICES))
        names = list(PRICES)
        shared = [] if spot else names[:1]  # one that all of them trade
        self.traders = []
        for number in range(self.bots):
            own = names[1 + number * 2 : 3 + number * 2]
            gap = self.gap * self.random.uniform(0.3, 2.0)
            self.traders.append(
                Trader(f"bot{number}", self.engine, self.agenda, self.random, [*shared, *own], 10_000.0, gap)
            )
        self.witness = Witness(self.tolerance, self.settle)
        self.found: dict[Kind, float] = {}
        self.looks = 0
        self.agenda.at(self.random.uniform(0, INTERVAL), self._look)
        self.agenda.at(0.0, self._prices)

    @property
    def spare(self) -> str:
        """A market that no bot trades."""
        return list(PRICES)[-1]

    def run(self, until: float) -> None:
        self.agenda.run(until)

    def _prices(self) -> None:
        for name in self.engine.prices:
            self.engine.prices[name] *= exp(self.random.gauss(0, 0.0004))
        self.agenda.at(self.agenda.now + 15, self._prices)

    def _look(self) -> None:
        now = self.agenda.now
        self.looks += 1
        answering: dict[str, Books] = {}
        last: dict[str, Books] = {}
        unknown = False
        for trader in self.traders:
            told, up = trader.polled(now)
            if told is None:
                unknown = True
            else:
                (answering if up else last)[trader.name] = told
        out = any(start <= now < end for start, end in self.outages)
        self.witness.look(
            None if out else books_of(self.engine, now), None if unknown else together(answering, last, now)
        )
        for each in self.witness.differences:
            self.found.setdefault(each.kind, now)
        self.agenda.at(self._next(now, answering), self._look)

    def _next(self, now: float, answering: dict[str, Books]) -> float:
        """Return the time of the next check: sooner if a difference waits to settle."""
        settles, regular = self.witness.settles_at, now + INTERVAL
        if settles is None:
            return regular
        polls = [each.next_poll(settles) for each in self.traders if each.name in answering]
        return min(regular, max([settles, *polls]) + self.random.uniform(0.2, 2.0))
