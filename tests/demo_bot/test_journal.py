"""The files on disk restore the account, whenever the bot died."""

from pathlib import Path

import pytest

from demo_bot.account import Book, ClosedTrade
from demo_bot.journal import Journal, JournalError, Snapshot, recover


def traded(path: Path) -> tuple[Journal, Book, list[ClosedTrade]]:
    """A journal and an account with one closed trade, one reduced position, and one whole."""
    journal, book = Journal(path / "trades.jsonl"), Book(1000.0)
    for price in (10.0, 20.0, 40.0):
        book.open("X/USDT", "long", 100.0, price, 1.0, stop=0.0, target=99.0, until=9.0)
    save(path, book)
    closed = [book.close(1, 11.0, 2.0), book.close(2, 19.0, 3.0, share=0.25)]
    for trade in closed:
        journal.append(trade)
    return journal, book, closed


def save(path: Path, book: Book) -> None:
    positions = tuple(book.positions.values())
    Snapshot(book.last_trade_id, book.last_position_id, positions, {}).save(path / "positions.json")


def recovered(path: Path) -> Book:
    return recover(1000.0, Journal(path / "trades.jsonl"), Snapshot.load(path / "positions.json"))


@pytest.mark.parametrize("saved_after_closing", [True, False])
def test_a_crash_between_journal_and_snapshot_closes_nothing_twice(
    tmp_path: Path, saved_after_closing: bool
) -> None:
    _, book, _ = traded(tmp_path)
    if saved_after_closing:
        save(tmp_path, book)
    back = recovered(tmp_path)
    assert back.positions.keys() == {2, 3}
    assert back.positions[2].size == pytest.approx(book.positions[2].size)
    assert back.cash == pytest.approx(book.cash, abs=1e-9)
    assert back.realised == pytest.approx(book.realised, abs=1e-9)
    assert (back.last_trade_id, back.last_position_id) == (2, 3)


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_an_unfinished_last_line_is_cut_off_and_reported(tmp_path: Path, cut: int) -> None:
    traded(tmp_path)
    file = tmp_path / "trades.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    journal = Journal(file)
    assert journal.last_id == 1
    assert journal.cut_off is not None
    assert Journal(file).cut_off is None
    assert file.read_bytes().count(b"\n") == 1


def test_pages_hold_what_is_newer_and_say_whether_there_is_more(tmp_path: Path) -> None:
    journal, _, _ = traded(tmp_path)
    assert [trade["id"] for trade in journal.page(0, 1)[0]] == [1]
    assert journal.page(0, 1)[1] is True
    assert [trade["id"] for trade in journal.page(1, 1000)[0]] == [2]
    assert journal.page(2, 10) == ([], False)
    assert journal.page(99, 10) == ([], False)


@pytest.mark.parametrize(
    ("rubbish", "word"),
    [
        (b"not json\n", "line 3 is not a trade"),
        (b"{}\n", "line 3 is not a trade"),
        (b"[1]\n", "line 3 is not"),
    ],
)
def test_a_broken_line_in_the_journal_is_named(tmp_path: Path, rubbish: bytes, word: str) -> None:
    traded(tmp_path)
    with (tmp_path / "trades.jsonl").open("ab") as file:
        file.write(rubbish)
    with pytest.raises(JournalError, match=word):
        Journal(tmp_path / "trades.jsonl")


def test_a_repeated_id_in_the_journal_is_refused(tmp_path: Path) -> None:
    journal, _, closed = traded(tmp_path)
    journal.append(closed[0])
    with pytest.raises(JournalError, match="line 3 has id 1"):
        Journal(tmp_path / "trades.jsonl")


def test_a_journal_that_was_moved_away_alone_is_refused_so_that_no_id_is_used_again(tmp_path: Path) -> None:
    _, book, _ = traded(tmp_path)
    save(tmp_path, book)
    (tmp_path / "trades.jsonl").unlink()
    with pytest.raises(JournalError, match="move both away"):
        recovered(tmp_path)


@pytest.mark.parametrize("rubbish", ["", "[]", '{"positions": [{}]}'])
def test_a_broken_snapshot_is_named(tmp_path: Path, rubbish: str) -> None:
    (tmp_path / "positions.json").write_text(rubbish)
    with pytest.raises(JournalError, match=r"positions\.json"):
        Snapshot.load(tmp_path / "positions.json")
