"""A bot that writes files: half-written states; rotated, truncated, compressed and joined journals."""

import gzip
import json
import os
import time
from pathlib import Path

import pytest

from tests.exporter.harness import Series, names, own, value, watch
from tests.exporter.test_http import NOW, STATE, trade


class WritingBot:
    """A bot that writes into a directory as a careful bot does."""

    def __init__(self, directory: Path) -> None:
        self.state_file = directory / "state.json"
        self.journal = directory / "trades.jsonl"
        self.settings = {"source": {"type": "file", "state": self.state_file, "trades": self.journal}}
        self.write(STATE)

    def write(self, state: object) -> None:
        self.put(json.dumps(state).encode())

    def put(self, body: bytes) -> None:
        scratch = self.state_file.with_suffix(".new")
        scratch.write_bytes(body)
        scratch.replace(self.state_file)

    def close(self, *numbers: int) -> None:
        with self.journal.open("a") as journal:
            for number in numbers:
                journal.write(json.dumps(trade(number, 1.0, opened_at=NOW - 9000 + number)) + "\n")


@pytest.fixture
def bot(tmp_path: Path) -> WritingBot:
    return WritingBot(tmp_path)


def won(series: Series) -> float | None:
    return value(series, "trades_total", symbol="BTC/USDT", side="long", outcome="won")


def test_what_the_bot_writes_reaches_prometheus_unchanged(bot):
    bot.close(1, 2, 3)
    with watch(bot.settings, clock=lambda: NOW) as watched:
        os.utime(bot.state_file, (NOW, NOW))
        series = watched.poll()
    assert value(series, "up") == 1
    assert value(series, "equity") == 10_080
    assert value(series, "data_freshness_seconds", feed="BTC/USDT") == 4
    assert value(series, "model_accuracy", model="entry") == 0.81
    assert won(series) == 3


def clocked(bot: WritingBot):
    """Watch the bot by its own clock; only a test of ages moves that clock."""
    return watch(bot.settings, clock=lambda: NOW, silent_after=float("inf"))


def test_each_trade_is_read_once_as_it_is_written(bot):
    with clocked(bot) as watched:
        assert won(watched.poll()) is None  # no journal yet: no trade closed
        for number in range(1, 5):
            bot.close(number)
            assert won(watched.poll()) == number


def test_a_half_written_line_waits_for_its_end(bot):
    bot.close(1)
    line = json.dumps(trade(2, 1.0)) + "\n"
    with clocked(bot) as watched, bot.journal.open("a") as journal:
        journal.write(line[:30])
        journal.flush()
        assert won(watched.poll()) == 1
        journal.write(line[30:])
        journal.flush()
        series = watched.poll()
        assert won(series) == 2
        assert own(series, "rejected_input_total", reason="malformed") is None


def rename(bot: WritingBot, number: int) -> None:
    bot.journal.rename(bot.journal.with_name(f"trades.jsonl.{number}"))


def rename_dated(bot: WritingBot, number: int) -> None:
    bot.journal.rename(bot.journal.with_name(f"trades.jsonl-2026010{number}"))


def compress(bot: WritingBot, number: int) -> None:
    with gzip.open(bot.journal.with_name(f"trades.jsonl.{number}.gz"), "wb") as packed:
        packed.write(bot.journal.read_bytes())
    bot.journal.unlink()


def copy_and_truncate(bot: WritingBot, number: int) -> None:
    bot.journal.with_name(f"trades.jsonl.{number}").write_bytes(bot.journal.read_bytes())
    os.truncate(bot.journal, 0)


@pytest.mark.parametrize("rotate", [rename, rename_dated, compress, copy_and_truncate])
def test_no_trade_is_lost_or_doubled_through_rotations_between_polls(bot, rotate):
    with clocked(bot) as watched:
        bot.close(1, 2)
        assert won(watched.poll()) == 2
        bot.close(3)
        rotate(bot, 1)
        bot.close(4)
        rotate(bot, 2)
        bot.close(5)
        assert won(watched.poll()) == 5
        bot.close(6)
        assert won(watched.poll()) == 6
    with clocked(bot) as restarted:
        assert won(restarted.poll()) == 6


