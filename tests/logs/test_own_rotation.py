"""Our own rotation does the same as the real logrotate with the same settings and files."""

import gzip
import os
import re
import time
from pathlib import Path

import pytest

from stack.rotation import Rotation, find_logrotate
from stack.settings import Settings
from stack.settings.types import Duration, Size
from tests.logs.test_rotation import needs_logrotate
from tests.logs.test_watch import settings

DAY = 86_400
OLD = "bot.log.20260101_0000"


def prepared(directory: Path, days: int, text: str, **changes: object) -> Settings:
    """Return settings whose only log has a text and was rotated so many days ago."""
    directory.mkdir(mode=0o755)
    (directory / "bot.log").write_text(text)
    given = settings(directory, ["bot.log"])
    then = time.time() - days * DAY
    stamp = time.strftime("%Y-%m-%d-%H:%M:%S", time.localtime(then))
    (directory / "rotation").mkdir()
    (directory / "rotation/logrotate.state").write_text(
        f'logrotate state -- version 2\n"{directory}/bot.log" {stamp}\n'
    )
    (directory / "rotation/rotated.json").write_text(f'{{"{directory}/bot.log": {then}}}')
    return given.model_copy(update={"logs": given.logs.model_copy(update=changes)})


def left(directory: Path) -> list[tuple[str, str]]:
    """Return the files: names without the current time, and texts."""
    found = []
    for file in directory.glob("bot.log*"):
        text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        name = file.name if file.name.startswith(OLD) else re.sub(r"\d{8}_\d{6}", "NOW", file.name)
        found.append((name, text.decode()))
    return sorted(found)


def turn(directory: Path, given: Settings, program: str | None) -> list[str]:
    return Rotation(lambda: given, directory / "rotation", program).turn()


@needs_logrotate
@pytest.mark.parametrize("copy_truncate", [True, False], ids=["copied", "renamed"])
@pytest.mark.parametrize("compress", [True, False], ids=["compressed", "plain"])
@pytest.mark.parametrize(
    ("days", "text", "changes", "rotated"),
    [
        (0, "line\n", {}, False),
        (1, "line\n", {}, True),
        (1, "", {}, False),
        (0, "line\n" * 20, {"rotate_size": Size(50)}, True),
        (0, "line\n" * 10, {"rotate_size": Size(50)}, False),
        (1, "line\n", {"rotate_daily": False, "rotate_size": Size(50)}, False),
        (0, "line\n" * 10, {"rotate_daily": False, "rotate_size": Size(50)}, True),
    ],
)
def test_it_rotates_what_logrotate_rotates(
    tmp_path: Path,
    days: int,
    text: str,
    changes: dict[str, object],
    rotated: bool,
    compress: bool,
    copy_truncate: bool,
):
    changes = {**changes, "compress": compress, "copy_truncate": copy_truncate}
    for name, program in (("theirs", find_logrotate()), ("ours", None)):
        given = prepared(tmp_path / name, days, text, **changes)
        assert turn(tmp_path / name, given, program) == []
    ours = left(tmp_path / "ours")
    assert ours == left(tmp_path / "theirs")
    assert (len(ours) == 2) == rotated
    assert [said for name, said in ours if name == "bot.log"] == ["" if rotated else text]


@needs_logrotate
@pytest.mark.parametrize(("keep_files", "keep_days", "kept"), [(3, 30, 3), (10, 10, 2), (1, 10, 1)])
def test_it_removes_what_logrotate_removes(tmp_path: Path, keep_files: int, keep_days: int, kept: int):
    changes: dict[str, object] = {"keep_files": keep_files, "keep_for": Duration(keep_days * DAY)}
    for name, program in (("theirs", find_logrotate()), ("ours", None)):
        given = prepared(tmp_path / name, 1, "line\n", **changes)
        for number, age in enumerate((25, 20, 15, 5)):
            file = tmp_path / name / f"{OLD}{number:02}.gz"
            file.write_bytes(gzip.compress(b"old\n"))
            os.utime(file, (time.time() - age * DAY,) * 2)
        (tmp_path / name / "bot.log.bak").write_text("the owner's\n")
        assert turn(tmp_path / name, given, program) == []
    ours = left(tmp_path / "ours")
    assert ours == left(tmp_path / "theirs")
    assert ("bot.log.bak", "the owner's\n") in ours
    assert len(ours) == kept + 2


@pytest.mark.parametrize("theirs", [True, False], ids=["logrotate", "ours"])
def test_a_log_that_cannot_be_rotated_is_reported_once(tmp_path: Path, theirs: bool):
    given = prepared(tmp_path / "it", 1, "line\n")
    (tmp_path / "it/bot.log").unlink()
    (tmp_path / "it/bot.log/in").mkdir(parents=True)
    failing = tmp_path / "logrotate"
    failing.write_text("#!/bin/sh\necho 'error: bot.log has insecure permissions' >&2\nexit 1\n")
    failing.chmod(0o755)
    rotation = Rotation(lambda: given, tmp_path / "it/rotation", str(failing) if theirs else None)
    (line,) = rotation.turn()
    assert "bot.log" in line
    assert rotation.turn() == []


def test_a_log_that_is_not_there_is_no_failure(tmp_path: Path):
    given = prepared(tmp_path / "it", 1, "")
    (tmp_path / "it/bot.log").unlink()
    assert turn(tmp_path / "it", given, None) == []


def test_an_unreadable_state_is_reported_and_replaced(tmp_path: Path):
    given = prepared(tmp_path / "it", 1, "line\n")
    (tmp_path / "it/rotation/rotated.json").write_text("{")
    assert "is unreadable" in turn(tmp_path / "it", given, None)[0]
    assert turn(tmp_path / "it", given, None) == []


def test_nothing_is_rotated_where_settings_leave_it_to_another(tmp_path: Path):
    given = prepared(tmp_path / "it", 1, "line\n", rotate=False)
    for program in (find_logrotate(), None):
        assert turn(tmp_path / "it", given, program) == []
    assert left(tmp_path / "it") == [("bot.log", "line\n")]
