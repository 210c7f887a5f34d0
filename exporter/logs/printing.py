"""Writes the report of logs for people, and for programs as JSON lines."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, TextIO

from exporter.logs.patterns import ERROR, PERFORMANCE, SYSTEM, TRADING, WARNINGS
from exporter.logs.report import Event, Summary

HEADINGS: Final = {
    ERROR: "Errors",
    WARNINGS: "Warnings",
    PERFORMANCE: "Performance",
    TRADING: "Trading",
    SYSTEM: "System",
}
_BARS: Final = " ▁▂▃▄▅▆▇█"
_WIDTH: Final = 60  # columns of the histogram
_TOP: Final = 10
_WORDS: Final = 120  # characters of a message
_LARGE: Final = 50_000_000  # bytes from which on a progress line is useful


def event_line(event: Event, zone: tzinfo, *, named: bool) -> str:
    """Return an event as a line; `named` adds its file."""
    where = f"{event.file}:{event.line}" if named else f"{event.line:>9}"
    kind = event.kind
    return (
        f"{where}  {_clock(event.time, zone)}  {kind.severity:<8}  {kind.event:<16}  {event.message[:_WORDS]}"
    )


def event_json(event: Event) -> str:
    """Return an event as a line of JSON."""
    kind = event.kind
    fields: dict[str, Any] = {
        "type": "event",
        "file": event.file,
        "line": event.line,
        "time": None if event.time is None else datetime.fromtimestamp(event.time, UTC).isoformat(),
        "category": kind.category,
        "event": kind.event,
        "severity": kind.severity,
        "message": event.message,
    }
    return json.dumps(fields | ({"value": event.value} if event.value else {}), ensure_ascii=False)


def summary_json(summary: Summary) -> str:
    """Return the summary as a line of JSON."""
    first, width, columns = summary.columns(_WIDTH)
    return json.dumps(
        {
            "type": "summary",
            "lines": summary.lines,
            "events": sum(summary.kinds.values()),
            "counts": [
                {"category": kind.category, "event": kind.event, "severity": kind.severity, "count": count}
                for kind, count in summary.kinds.most_common()
            ],
            "messages": [
                {"category": kind.category, "event": kind.event, "message": text, "count": count}
                for (kind, text), count in summary.messages.most_common(_TOP)
            ],
            "histogram": {"start": first, "column_seconds": width, "counts": columns},
        },
        ensure_ascii=False,
    )


def summary_text(summary: Summary, zone: tzinfo, *, named: bool) -> str:
    """Return the summary for people."""
    return "\n".join(
        [
            f"{summary.lines:,} lines, {sum(summary.kinds.values()):,} events",
            *_sections(summary, zone, named=named),
            *_messages(summary),
            *_histogram(summary, zone),
        ]
    )


def _sections(summary: Summary, zone: tzinfo, *, named: bool) -> Iterator[str]:
    for category in (*HEADINGS, *(other for other in summary.last if other not in HEADINGS)):
        kinds = [(kind, count) for kind, count in summary.kinds.most_common() if kind.category == category]
        total = sum(count for _, count in kinds)
        yield ""
        yield f"{HEADINGS.get(category, category)}: {total:,}" if total else f"{HEADINGS[category]}: none"
        for kind, count in kinds:
            yield f"{count:>9,} × {kind.event} ({kind.severity})"
        kept = summary.last.get(category, ())
        if kept and total > len(kept):
            yield f"  the last {len(kept)} (--all prints every one):"
        yield from (event_line(event, zone, named=named) for event in kept)


def _messages(summary: Summary) -> Iterator[str]:
    if summary.messages:
        yield from ("", "Top messages")
    for (kind, text), count in summary.messages.most_common(_TOP):
        yield f"{count:>9,} × {kind.event}: {text}"


def _histogram(summary: Summary, zone: tzinfo) -> Iterator[str]:
    first, width, columns = summary.columns(_WIDTH)
    if not columns:
        return
    yield from ("", f"Over time, from {_clock(first, zone)}, {width / 60:g} min a column")
    for category, counts in columns.items():
        highest = max(counts) or 1
        bars = "".join(_BARS[-(-count * (len(_BARS) - 1) // highest)] for count in counts)
        yield f"{category:<12} {bars}  at most {highest:,}"


def _clock(time: float | None, zone: tzinfo) -> str:
    return " " * 19 if time is None else datetime.fromtimestamp(time, zone).strftime("%Y-%m-%d %H:%M:%S")


class Progress:
    """A line that says how far the reading of large files is, on a terminal only."""

    def __init__(self, total: int, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._total = total
        self._shown = -1
        self._on = total >= _LARGE and stream.isatty()

    def at(self, size: int) -> None:
        """Print how many bytes were read, of all files together."""
        percent = size * 100 // self._total if self._on else -1
        if percent != self._shown:
            self._shown = percent
            bar = "█" * (percent // 4)
            self._stream.write(f"\r{bar:<25} {percent:>3}% of {self._total / 1e6:,.0f} MB")
            self._stream.flush()

    def done(self) -> None:
        """Remove the line."""
        if self._shown >= 0:
            self._stream.write("\r" + " " * 60 + "\r")
            self._stream.flush()