def test_a_compressed_file_that_is_not_finished_is_read_when_it_is(bot):
    bot.close(*range(1, 400))
    whole = gzip.compress(bot.journal.read_bytes())
    bot.journal.unlink()
    packed = bot.journal.with_name("trades.jsonl.1.gz")
    packed.write_bytes(whole[: len(whole) // 2])
    with clocked(bot) as watched:
        assert 0 < (won(watched.poll()) or 0) < 399
        packed.write_bytes(whole)
        assert won(watched.poll()) == 399


def test_other_files_beside_the_journal_are_left_alone(bot):
    bot.close(1)
    bot.journal.with_name("trades.jsonl.tmp").write_text("rubbish\n")
    bot.journal.with_name("trades.jsonl~").write_text("rubbish\n")
    with clocked(bot) as watched:
        series = watched.poll()
    assert won(series) == 1
    assert not [name for name, _ in series if name.endswith("rejected_input_total")]


def test_a_bad_line_is_refused_alone_and_named(bot, caplog):
    bot.close(1)
    with bot.journal.open("ab") as journal:
        journal.write(b'{"id": 7, "sym{"id": 8}\n\xff\xfe\n\n' + b"x" * 2_500_000 + b"\n")
        journal.write(json.dumps(trade(9, float("nan"))).encode() + b"\n")
    bot.close(2)
    with clocked(bot) as watched:
        series = watched.poll()
    assert won(series) == 2
    assert own(series, "rejected_input_total", reason="malformed") == 3
    assert own(series, "rejected_input_total", reason="not_finite") == 1
    assert "trades.jsonl line 2: not JSON" in caplog.text
    assert "trades.jsonl line 6.profit: 'nan'" in caplog.text


def test_a_state_written_half_leaves_the_one_before_until_that_is_too_old(bot):
    now = time.time()
    with watch(bot.settings, clock=lambda: now) as watched:
        assert value(watched.poll(), "equity") == 10_080
        bot.put(b'{"equity": 1')
        series = watched.poll()
        assert value(series, "equity") == 10_080
        assert own(series, "rejected_input_total", reason="half_written") == 1
        now += 100
        assert watched.error() == "timeout"


def test_a_half_written_state_is_read_again(bot, monkeypatch):
    bot.put(b'{"equity": 1')
    pauses: list[float] = []

    async def finish(seconds: float) -> None:
        pauses.append(seconds)
        bot.write(STATE)

    monkeypatch.setattr("exporter.sources.file.asyncio.sleep", finish)
    with clocked(bot) as watched:
        assert value(watched.poll(), "equity") == 10_080
    assert len(pauses) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"", "parse"), (b"[]", "parse"), (b"7", "parse"), (b"\xff", "parse"), (None, "unavailable")],
)
def test_a_state_that_cannot_be_read_is_an_error_with_its_reason(bot, body, reason):
    bot.put(body or b"")
    if body is None:
        bot.state_file.unlink()
    with clocked(bot) as watched:
        assert watched.error() == reason
        assert str(bot.state_file) in watched.poller.status.error


def test_a_directory_in_the_place_of_a_file_is_an_error_not_a_crash(bot):
    bot.journal.mkdir()
    with clocked(bot) as watched:
        assert watched.error() == "unavailable"
        bot.journal.rmdir()
        bot.close(1)
        assert won(watched.poll()) == 1


def test_a_bot_that_stops_writing_is_down(bot):
    now = time.time()
    with watch(bot.settings, clock=lambda: now) as watched:
        assert value(watched.poll(), "up") == 1
        now += 61
        series = watched.poll()
    assert value(series, "source_error", reason="timeout") == 1
    assert names(series) == {"up", "source_error"}
