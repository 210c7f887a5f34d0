"""References and live trades for tests of the edge watch, made by a seeded random generator."""

import csv
import json
import zipfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clients.trading import Slippage, Trade
from tests.exporter.trades import START

HOUR = 3600.0


def profits(count: int, *, wins: float = 0.85, less: float = 0.0, seed: int = 1) -> NDArray[np.float64]:
    """Return profits as ratios; wins and losses are 1% in the mean, each made smaller by `less`."""
    dice = np.random.default_rng(seed)
    won, size = dice.random(count) < wins, 0.01 * dice.gamma(4.0, 0.25, count)
    return np.where(won, size, -size) - less


def live(found: Iterable[float], *, first: int = 0, stake: float | None = 100.0) -> list[Trade]:
    """Return trades of these profits, one every eight hours."""
    return [
        Trade(
            (number, START + number * 8 * HOUR),
            "BTC/USDT",
            "long",
            START + number * 8 * HOUR,
            START + number * 8 * HOUR + HOUR,
            float(profit) * (stake or 100.0),
            stake,
            Slippage(0.0002, 0.0003),
            0.1 * (stake or 100.0) / 100.0,
        )
        for number, profit in enumerate(found, first)
    ]


def freqtrade_row(number: int, profit: float) -> dict[str, Any]:
    """Return a trade as Freqtrade writes it into a backtest result."""
    opened, closed = (START - 9e7 + number * 8 * HOUR + after for after in (0.0, HOUR))
    return {
        "pair": "BTC/USDT",
        "stake_amount": 100.0,
        "amount": 0.01,
        "open_date": str(datetime.fromtimestamp(opened, UTC)),
        "close_date": str(datetime.fromtimestamp(closed, UTC)),
        "open_rate": 10_000.0,
        "close_rate": 10_000.0 * (1 + profit),
        "fee_open": 0.0005,
        "fee_close": 0.0005,
        "trade_duration": 60,
        "profit_ratio": profit,
        "profit_abs": 100.0 * profit,
        "exit_reason": "roi",
        "is_open": False,
        "leverage": 1.0,
        "is_short": False,
        "open_timestamp": int(opened * 1000),
        "close_timestamp": int(closed * 1000),
        "orders": [],
        "funding_fees": 0.0,
    }


def freqtrade_result(file: Path, **strategies: Sequence[float]) -> Path:
    """Write a backtest result of these strategies, into a zip as Freqtrade does where `file` is one."""
    told = {
        "strategy": {
            name: {"trades": [freqtrade_row(number, float(each)) for number, each in enumerate(found)]}
            for name, found in strategies.items()
        },
        "strategy_comparison": [{"key": name} for name in strategies],
    }
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr(f"{file.stem}.json", json.dumps(told))
            out.writestr(f"{file.stem}_config.json", "{}")
            out.writestr(f"{file.stem}_market_change.feather", b"\0")
    else:
        file.write_text(json.dumps(told))
    return file


def table(file: Path, found: Sequence[float]) -> Path:
    """Write a table of trades."""
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["opened_at", "closed_at", "profit_ratio", "fee_ratio", "slippage_ratio"])
        for number, profit in enumerate(found):
            at = START - 9e7 + number * 8 * HOUR
            rows.writerow([at, datetime.fromtimestamp(at + HOUR, UTC).isoformat(), profit, 0.001, ""])
    return file
