"""A follower copes with partial and long lines, binary data, truncation and recreation."""

import gzip
import os
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from exporter.logs.content import BLOCK, UNREADABLE, Content
from exporter.logs.follow import Follower

ALL = 1 << 40


def lines(follower: Follower) -> list[bytes]:
    return b"".join(follower.blocks(ALL)).splitlines()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "bot.log"


def test_a_line_is_given_out_once_it_is_whole(log: Path):
    log.write_bytes(b"one\ntw")
    follower = Follower(log)
    assert lines(follower) == [b"one"]
    with log.open("ab") as file:
        file.write(b"o\nthree\n")
    assert lines(follower) == [b"two", b"three"]
    assert lines(follower) == []


def test_the_unfinished_last_line_of_a_renamed_log_is_a_line(log: Path):
    log.write_bytes(b"one\ntwo")
    follower = Follower(log)
    assert lines(follower) == [b"one"]
    log.rename(log.with_name("bot.log.1"))
    log.write_bytes(b"three\n")
    assert lines(follower) == [b"two", b"three"]


def test_a_log_without_a_line_yet_that_is_rotated_while_nobody_looks_is_read(log: Path):
    log.touch()
    first = Follower(log)
    assert lines(first) == []
    first.close()
    os.utime(log, (1, 1))
    mark = Follower(log, first.mark).mark
    log.write_bytes(b"one\n")
    log.with_name("bot.log.1").write_bytes(log.read_bytes())
    log.write_bytes(b"two\n")
    assert lines(Follower(log, mark)) == [b"one", b"two"]


def test_a_truncated_log_is_read_from_its_new_beginning(log: Path):
    log.write_bytes(b"one\ntwo\n")
    follower = Follower(log)
    assert lines(follower) == [b"one", b"two"]
    log.write_bytes(b"three\n")
    assert lines(follower) == [b"three"]


def test_a_log_that_was_truncated_and_grew_past_the_place_is_read_from_its_new_beginning(log: Path):
    log.write_bytes(b"one\ntwo\n")
    follower = Follower(log)
    lines(follower)
    log.write_bytes(b"three\nfour\nfive\n")
    assert lines(follower) == [b"three", b"four", b"five"]


def test_a_hole_of_zeros_before_the_first_line_is_no_line(log: Path):
    log.write_bytes(b"one\n" * 1000)
    with log.open("r+b") as writer:
        writer.seek(0, os.SEEK_END)
        follower = Follower(log)
        lines(follower)
        log.with_name("bot.log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)
        writer.write(b"two\n")  # at its earlier position
    assert log.read_bytes().startswith(b"\0")
    assert lines(follower) == [b"two"]


def test_a_log_that_is_deleted_and_made_again_is_read_from_its_beginning(log: Path):
    log.write_bytes(b"one\n")
    follower = Follower(log)
    lines(follower)
    log.unlink()
    with pytest.raises(FileNotFoundError):
        lines(follower)
    log.write_bytes(b"two\n")
    assert lines(follower) == [b"two"]


def test_a_place_that_is_in_no_file_any_more_is_counted_as_lost(log: Path):
    log.write_bytes(b"one\n")
    first = Follower(log)
    lines(first)
    log.unlink()
    log.write_bytes(b"two\n")
    second = Follower(log, first.mark)
    assert lines(second) == [b"two"]
    assert second.lost == 1


def test_a_damaged_archive_is_skipped_and_counted(log: Path):
    log.write_bytes(b"one\n")
    first = Follower(log)
    lines(first)
    packed = log.with_name("bot.log.1.gz")
    with log.open("ab") as file:
        file.write(os.urandom(5000).replace(b"\n", b"") + b"\n")
    packed.write_bytes(gzip.compress(log.read_bytes())[:-3000])
    log.write_bytes(b"two\n")
    second = Follower(log, first.mark)
    assert lines(second) == [b"two"]
    assert second.lost >= 1


@pytest.mark.parametrize("ending", ["gz", "zst", "bz2", "xz"])
def test_a_compressed_log_is_read_as_the_plain_one(log: Path, ending: str):
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(100_000)))
    plain = log.read_bytes()
    packers = {"gz": ["gzip", "-k"], "zst": ["zstd", "-q"], "bz2": ["bzip2", "-k"], "xz": ["xz", "-0k"]}
    try:
        subprocess.run([*packers[ending], str(log)], check=True)
    except FileNotFoundError:
        pytest.skip(f"{packers[ending][0]} is not installed")
    content = Content(log.with_name(f"bot.log.{ending}"))
    pieces = []
    while block := content.block():
        pieces.append(block)
    assert b"".join(pieces) == plain


def test_a_line_of_100_mb_takes_no_more_memory_than_a_short_one(log: Path):
    with log.open("wb") as file:
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\nERROR: next\n")
    tracemalloc.start()
    follower, sizes = Follower(log), []
    for block in follower.blocks(ALL):
        sizes.append(len(block))
        last = block
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert last.endswith(b"\nERROR: next\n") or last == b"ERROR: next\n"
    assert sizes[0] == BLOCK + 1
    assert len(sizes) == 2
    assert peak < 8 * BLOCK


def test_a_follower_started_again_inside_a_long_line_does_not_count_its_rest(log: Path):
    log.write_bytes(b"x" * (BLOCK + 1000))
    first = Follower(log)
    assert [len(line) for line in lines(first)] == [BLOCK]
    with log.open("ab") as file:
        file.write(b"rest\nnext\n")
    assert lines(Follower(log, first.mark, skipping=first.skipping)) == [b"next"]


def test_rubbish_is_lines_like_any_other(log: Path):
    rubbish = os.urandom(3 * BLOCK).replace(b"\0", b"x")
    log.write_bytes(rubbish + b"\nERROR: seen\n")
    assert b"".join(Follower(log).blocks(ALL)) == log.read_bytes()


def test_a_directory_given_for_a_log_is_an_error_that_says_so(tmp_path: Path):
    with pytest.raises(UNREADABLE, match="is a directory; name a log file"):
        list(Follower(tmp_path).blocks(ALL))


def test_a_fifo_is_refused_and_does_not_hang(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        list(Follower(tmp_path / "pipe").blocks(ALL))


def test_reading_stops_at_its_budget_and_goes_on_there(log: Path):
    log.write_bytes(b"0123456\n" * (BLOCK // 2))
    follower = Follower(log)
    first = b"".join(follower.blocks(BLOCK))
    assert len(first) == BLOCK
    assert follower.unread() == log.stat().st_size - BLOCK
    assert first + b"".join(follower.blocks(ALL)) == log.read_bytes()
