"""Logs of the services are rotated by size and day, compressed, and deleted by number and age."""

import gzip
import logging
import os
from datetime import datetime
from pathlib import Path

from stack.logfiles import LAST_LINES, RotatingFile, ServiceLogs
from stack.settings import load
from stack.settings.observability import Logs
from stack.settings.types import Duration, Size
from tests.stack.conftest import Desk

DAY = 86_400.0


def rules(desk: Desk, **changes: object) -> Logs:
    """Return the settings of logs with some values below what settings accept, so that tests stay small."""
    return load([desk.root / "monitoring.yaml"]).logs.model_copy(update=changes)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12).astimezone().timestamp()

    def __call__(self) -> float:
        return self.now


def write(directory: Path, logs: Logs, clock: Clock, text: str) -> None:
    file = RotatingFile(directory / "bot.log", logs, clock)
    file.emit(logging.LogRecord("bot", logging.INFO, "", 0, text, None, None))
    file.close()
    os.utime(directory / "bot.log", (clock.now, clock.now))


def aside(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.iterdir() if file.name != "bot.log")


def test_a_full_file_is_set_aside_compressed_and_no_line_is_lost(desk: Desk):
    logs, clock, folder = rules(desk, rotate_size=Size(100)), Clock(), desk.root / "logs"
    for count in range(4):
        write(folder, logs, clock, f"{count} " + "x" * 40)
        clock.now += 1
    assert aside(folder) == ["bot.log.20260301_120002.gz"]
    kept = (
        gzip.decompress((folder / aside(folder)[0]).read_bytes()).decode() + (folder / "bot.log").read_text()
    )
    assert [line[0] for line in kept.splitlines()] == ["0", "1", "2", "3"]


def test_a_new_day_begins_a_new_file(desk: Desk):
    logs, clock, folder = rules(desk, compress=False), Clock(), desk.root / "logs"
    write(folder, logs, clock, "today")
    clock.now += DAY
    write(folder, logs, clock, "tomorrow")
    assert aside(folder) == ["bot.log.20260302_120000"]
    assert (folder / aside(folder)[0]).read_text() == "today\n"
    assert (folder / "bot.log").read_text() == "tomorrow\n"


def test_two_files_set_aside_within_a_second_are_both_kept(desk: Desk):
    logs, clock, folder = rules(desk, rotate_size=Size(10)), Clock(), desk.root / "logs"
    for text in ("first line", "second line", "third line"):
        write(folder, logs, clock, text)
    assert len(aside(folder)) == 2


def test_the_stricter_of_number_and_age_is_kept(desk: Desk):
    logs = rules(desk, rotate_size=Size(1), keep_files=3, keep_for=Duration(5 * DAY))
    clock, folder = Clock(), desk.root / "logs"
    for count in range(6):
        write(folder, logs, clock, str(count))
        clock.now += 60
    assert len(aside(folder)) == 3
    for name in aside(folder):
        os.utime(folder / name, (clock.now, clock.now))
    clock.now += 6 * DAY
    write(folder, logs, clock, "much later")
    assert [name for name in aside(folder) if "20260301" in name] == []


def test_the_last_lines_of_each_are_remembered(desk: Desk):
    kept = ServiceLogs(desk.root / "logs", rules(desk))
    for count in range(LAST_LINES + 5):
        kept.write("one", str(count))
    kept.write("two", "alone")
    kept.close()
    assert kept.last("one")[-1] == str(LAST_LINES + 4)
    assert len(kept.last("one")) == LAST_LINES
    assert kept.last("two") == ["alone"]
    assert kept.last("silent") == []
