"""Prints for a person, in colours and tables on a terminal, or for a program as JSON."""

import json
import os
import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.table import Table
from rich.theme import Theme

_BAD = r"DOWN|NOT|REACHED|WARNING|CRITICAL|critical|red|does not|is not healthy|failed\b.*"
_FAIR = r"warning|yellow|unknown|not seen yet|acts|was ended|ended with"
_GOOD = r"ok|green|up|runs|running|delivered|sent|is healthy"
_THEME = Theme({"word.bad": "bold red", "word.fair": "yellow", "word.good": "green", "word.time": "dim"})


class _Words(RegexHighlighter):
    """Colours the words for states."""

    base_style = "word."
    highlights = [  # noqa: RUF012 - as rich has it
        rf"\b(?P<bad>{_BAD})\b",
        rf"\b(?P<fair>{_FAIR})\b",
        rf"\b(?P<good>{_GOOD})\b",
        r"^(?P<time>\d\d:\d\d:\d\d)\b",
    ]


def say(text: str) -> None:
    """Print lines."""
    if is_plain():
        print(text, flush=True)
    else:
        _console().print(text, soft_wrap=True)


def show_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below their headers; columns are as wide as their content."""
    if is_plain():
        print("\n".join(aligned([head, *rows])))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, highlight=True)
    for name in head:
        table.add_column(name, overflow="fold")  # cuts no name
    for row in rows:
        table.add_row(*row)
    _console().print(table)


def show_json(data: object) -> None:
    """Print data for programs."""
    print(json.dumps(data, indent=1, ensure_ascii=False, default=str))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each row; columns are as wide as their content."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def is_plain() -> bool:
    """Return whether to print without colours: no terminal, or NO_COLOR (https://no-color.org)."""
    return not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def _console() -> Console:
    return Console(markup=False, emoji=False, highlighter=_Words(), theme=_THEME)
