"""The trading process: runs the simulation by the wall clock and answers the supervisor over its pipes."""

import argparse
import json
import logging
import os
import select
import signal
import sys
import time
from collections import OrderedDict
from logging.handlers import RotatingFileHandler
from pathlib import Path
from random import Random
from typing import Any

from demo_bot import report
from demo_bot.arguments import (
    FAULTS,
    VERBS,
    Drawdown,
    FundingDrain,
    LiquidationNear,
    MemoryGrowth,
    Unprotected,
)
from demo_bot.conditions import Event
from demo_bot.controls import Refused, carry_out
from demo_bot.dangerous_positions import imperil, protect, unprotected
from demo_bot.journal import Journal, JournalError, Snapshot, recover
from demo_bot.lock import HeldError, hold
from demo_bot.market import Walk
from demo_bot.pipes import Answer, Ask, AskControl, AskFault, AskTrades, Line, Question
from demo_bot.simulation import Simulation
from stack.settings.model import DEMO_CAPITAL

LOG_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
STARTING_CAPITAL = DEMO_CAPITAL
TICK_SECONDS = 0.25
REMEMBERED_KEYS = 1000
MEGABYTE = 1_000_000

log = logging.getLogger("demo_bot.trader")


class Files:
    """The paths in the data directory."""

    def __init__(self, data: Path) -> None:
        self.log = data / "demo_bot.log"
        self.journal = data / "trades.jsonl"
        self.snapshot = data / "positions.json"
        self.trader_lock = data / "trader.lock"
        self.supervisor_lock = data / "supervisor.lock"
        self.stay_down = data / "stay_down"
        self.answers = data / "answers.sqlite3"


class Cache:
    """Memory that the process really takes and gives back."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._grown_at = 0.0

    def follow(self, growth: MemoryGrowth | None, now: float) -> None:
        """Grow by a tenth of the wanted size per second up to it; without a fault free all."""
        if growth is None:
            self._blocks.clear()
        elif len(self._blocks) < 10 and now - self._grown_at >= 1:
            self._grown_at = now
            # Not zeros: unwritten pages take no memory.
            self._blocks.append(b"x" * (growth.megabytes * MEGABYTE // 10))
            log.warning("High memory usage: cache grew to %d MB", sum(map(len, self._blocks)) // MEGABYTE)


class Trader:
    """The simulation with its clock, its files and its log."""

    def __init__(self, files: Files, *, seed: int, pace: float, currency: str) -> None:
        """Restore the account from the files; raises JournalError."""
        self._files = files
        self._currency = currency
        self._journal = Journal(files.journal)
        if self._journal.cut_off is not None:
            log.warning("%s: cut off an unfinished last line: %r", files.journal, self._journal.cut_off)
        snapshot = Snapshot.load(files.snapshot)
        book = recover(STARTING_CAPITAL, self._journal, snapshot)
        self._started_at = time.time()
        # Each start draws other random numbers, but the same ones for the same journal.
        rng = Random(f"{seed}:{book.last_trade_id}")
        walk = Walk(rng, self._started_at, currency, snapshot.prices)
        self._bot = Simulation(rng, walk, book, pace, self._started_at)
        self._cache = Cache()
        self._answered: OrderedDict[str, Answer] = OrderedDict()
        log.info("Recovered %d trades, realised profit %.4f", book.last_trade_id, book.realised)
        for position in book.positions.values():
            log.info("Position re-opened: %s %s (position %d)", position.side, position.symbol, position.id)

    def tick(self) -> None:
        """Run the simulation until now."""
        self._bot.step(time.time())
        self._keep()

    def close(self) -> None:
        """Store the current prices, from which the next start continues."""
        self._bot.positions_changed = True
        self._keep()
        self._journal.close()

    def answer(self, question: Question) -> Answer:
        """Return the answer; its changes are on disk by then."""
        match question:
            case Ask(do="state"):
                return Answer(status=200, body=self._state())
            case Ask():
                active = {name: given.model_dump() for name, given in self._bot.conditions.active()}
                if unprotected(self._bot):
                    active["unprotected"] = {}
                return Answer(status=200, body=active)
            case AskTrades():
                trades, more = self._journal.page(question.since_id, question.limit)
                return Answer(status=200, body={"trades": trades, "more": more})
            case AskControl():
                return self._control(question)
            case AskFault():
                self._switch(question)
                return Answer(status=200, body={})

    def _state(self) -> dict[str, Any]:
        state = report.state(self._bot, started_at=self._started_at, currency=self._currency, pid=os.getpid())
        return state.model_dump(exclude_none=True)

    def _control(self, asked: AskControl) -> Answer:
        if asked.key is not None and (before := self._answered.get(asked.key)) is not None:
            return before
        log.info("Control: %s %s", asked.verb, asked.arguments or "")
        try:
            detail = carry_out(self._bot, asked.verb, VERBS[asked.verb].arguments(**asked.arguments))
            answer = Answer(status=200, body={"done": True, "verb": asked.verb, "detail": detail})
        except Refused as refusal:
            log.warning("Refused: %s", refusal)
            answer = Answer(status=409, body={"error": str(refusal)})
        self._keep()
        if asked.key is not None:
            self._answered[asked.key] = answer
            if len(self._answered) > REMEMBERED_KEYS:
                self._answered.popitem(last=False)
        return answer

    def _switch(self, asked: AskFault) -> None:
        given = None if asked.arguments is None else FAULTS[asked.name].arguments(**asked.arguments)
        match given:
            case Drawdown():
                self._bot.crash_market(given.ratio)
            case Unprotected() | LiquidationNear() | FundingDrain():
                imperil(self._bot, given)
            case None if asked.name == "unprotected":
                protect(self._bot)
            case _:
                setattr(self._bot.conditions, asked.name, given)
        self._keep()

    def _keep(self) -> None:
        """Write events to disk (trades before positions, as recovery expects) and into the log."""
        for trade in self._bot.take_closed():
            self._journal.append(trade)
        if self._bot.positions_changed:
            book = self._bot.book
            positions = tuple(book.positions.values())
            snapshot = Snapshot(book.last_trade_id, book.last_position_id, positions, self._bot.walk.prices)
            snapshot.save(self._files.snapshot)
            self._bot.positions_changed = False
        self._cache.follow(self._bot.conditions.memory_growth, time.monotonic())
        for event in self._bot.diary.take():
            _write(event)


def _write(event: Event) -> None:
    logging.getLogger(f"demo_bot.{event.source}").log(event.level, event.text, exc_info=event.error)


class Ended:
    """Becomes true when the process is asked to end."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)
        # Ctrl-C reaches the whole process group; the supervisor then ends this process in order.
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _ask(self, *_: object) -> None:
        self.asked = True


