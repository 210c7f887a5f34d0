"""Turns a bot's past trades into Prometheus's blocks: `nightdesk backfill --bot NAME` (docs/backfill.md)."""

import argparse
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from clients.exporter import TradesUnavailable, told_trades
from clients.observer import Observer, Unanswered
from clients.trading import Trade
from exporter.analytics.ledger import Conventions
from exporter.bot import WatchedBot
from exporter.exposition import Board, Lines, Owner
from exporter.formats import OPENMETRICS
from exporter.reading import Reading
from exporter.record import timed
from exporter.sources import Input
from stack.binaries import MissingBinary, find
from stack.settings import Settings, SettingsError, add_arguments, from_arguments

_STEP: Final = 240.0  # seconds between two samples: Prometheus looks back 300 for one
# What Prometheus still changes; blocks must not reach into it (its documentation, "Backfilling").
_HEAD: Final = 3 * 3600.0
_TIMEOUT: Final = 60.0
# Of a past that nobody watched; what was open then is not 0.
_UNKNOWN: Final = ("up", "pnl_open", "pnl_all", "pnl_ratio")
_JOB: Final = "exporter-trading"


class NotDone(Exception):
    """A history that cannot be filled in; the message says why."""


@dataclass(frozen=True)
class BotHistory:
    """What a bot did: its trades, oldest first, and what it had before them, None where that is unknown."""

    trades: tuple[Trade, ...]
    capital: float | None


def read_past(settings: Settings, bot: str) -> BotHistory:
    """Return all trades of a bot, as its exporter tells them. Raises NotDone."""
    trades: list[Trade] = []
    end = math.inf
    while True:  # the newest come first where one answer cannot hold all
        try:
            told = told_trades(settings, bot, 0.0, end, _TIMEOUT)
        except TradesUnavailable as untold:
            raise NotDone(f"{untold}; `nightdesk up` starts it") from None
        trades[:0] = told.trades
        if not told.left_out:
            rows = (replace(each, key=(place, each.opened_at)) for place, each in enumerate(trades))
            return BotHistory(tuple(rows), told.capital)
        oldest = told.trades[0].closed_at
        trades = [each for each in trades if each.closed_at > oldest]  # some that closed then may not be here
        end = math.nextafter(oldest, math.inf)


def first_seen(settings: Settings, bot: str, now: float) -> tuple[float, Mapping[str, str]]:
    """Return since when Prometheus has watched a bot, and the labels of its series. Raises NotDone."""
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
    known = own or {"instance": settings.exporter_of(bot).address, "job": _JOB}
    return min((each.value for each in found), default=now), known


def pages(
    settings: Settings, bot: str, past: BotHistory, labels: Mapping[str, str], start: float, end: float
) -> Iterator[bytes]:
    """Yield OpenMetrics text of what the exporter would have served, step by step, without its end.

    Open positions of the past are unknown: equity and P&L are those of the trades closed by then.
    """
    watched, lines = _watched(settings, bot), Lines(settings.collection.max_symbols, bot)
    said, board, owner = Input(settings.collection.max_symbols), Board(), Owner(bot, "backfill")
    extra = "".join(f'{name}="{value}",' for name, value in labels.items()).encode()
    profit, place, headers = 0.0, 0, True
    for at in itertools.takewhile(lambda moment: moment < end, itertools.count(start, _STEP)):
        closed = [trade for trade in itertools.islice(past.trades, place, None) if trade.closed_at <= at]
        place += len(closed)
        profit += sum(trade.profit for trade in closed)
        reading = Reading(
            time=at,
            starting_capital=past.capital,
            profit_loss=profit,
            trades=tuple(closed),
        )
        samples = [each for each in watched.take(reading, said) if each.metric.name not in _UNKNOWN]
        board.publish(owner, lines.render(samples)[0])
        page = board.page({each.metric.group for each in samples}, OPENMETRICS)
        yield b"".join(timed(page.replace(b'{bot="', b"{" + extra + b'bot="'), at, headers=headers))
        headers = False


def fill(settings: Settings, bot: str, out: Path, now: float, tell: Callable[[str], None] = print) -> None:
    """Write the blocks of a bot's past into a data directory of Prometheus. Raises NotDone, MissingBinary."""
    if bot not in settings.bots:
        raise NotDone(f"bots: {bot!r} is not watched; there are {', '.join(settings.bots) or 'none'}")
    promtool, past = find("promtool"), read_past(settings, bot)
    if not past.trades:
        raise NotDone(f"{bot} tells no closed trade: there is nothing to fill in")
    seen, labels = first_seen(settings, bot, now)
    oldest = now - settings.storage.retention
    start, end = max(past.trades[0].closed_at, oldest), min(seen, now - _HEAD)
    if past.trades[0].closed_at < oldest:
        tell(f"trades before {_day(oldest)} are left out: storage.retention is {settings.storage.retention}")
    if start >= end:
        raise NotDone(f"nothing to fill in: {bot} has been watched since {_day(seen)}; Prometheus takes only "
                      "what is older than three hours")  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        text = Path(scratch, "past.om")
        with text.open("wb") as file:
            file.writelines(pages(settings, bot, past, labels, start, end))
            file.write(OPENMETRICS.end)
        out.mkdir(parents=True, exist_ok=True)
        command = [str(promtool), "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(text), str(out)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NotDone(f"promtool: {done.stderr.strip() or done.stdout.strip()}")
    tell(f"{bot}: {len(past.trades)} trades, {_day(start)} to {_day(end)}, are in {out}")
    tell("Prometheus shows them within two minutes; it takes no longer than its next look at its blocks")


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
    return WatchedBot(settings.bots[bot], conventions, float(collection.rate_window))


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"


def main(words: Sequence[str] | None = None) -> int:
    """Fill in the past of a bot; return the exit code: 2 for settings that cannot be used."""
    parser = argparse.ArgumentParser(prog="nightdesk backfill", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--bot", required=True, metavar="NAME", help="of the settings' bots")
    parser.add_argument("--out", type=Path, default=Path(".data/prometheus"), metavar="DIR",
                        help="Prometheus's data; default: .data/prometheus")  # fmt: skip
    arguments = parser.parse_args(words)
    try:
        fill(from_arguments(arguments), arguments.bot, arguments.out, time.time())
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except (NotDone, MissingBinary, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
