"""What a bot said at one poll, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clients.books import Books
from clients.trading import Position, Trade, WaitingOrder
from exporter.catalogue import Sample

STATES = ("running", "paused", "stopped", "reloading")


@dataclass(frozen=True)
class ApiCalls:
    """The bot's own counts of its calls to the exchange, since its start."""

    ok: int
    error: int


@dataclass(frozen=True)
class Host:
    """Usage of the machine that a bot runs on, as ratios."""

    name: str
    cpu: float | None
    memory: float | None


@dataclass(frozen=True)
class Reading:
    """One answer of a source. None is unknown; money is in the stake currency, times are unix seconds.

    `time` is the clock that the other times are of; `last_activity_at` is of ours. `trades` are new ones,
    and known ones as they are now; where `history_restarted`, all there are. `pnl` is by window, `samples`
    need no computing; `positions` and `orders` are those that can be read. `capital_has_transfers` says that
    `starting_capital` is what it would be if all that the owner moved until now had been moved at the start,
    `equity_refused` that an equity was told which cannot be. `books` are what the bot says it holds at the
    exchange, `exchange_books` what it says of the exchange's own answer.
    """

    time: float
    state: str | None = None
    started_at: float | None = None
    last_activity_at: float | None = None
    starting_capital: float | None = None
    capital_has_transfers: bool = False
    equity: float | None = None
    equity_refused: bool = False
    profit_loss: float | None = None
    pnl: Mapping[str, float] = field(default_factory=dict)
    exposure: float | None = None
    max_exposure: float | None = None
    open_symbols: tuple[str, ...] | None = None
    pending_orders: int | None = None
    positions: tuple[Position, ...] = ()
    orders: tuple[WaitingOrder, ...] = ()
    data_ages: Mapping[str, float] = field(default_factory=dict)
    api: ApiCalls | None = None
    error_rate: float | None = None
    pid: int | None = None
    host: Host | None = None
    trades: tuple[Trade, ...] = ()
    history_restarted: bool = False
    samples: tuple[Sample, ...] = ()
    books: Books | None = None
    exchange_books: Books | None = None
