"""Reports the events in bots' logs: errors, performance, trading and system, with lines, times and counts.

Files may be compressed (.gz, .zst, .bz2, .xz); - is standard input.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from exporter.logs.content import UNREADABLE, Content, count_lines
from exporter.logs.extraction import user_rows
from exporter.logs.follow import Follower
from exporter.logs.patterns import Table
from exporter.logs.printing import Progress, event_json, event_line, summary_json, summary_text
from exporter.logs.report import Event, Position, Reader, Summary
from stack.settings import DEFAULT_CONFIG, Duration, SettingsError, load

_PAUSE: Final = 0.5  # seconds between two reads of followed files
_STDIN: Final = Path("-")


class Run:
    """One report over some files."""

    def __init__(
        self, reader: Reader, summary: Summary, since: float | None, tell: Callable[[Event], None]
    ) -> None:
        self._reader = reader
        self._summary = summary
        self._since = since
        self.tell = tell
        self._positions: dict[Path, Position] = {}

    def take(self, path: Path, block: bytes) -> None:
        """Count the events of a block and print them."""
        at = self._positions.setdefault(path, Position(str(path)))
        self._summary.lines += count_lines(block)
        for event in self._reader.events(block, at):
            if self._since is None or (event.time is not None and event.time >= self._since):
                self._summary.add(event)
                self.tell(event)

    def read(self, paths: list[Path], *, whole: bool) -> tuple[dict[Path, Follower], list[str]]:
        """Read all files; return the followers, and the errors of unreadable files.

        `whole` treats an unfinished last line as a line.
        """
        followers: dict[Path, Follower] = {}
        problems: list[str] = []
        progress, before = Progress(sum(_size(path) for path in paths)), 0
        for path in paths:
            try:
                content = Content(path, stream=os.fdopen(0, "rb", buffering=0) if path == _STDIN else None)
                while block := content.block() or (whole and content.rest()):
                    self.take(path, block)
                    progress.at(before + content.taken())
                if path != _STDIN:
                    followers[path] = Follower(path, content.mark, skipping=content.skipping)
                content.close()
            except UNREADABLE as error:
                problems.append(f"{path}: cannot be read: {error}")
            before += _size(path)
        progress.done()
        return followers, problems

    def follow(self, followers: dict[Path, Follower]) -> None:
        """Print new events of the files, for ever."""
        while True:
            for path, follower in followers.items():
                try:
                    for block in follower.blocks(sys.maxsize):
                        self.take(path, block)
                except UNREADABLE:
                    continue  # a file in rotation will be back
            time.sleep(_PAUSE)


def main() -> int:
    """Print the report. Return 1 if a file could not be read, 2 for unusable options or settings."""
    arguments = _parser().parse_args()
    files: list[Path] = arguments.config or [file for file in (DEFAULT_CONFIG,) if file.exists()]
    try:
        settings = load(files) if files else None
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    table = Table(user_rows(settings.logs.patterns) if settings else ())
    zone = arguments.zone or ZoneInfo(settings.timezone if settings else "UTC")
    summary, named = Summary(arguments.show), len(arguments.files) > 1

    def tell(event: Event) -> None:
        text = event_json(event) if arguments.json else event_line(event, zone, named=named)
        print(text, flush=arguments.follow)  # a reader at the other end of a pipe waits for each line

    run = Run(
        Reader(table, zone, time.time),
        summary,
        _since(arguments.since, zone),
        tell if arguments.json or arguments.all else lambda _: None,
    )
    followers, problems = run.read(arguments.files, whole=not arguments.follow)
    print(summary_json(summary) if arguments.json else summary_text(summary, zone, named=named), flush=True)
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr, flush=True)
    if arguments.follow and followers:
        run.tell = tell
        run.follow(followers)
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nightdesk logs", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each event, then the summary")
    parser.add_argument("--all", action="store_true", help="print every event as it is met")
    parser.add_argument(
        "--show",
        type=int,
        default=10,
        metavar="N",
        help="events of each category in the summary (default: 10)",
    )
    parser.add_argument(
        "--since",
        type=_when,
        metavar="TIME",
        help="leave out events older than 2h, or before 2026-11-23T01:00",
    )
    parser.add_argument("--follow", action="store_true", help="then print new events, until Ctrl-C")
    parser.add_argument(
        "--zone", type=_zone, metavar="ZONE", help="of times without one (default: the settings', or UTC)"
    )
    parser.add_argument(
        "--config",
        action="append",
        type=Path,
        metavar="FILE",
        help="settings with patterns (default: monitoring.yaml)",
    )
    return parser


def _when(text: str) -> Duration | datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        return Duration.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 30m, 2h, 1d nor 2026-11-23T01:00") from None


def _since(when: Duration | datetime | None, zone: ZoneInfo) -> float | None:
    if when is None:
        return None
    if isinstance(when, datetime):
        return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()
    return time.time() - when


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, ZoneInfoNotFoundError):
        raise argparse.ArgumentTypeError(f"{name!r} is not a time zone; write it as Europe/Berlin") from None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
    except BrokenPipeError:  # the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
