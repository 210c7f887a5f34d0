"""Turns a bot's past trades into Prometheus's blocks: `nightdesk backfill --bot NAME` (docs/backfill.md)."""

import argparse
import itertools
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from clients.bot_api import ClosedTrade
from clients.exporter import TradesUnavailable, told_trades
from clients.input import first_problem
from clients.observer import Observer, Unanswered
from clients.trading import Trade
from exporter.analytics.ledger import Conventions
from exporter.blocks import Busy, all_or_none
from exporter.bot import WatchedBot
from exporter.edge import edge_of
from exporter.exposition import Lines
from exporter.reading import Reading
from exporter.sources import Input
from exporter.tsdb import Block
from stack.settings import Settings, SettingsError, add_arguments, from_arguments

_STEP: Final = 290.0  # seconds between two samples: Prometheus looks back 300 for one
# Seconds of a block: the longest of Prometheus's own lengths, 2 h times a power of 3, of at most a month.
_BLOCK: Final = 486 * 3600
# Prometheus may still change this time; blocks must not reach into it (its documentation, "Backfilling").
_HEAD: Final = 3 * 3600.0
_TIMEOUT: Final = 60.0
# Nobody watched that time; its open positions are unknown, not 0.
_UNKNOWN: Final = ("up", "pnl_open", "pnl_all", "pnl_ratio")
_JOB: Final = "exporter-trading"


class NotDone(Exception):
    """A history that cannot be filled in; the message says why."""


@dataclass(frozen=True)
class BotHistory:
    """A bot's trades, oldest first, and its capital before them, None if unknown."""

    trades: tuple[Trade, ...]
    capital: float | None


@dataclass(frozen=True)
class Request:
    """Whose history goes where; `trades` is a file of them, for a bot that was never watched."""

    bot: str
    out: Path
    trades: Path | None = None

    def history(self, settings: Settings) -> BotHistory:
        """Return the bot's history. Raises NotDone, OSError."""
        if self.trades is None:
            return read_past(settings, self.bot)
        if (self.out / "wal").exists():
            raise NotDone(f"--trades: {self.out} has been used by a Prometheus; leave it out: then "
                          "the exporter returns the trades while the stack runs")  # fmt: skip
        return read_file(settings, self.bot, self.trades)


def read_past(settings: Settings, bot: str) -> BotHistory:
    """Return all trades of a bot from its exporter. Raises NotDone."""
    trades: list[Trade] = []
    end = math.inf
    while True:  # if one answer cannot hold all trades, the newest come first
        try:
            told = told_trades(settings, bot, 0.0, end, _TIMEOUT)
        except TradesUnavailable as untold:
            raise NotDone(f"{untold}; `nightdesk up` starts it") from None
        trades[:0] = told.trades
        if not told.left_out:
            rows = (replace(each, key=(place, each.opened_at)) for place, each in enumerate(trades))
            return BotHistory(tuple(rows), told.capital)
        oldest = told.trades[0].closed_at
        trades = [
            each for each in trades if each.closed_at > oldest
        ]  # some trades that closed then may be missing
        end = math.nextafter(oldest, math.inf)


def read_file(settings: Settings, bot: str, file: Path) -> BotHistory:
    """Return the trades of a file, in the form of a bot that writes files. Raises NotDone, OSError."""
    trades: dict[int, Trade] = {}
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        try:
            told = ClosedTrade.model_validate_json(line)
        except ValidationError as error:
            raise NotDone(f"{file}:{number}: {first_problem(error)}; see docs/bot-api.md") from None
        trades[told.id] = told.closed()
    capital = settings.bots[bot].starting_capital
    return BotHistory(tuple(sorted(trades.values(), key=lambda trade: (trade.closed_at, trade.key))), capital)


def first_seen(settings: Settings, bot: str, now: float) -> tuple[float, Mapping[str, str]]:
    """Return the time since when Prometheus has watched a bot, and the labels of its series.

    Raises NotDone.
    """
    selector = f"trading_bot_up{{bot={json.dumps(bot)}}}"
    query = f"min_over_time(timestamp({selector})[{round(settings.storage.retention)}s:{round(_STEP)}s])"
    observer = Observer(settings.services.prometheus.urls, [], _TIMEOUT, settings.web)
    try:
        found = observer.ask(query, now)
        last = observer.ask(f"last_over_time({selector}[1d])", now)
    except Unanswered as error:
        raise NotDone(f"{error}; `nightdesk up` starts it") from None
    labels = last[0].labels if last else {}
    own = {name: value for name, value in labels.items() if name not in ("__name__", "bot")}
    known = own or _own_labels(settings, bot)
    return min((each.value for each in found), default=now), known


