"""Reads the trades that a bot is measured by: a Freqtrade backtest result, or a table in CSV."""

import csv
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from clients.input import first_problem
from clients.trading import Trade

_LARGEST: Final = 512 * 1024 * 1024  # bytes: more would fill the exporter's memory
_UNREADABLE: Final = (
    OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error,
    RuntimeError,  # a zip that is encrypted, or packed in an unknown way
)  # fmt: skip
_COLUMNS: Final = ("closed_at", "profit_ratio", "opened_at", "fee_ratio", "slippage_ratio")


class BadReference(Exception):
    """A reference that cannot be used; the message names the file, the value and the way out."""


@dataclass(frozen=True)
class TradeResult:
    """A closed trade in ratios of its stake; times are unix seconds, None is unknown.

    `profit` is after fees; `slippage` is of entry and exit together, positive is worse for the bot.
    """

    closed_at: float
    profit: float
    opened_at: float | None = None
    fees: float | None = None
    slippage: float | None = None


def result_of(trade: Trade) -> TradeResult | None:
    """Return what a trade of a bot made of its stake, None where its stake is unknown."""
    if trade.stake is None or trade.stake <= 0:
        return None
    entry, leave = trade.slippage.entry, trade.slippage.exit
    return TradeResult(
        closed_at=trade.closed_at,
        profit=trade.profit / trade.stake,
        opened_at=trade.opened_at,
        fees=None if trade.fees is None else trade.fees / trade.stake,
        slippage=None if entry is None or leave is None else entry + leave,
    )


def _moment(value: object) -> object:
    """Read unix seconds or a date; without a zone it is UTC, as Freqtrade's are."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        read = datetime.fromisoformat(value)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _blank(value: object) -> object:
    return None if value == "" else value


_Moment = Annotated[FiniteFloat, BeforeValidator(_moment)]
# A loss of more than a hundred stakes, or such a win, is a percentage or an amount, not a ratio.
_Ratio = Annotated[FiniteFloat, Field(ge=-100, le=100)]
_Cell = Annotated[_Ratio | None, BeforeValidator(_blank)]


class _Row(BaseModel):
    """A trade in a backtest result (Freqtrade, data/btanalysis, BT_DATA_COLUMNS)."""

    model_config = ConfigDict(extra="ignore")

    open_date: _Moment
    close_date: _Moment
    profit_ratio: _Ratio
    fee_open: _Ratio | None = None
    fee_close: _Ratio | None = None
    leverage: FiniteFloat | None = None
    is_open: bool = False

    def result(self) -> TradeResult:
        """Return it; a backtest fills every order at the price it asked for."""
        fees = None
        if self.fee_open is not None and self.fee_close is not None:
            fees = (self.fee_open + self.fee_close) * (self.leverage or 1.0)
        return TradeResult(self.close_date, self.profit_ratio, self.open_date, fees, 0.0)


class _Line(BaseModel):
    """A line of a table."""

    model_config = ConfigDict(extra="forbid")

    closed_at: _Moment
    profit_ratio: _Ratio
    opened_at: Annotated[_Moment | None, BeforeValidator(_blank)] = None
    fee_ratio: _Cell = None
    slippage_ratio: _Cell = None

    def result(self) -> TradeResult:
        return TradeResult(
            self.closed_at, self.profit_ratio, self.opened_at, self.fee_ratio, self.slippage_ratio
        )


def freqtrade_trades(file: Path, strategy: str | None = None) -> tuple[TradeResult, ...]:
    """Return the trades of a strategy in a backtest result, in the order of closing. Raises BadReference."""
    try:
        said = json.loads(_unpacked(file) if file.suffix == ".zip" else _limited(file))
    except _UNREADABLE as error:
        raise BadReference(f"{file}: cannot be read: {error}; name a result of `freqtrade backtesting "
                           "--export trades`") from None  # fmt: skip
    strategies = said.get("strategy") if isinstance(said, dict) else None
    if not isinstance(strategies, dict) or not strategies:
        raise BadReference(
            f"{file}: has no `strategy`, so it is not a result of Freqtrade 2021 or newer; backtest anew"
        )
    rows = _of_strategy(file, strategies, strategy)
    return _ordered(_read(f"{file}: trade ", rows, _Row))


def csv_trades(file: Path) -> tuple[TradeResult, ...]:
    """Return the trades of a table, in the order of closing. Raises BadReference."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines, restkey="", strict=True)
            named = table.fieldnames or ()
            for column in (*_COLUMNS[:2], *named):
                if column not in named or column not in _COLUMNS:
                    wrong = "is missing" if column not in named else "is no column of trades"
                    raise BadReference(
                        f"{file}: {column!r} {wrong}; the first line names {', '.join(_COLUMNS)}, "
                        "of which the first two are needed"
                    )
            return _ordered(_read(f"{file}: line ", table, _Line, first=2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadReference(f"{file}: cannot be read: {error}; write a table as docs/edge.md shows") from None


def _limited(file: Path) -> bytes:
    if file.stat().st_size > _LARGEST:
        raise OSError(f"it is larger than {_LARGEST >> 20} MB")
    return file.read_bytes()


def _unpacked(file: Path) -> bytes:
    """Return what Freqtrade itself reads of its zip: the member that has its name."""
    with zipfile.ZipFile(file) as members:
        wanted = f"{file.stem}.json"
        if wanted not in members.namelist():
            raise BadReference(f"{file}: holds {', '.join(members.namelist()) or 'nothing'}, and not "
                               f"{wanted}; give the file back the name that Freqtrade gave it")  # fmt: skip
        if members.getinfo(wanted).file_size > _LARGEST:
            raise OSError(f"{wanted} in it is larger than {_LARGEST >> 20} MB")
        return members.read(wanted)


def _of_strategy(file: Path, strategies: Mapping[str, Any], wanted: str | None) -> list[Any]:
    held = ", ".join(strategies)
    if wanted is None and len(strategies) > 1:
        raise BadReference(f"{file}: has {len(strategies)} strategies; set `strategy` to one of {held}")
    name = wanted if wanted is not None else next(iter(strategies))
    if name not in strategies:
        near = get_close_matches(name, strategies, n=1)
        advice = f"did you mean {near[0]}?" if near else f"it has {held}"
        raise BadReference(f"{file}: strategy {name!r} is not in it; {advice}")
    of_strategy = strategies[name]
    rows = of_strategy.get("trades") if isinstance(of_strategy, dict) else None
    if not isinstance(rows, list):
        raise BadReference(f"{file}: strategy {name!r} has no trades; backtest with `--export trades`")
    return [row for row in rows if not (isinstance(row, dict) and row.get("is_open"))]


def _read(
    where: str, rows: Iterable[object], model: type[_Row] | type[_Line], first: int = 1
) -> Iterator[TradeResult]:
    for number, row in enumerate(rows, first):
        try:
            yield model.model_validate(row).result()
        except ValidationError as error:
            raise BadReference(f"{where}{number}: {first_problem(error)}") from None


def _ordered(found: Iterable[TradeResult]) -> tuple[TradeResult, ...]:
    return tuple(sorted(found, key=lambda each: each.closed_at))
