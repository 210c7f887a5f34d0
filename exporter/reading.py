"""A bot's answer at one poll, as plain values."""

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
    """One answer of a source. None is unknown; money is in the stake currency, times are unix seconds. `time`
    is the bot's clock, and so are the other times; only `last_activity_at` is by ours. `trades` are new ones,
    and the present version of changed ones; with `history_restarted` they are all trades. `pnl` is by window.
    `samples` need no computing. `positions` and `orders` are the readable ones. `capital_has_transfers`:
    `starting_capital` already contains all transfers until now. `equity_refused`: the bot reported an
    impossible equity. `books` are the bot's own books of its exchange, `exchange_books` the exchange's answer
    that the bot passes on.
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