def serve(trader: Trader, ended: Ended) -> None:
    """Tick and answer until a request to end comes, or the supervisor dies and its pipe closes."""
    unread = b""
    due = time.monotonic()
    while not ended.asked:
        readable, _, _ = select.select([0], [], [], max(0.0, due - time.monotonic()))
        if readable:
            chunk = os.read(0, 65536)
            if not chunk:
                log.warning("The supervisor is gone")
                return
            *lines, unread = (unread + chunk).split(b"\n")
            for line in lines:
                question = Line.model_validate({"question": json.loads(line)}).question
                answer = trader.answer(question)
                answer = answer.model_copy(update={"id": question.id})
                sys.stdout.buffer.write(answer.model_dump_json().encode() + b"\n")
                sys.stdout.buffer.flush()
        if time.monotonic() >= due:
            trader.tick()
            due = time.monotonic() + TICK_SECONDS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo_bot.trader", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--pace", type=float, required=True)
    parser.add_argument("--currency", required=True)
    parser.add_argument("--log-bytes", type=int, required=True)
    parser.add_argument("--log-files", type=int, required=True)
    return parser.parse_args()


def main() -> int:
    """Run until a request to end; returns the exit status."""
    given = _arguments()
    files = Files(given.data)
    logs = RotatingFileHandler(
        files.log, maxBytes=given.log_bytes, backupCount=given.log_files, encoding="utf-8"
    )
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, handlers=[logs])
    if files.stay_down.exists():
        log.critical("Failed to start: the fault stay_down is switched on")
        return 1
    ended = Ended()
    try:
        with hold(files.trader_lock):
            trader = Trader(files, seed=given.seed, pace=given.pace, currency=given.currency)
            log.info("Trading process started, pid %d, seed %d", os.getpid(), given.seed)
            serve(trader, ended)
            trader.close()
    except (HeldError, JournalError) as error:
        log.critical("Failed to start: %s", error)
        return 1
    except Exception:
        log.critical("Trading process failed", exc_info=True)
        raise
    log.info("Trading process stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
