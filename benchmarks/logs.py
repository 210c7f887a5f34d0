"""Lines per second of the exporter's log reading against mtail, on the same file with the same 17 patterns.

`python benchmarks/logs.py [--lines 1500000] [--events 0.02]` writes the log of a busy bot, lets both count
its events on one core, checks that the counts are equal, and prints the table. mtail is Debian's (apt install
mtail). Times are the process's CPU time, so other work of the machine does not count.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from exporter.logs.content import count_lines
from exporter.logs.counters import LogCounters
from exporter.logs.extraction import Reading, visited
from exporter.logs.failures import Context
from exporter.logs.follow import Follower
from exporter.logs.patterns import PATTERNS, SYSTEM, Table
from exporter.logs.scanner import Scanner

_RUNS = 3
SEVENTEEN = tuple(row for row in PATTERNS if row.category != SYSTEM)
LEVELS = [rf'{level}(?::| -|")' for level in ("EXCEPTION", "CRITICAL", "ERROR")]
PHRASES = (
    "Slow operation", "High memory", "CPU spike", "Network timeout", "Slow query", "Stop loss triggered",
    "Take profit triggered", "Position closed", "Position opened", "Trade executed", "Order placed",
    "Connection error", "API error", "Failed to",
)  # fmt: skip
QUIET = (
    "{time} - bot.trader - INFO - Found open order for Trade(id={n}, pair=BNB/USDT, amount=0.174)",
    "{time} - bot.worker - INFO - Bot heartbeat. PID={n}, version='2026.1', state='RUNNING'",
    "{time} - bot.strategy - DEBUG - rsi={n}.2 macd=0.0031 signal=none for ETH/USDT",
    '{{"time": "{time}", "level": "info", "message": "Wallets synced {n}"}}',
    "INFO: candle {n} of LTC/USDT",
)
SHAPES = (
    "{time} - bot.part - {level} - {words}",
    "{level}: {words}",
    '{{"time": "{time}", "level": "{level}", "message": "{words}"}}',
)
WORDS = (
    ("WARNING", "Slow operation: fetch_ohlcv took {n} ms"),
    ("WARNING", "High memory usage: {n} MB"),
    ("WARNING", "CPU spike: {n}%"),
    ("WARNING", "Network timeout after {n} s"),
    ("WARNING", "Slow query: {n} ms"),
    ("INFO", "Stop loss triggered for trade {n}"),
    ("INFO", "Take profit triggered for trade {n}"),
    ("INFO", "Position closed: {n}"),
    ("INFO", "Position opened: {n}"),
    ("INFO", "Trade executed: {n}"),
    ("INFO", "Order placed: {n}"),
    ("ERROR", "Connection error: attempt {n}"),
    ("ERROR", "API error: 503 of {n}"),
    ("ERROR", "Failed to place order {n}"),
    ("EXCEPTION", "in loop {n}"),
    ("CRITICAL", "margin of position {n}"),
    ("ERROR", "odd answer {n}"),
)


def main() -> None:
    """Measure and print the table; exits with 1 where the counts differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=1_500_000)
    parser.add_argument("--events", type=float, default=0.02, help="share of lines that are events")
    parser.add_argument("--count", type=Path, help=argparse.SUPPRESS)  # what the measured process does
    given = parser.parse_args()
    if given.count:
        print("".join(f"{event} {count}\n" for event, count in count(given.count).items()), end="")
        return
    if not shutil.which("mtail"):
        sys.exit("mtail is not installed: apt install mtail")
    with tempfile.TemporaryDirectory() as directory:
        log, program = Path(directory, "bot.log"), Path(directory, "bot.mtail")
        write(log, given.lines, given.events)
        program.write_text(mtail_program(), encoding="utf-8")
        megabytes = log.stat().st_size / 1e6
        print(f"{given.lines:,} lines, {megabytes:.0f} MB, {given.events:.0%} are events, one core\n")
        options = ["--one_shot", "--one_shot_format=prometheus", "--progs", str(program), "--logs"]
        theirs = measure(["mtail", *options], log)
        ours = measure([sys.executable, __file__, "--count"], log)
    print(f"{'':<10}{'CPU s':>8}{'lines/s':>14}{'peak MB':>10}")
    for name, run in (("mtail", theirs), ("exporter", ours)):
        print(f"{name:<10}{run.seconds:>8.2f}{given.lines / run.seconds:>14,.0f}{run.megabytes:>10.0f}")
    print(f"\nratio {theirs.seconds / ours.seconds:.1f}")
    wanted = sorted(
        f"{event} {count}" for event, count in re.findall(r'events\{event="(\w+)".*\} (\d+)', theirs.output)
    )
    if not wanted or wanted != sorted(ours.output.splitlines()):
        sys.exit(f"the counts differ:\n{wanted}\n{sorted(ours.output.splitlines())}")
    print(f"the same counts of {len(wanted)} events, line by line:", ", ".join(wanted))