def steps(
    settings: Settings, bot: str, past: BotHistory, labels: Mapping[str, str], start: float, end: float
) -> Iterator[tuple[float, bytes]]:
    """Yield (unix time, lines without a time) as the exporter would have served them.

    Open positions of the past are unknown, so equity and P&L count the trades closed by then. While no figure
    changes, the lines stay the same object.
    """
    watched, lines = _watched(settings, bot), Lines(settings.collection.max_symbols, bot)
    said = Input(settings.collection.max_symbols)
    extra = "".join(f'{name}="{value}",' for name, value in labels.items()).encode()
    profit, place, steady, text = 0.0, 0, -math.inf, b""
    for at in itertools.takewhile(lambda moment: moment < end, itertools.count(start, _STEP)):
        first = place
        while place < len(past.trades) and past.trades[place].closed_at <= at:
            profit += past.trades[place].profit
            place += 1
        if place > first or at >= steady:
            closed = past.trades[first:place]
            reading = Reading(time=at, starting_capital=past.capital, profit_loss=profit, trades=closed)
            samples = [each for each in watched.take(reading, said) if each.metric.name not in _UNKNOWN]
            text = b"".join(lines.render(samples)[0].values()).replace(b'{bot="', b"{" + extra + b'bot="')
            steady = watched.steady_until(at)
        yield at, text


def write_blocks(past: Iterable[tuple[float, bytes]], staging: Path) -> None:
    """Write the blocks from the text of each step, oldest first. Raises OSError."""
    for _, found in itertools.groupby(past, lambda step: int(step[0] // _BLOCK)):
        block = Block(round(1000 * _STEP))
        for at, text in found:
            block.add(round(1000 * at), text)
        block.write(staging)


def fill(settings: Settings, request: Request, now: float, tell: Callable[[str], None] = print) -> None:
    """Write the blocks of a bot's past into a data directory of Prometheus: all, or none.

    Raises NotDone, Busy, OSError.
    """
    bot, out = request.bot, request.out
    if bot not in settings.bots:
        raise NotDone(f"bots: {bot!r} is not watched; there are {', '.join(settings.bots) or 'none'}")
    past = request.history(settings)
    if not past.trades:
        raise NotDone(f"{bot} reports no closed trade: there is nothing to fill in")
    unseen = request.trades is not None
    seen, labels = (now, _own_labels(settings, bot)) if unseen else first_seen(settings, bot, now)
    oldest = now - settings.storage.retention
    # Whole seconds: blocks have samples at a regular distance.
    start, end = math.ceil(max(past.trades[0].closed_at, oldest)), seen if unseen else min(seen, now - _HEAD)
    if past.trades[0].closed_at < oldest:
        tell(f"trades before {_day(oldest)} are left out: storage.retention is {settings.storage.retention}")
    if start >= end:
        raise NotDone(f"nothing to fill in: {bot} has been watched since {_day(seen)}; Prometheus accepts "
                      "only data older than three hours")  # fmt: skip
    with all_or_none(out, bot, tell) as staging:
        made = steps(settings, bot, past, labels, start, end)
        write_blocks(_shown(made, bot, start, end), staging)
    tell(f"{bot}: {len(past.trades)} trades, {_day(start)} to {_day(end)}, are in {out}")
    if not unseen:
        tell("Prometheus shows them within two minutes, when it next reads its blocks")


def _shown(
    made: Iterable[tuple[float, bytes]], bot: str, start: float, end: float
) -> Iterator[tuple[float, bytes]]:
    """Yield the steps; a terminal shows a bar meanwhile."""
    drawn = -1
    for at, text in made:
        percent = int(100 * (at - start) / (end - start))
        if percent > drawn and sys.stderr.isatty():
            drawn = percent
            print(f"\r{bot} [{'#' * (percent // 4):<25}] {percent:3d} %, {_day(at)}", end="", file=sys.stderr)
        yield at, text
    if drawn >= 0:
        print(f"\r{bot} [{'#' * 25}] 100 %, {_day(end)}", file=sys.stderr)


def _own_labels(settings: Settings, bot: str) -> dict[str, str]:
    """Return the labels that Prometheus will give the series of a bot."""
    return {"instance": settings.exporter_of(bot).address, "job": _JOB}


def _watched(settings: Settings, bot: str) -> WatchedBot:
    collection = settings.collection
    conventions = Conventions(
        zone=ZoneInfo(settings.timezone),
        days_per_year=settings.days_per_year,
        tail=collection.var_window,
        recent=collection.slippage_recent,
        before=collection.slippage_before,
        symbols=collection.max_symbols,
    )
    watched, window = settings.bots[bot], float(collection.rate_window)
    return WatchedBot(watched, conventions, window, edge=edge_of(bot, watched, wait=True))


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"


def main(words: Sequence[str] | None = None) -> int:
    """Fill in the past of a bot; return the exit code: 2 for unusable settings."""
    parser = argparse.ArgumentParser(prog="nightdesk backfill", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--bot", required=True, metavar="NAME", help="of the settings' bots")
    parser.add_argument("--out", type=Path, default=Path(".data/prometheus"), metavar="DIR",
                        help="Prometheus's data; default: .data/prometheus")  # fmt: skip
    parser.add_argument("--trades", type=Path, metavar="FILE",
                        help="closed trades as lines of JSON, before Nightdesk's first start; default: "
                             "ask the running exporter")  # fmt: skip
    arguments = parser.parse_args(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        request = Request(arguments.bot, arguments.out, arguments.trades)
        fill(from_arguments(arguments), request, time.time())
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except (NotDone, Busy, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: nothing was filled in", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
