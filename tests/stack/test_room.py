"""People are notified of a full disk once, and the runner survives it without a flood of lines."""

import logging
from pathlib import Path

import pytest

from stack.announce import NotDelivered
from stack.logfiles import RotatingFile, ServiceLogs
from stack.room import Room
from tests.stack.conftest import Desk
from tests.stack.test_logfiles import rules

MEGABYTE = 1_000_000


def test_people_are_notified_once_that_the_disk_is_full_and_the_terminal_that_there_is_room_again():
    told, free = list[str](), [500, 90, 20, 150, 300, 90]
    room = Room(Path("data"), lambda _, text: told.append(text), lambda _: free.pop(0) * MEGABYTE)
    said = [list(room.turn()) for _ in range(6)]
    assert [len(lines) for lines in said] == [0, 1, 0, 0, 1, 1]
    assert "the disk of data has only 90 MB left" in said[1][0]
    assert said[4] == ["the disk of data has room again"]
    assert told == [said[1][0], said[5][0]]


def test_a_notice_that_was_not_delivered_is_sent_again():
    answers: list[Exception | None] = [NotDelivered("nobody was notified"), None]

    def tell(_summary: str, _description: str) -> None:
        if error := answers.pop(0):
            raise error

    room = Room(Path("data"), tell, lambda _: 1 * MEGABYTE)
    assert "nobody was notified" in list(room.turn())
    assert [list(room.turn()) for _ in range(2)] == [[], []]
    assert answers == []


def test_logs_that_cannot_be_written_are_said_once_and_so_is_that_they_can_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    time = [0.0]
    logs = ServiceLogs(desk.root / "logs", rules(desk), lambda: time[0])
    assert logs.write("one", "before") is None
    with monkeypatch.context() as full:
        full.setattr(RotatingFile, "format", _no_room)
        assert logs.write("one", "lost") == "the logs cannot be written: No space left on device"
        assert logs.write("two", "lost") is None
    assert logs.write("one", "after") is None
    time[0] = 61
    assert logs.write("one", "later") == "the logs are written again; 2 lines are lost"
    assert logs.last("two") == ["lost"]
    logs.close()
    assert (desk.root / "logs/one.log").read_text() == "before\nafter\nlater\n"


def _no_room(_file: RotatingFile, _record: logging.LogRecord) -> str:
    raise OSError(28, "No space left on device")