def count(log: Path) -> Counter[str]:
    """Return the exporter's counts of a log's events, with everything else that it reads."""
    table = Table(patterns=SEVENTEEN)
    tally = LogCounters(table, cap=50, top=20)
    scanner, reading, context = Scanner(table, visited(table)), Reading(table, tally, time.time), Context()
    for block in Follower(log).blocks(sys.maxsize):
        tally.lines += count_lines(block)
        tally.add(scanner.scan(block, context, reading.visit))
    events: Counter[str] = Counter()
    for kind, found in tally.events.items():
        events[kind.event] += found
    return events


def mtail_program() -> str:
    """Return the same patterns as mtail's program: the first that a line matches counts.

    They are as short as this log allows, and case-sensitive: our own patterns, which match every shape, make
    mtail ten times slower.
    """
    phrases = [*PHRASES, *LEVELS]
    rules = [
        f'/{phrase}/ {{\n  events["{row.event}"]++\n  stop\n}}\n'
        for phrase, row in zip(phrases, SEVENTEEN, strict=True)
    ]
    return "counter events by event\n" + "".join(rules)


@dataclass(frozen=True)
class Run:
    """A process's output and use."""

    output: str
    seconds: float
    megabytes: float


def measure(command: list[str], log: Path) -> Run:
    """Run a command over a log on one core, minus its time over an empty log. The quickest of several runs
    counts: other work of the machine can only slow a run down.
    """
    empty = log.with_name("empty.log")
    empty.touch()
    start, run = (
        min((_run([*command, str(file)]) for _ in range(_RUNS)), key=lambda one: one.seconds)
        for file in (empty, log)
    )
    return Run(run.output, run.seconds - start.seconds, run.megabytes)


def _run(command: list[str]) -> Run:
    core = str(min(os.sched_getaffinity(0)))
    with tempfile.TemporaryFile("w+") as printed:
        child = subprocess.Popen(
            ["taskset", "--cpu-list", core, *command], stdout=printed, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"{command[0]} ended with {child.returncode}")
        printed.seek(0)
        return Run(printed.read(), used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)


def write(log: Path, lines: int, share: float) -> None:
    """Write a log with a number of lines, of which a share are events, in all three shapes."""
    chance = random.Random(7)  # noqa: S311 - the same log each time
    with log.open("w", encoding="utf-8") as file:
        for number in range(lines):
            hours, minutes, seconds = number // 3600 % 24, number // 60 % 60, number % 60
            clock = f"2026-11-23 {hours:02}:{minutes:02}:{seconds:02},{number % 1000:03}"
            known = {"time": clock, "n": chance.randrange(10_000)}
            if chance.random() < share:
                level, words = chance.choice(WORDS)
                words = words.format(**known)
                file.write(chance.choice(SHAPES).format(time=clock, level=level, words=words) + "\n")
            else:
                file.write(chance.choice(QUIET).format(**known) + "\n")


if __name__ == "__main__":
    main()
