"""Trades and ledgers for tests: made by hand, by hypothesis, and those that a real Freqtrade recorded."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from clients.freqtrade import ClosedTrade
from clients.trading import Trade
from exporter.analytics.curve import Event
from exporter.analytics.ledger import Conventions, Ledger
from exporter.sources import Input

DAY = 86_400.0
CAPITAL = 1000.0
START = 1_800_000_000.0 - 1_800_000_000.0 % DAY  # midnight, UTC
RECORDINGS = Path(__file__).parents[1] / "fixtures" / "freqtrade"


def trade(number: int, closed_at: float, profit: float, **more: Any) -> Trade:
    opened_at = more.pop("opened_at", closed_at - 60)
    values = {"symbol": "BTC/USDT", "side": "long", "stake": 100.0} | more
    return Trade((number, opened_at), opened_at=opened_at, closed_at=closed_at, profit=profit, **values)


def daily_trades(profits: Iterable[float]) -> list[Trade]:
    """Return a trade a day, the first on the first day."""
    return [trade(n, START + n * DAY, profit) for n, profit in enumerate(profits)]


def ledger(
    trades: Sequence[Trade],
    capital: float | None = CAPITAL,
    *,
    zone: str = "UTC",
    events: Sequence[Event] = (),
    symbols: int = 500,
    tail: float = 365 * DAY,
) -> Ledger:
    found = Ledger(Conventions(ZoneInfo(zone), 365, tail, symbols, DAY, 30 * DAY), events)
    found.add(trades, capital)
    return found


def recorded(name: str) -> Any:
    return json.loads((RECORDINGS / f"{name}.json").read_text())


def recorded_trades() -> list[Trade]:
    return [Input(500).read(ClosedTrade, row).closed() for row in recorded("trades")["trades"]]


# Losses that cannot spend the capital: other tests have spent capitals.
closings = st.lists(
    st.tuples(st.integers(0, 200 * 86_400), st.integers(-1500, 5000).map(lambda cents: cents / 100)),
    max_size=60,
).map(lambda rows: [trade(n, START + at, profit) for n, (at, profit) in enumerate(rows)])
