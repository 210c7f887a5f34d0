"""A terminal gets colours and a table, everything else plain lines."""

import re
import sys

import pytest

from stack.printing import say, show_table

ROWS = [("a_bot_with_quite_a_long_name", "DOWN", "nothing is missing")]


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.delenv("NO_COLOR", raising=False)


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    show_table(("bot", "state", "cannot"), ROWS)
    say("warning: is NOT well at [a place]")
    return capsys.readouterr().out


PLAIN = (
    "bot                           state  cannot\n"
    "a_bot_with_quite_a_long_name  DOWN   nothing is missing\n"
    "warning: is NOT well at [a place]\n"
)


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]):
    assert shown(capsys) == PLAIN


def test_a_terminal_without_colours_gets_plain_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    on_a_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(capsys) == PLAIN


def test_a_terminal_gets_colours_and_nothing_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    on_a_terminal(monkeypatch)
    told = shown(capsys)
    assert "\x1b[1;31mDOWN\x1b[0m" in told
    assert "…" not in told
    assert re.sub(r"\x1b\[[\d;]*m", "", told).endswith("warning: is NOT well at [a place]\n")
