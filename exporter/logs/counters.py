"""The counts of a bot's log, as samples and as a value that a restart continues from."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from exporter.catalogue import COUNTER, HISTOGRAM, LOGS, Histogram, Metric, Sample, sample
from exporter.logs.patterns import Kind, Table

BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds of a slow operation
OTHER: Final = "other"
_KEPT_FOR: Final = 86_400.0  # seconds for which a message keeps its place after its last occurrence


@dataclass
class Distribution:
    """Counts of values by upper bound, the last of which is infinity."""

    bounds: tuple[float, ...] = ()
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts = self.counts or [0] * (len(self.bounds) + 1)
        self.counts[sum(value > bound for bound in self.bounds)] += 1
        self.total += value

    def histogram(self) -> Histogram:
        """Return the counts as Prometheus wants them."""
        bounds = (*self.bounds, math.inf)
        return Histogram(
            tuple((bound, sum(self.counts[: place + 1])) for place, bound in enumerate(bounds)), self.total
        )


@dataclass
class Messages:
    """Counts of messages: at most `cap` by name, the rest together as `other`."""

    cap: int
    counts: Counter[str] = field(default_factory=Counter)
    seen: dict[str, float] = field(default_factory=dict)

    def add(self, message: str, now: float) -> None:
        """Count a message; a message not seen for a day loses its place."""
        if message not in self.counts and len(self.seen) >= self.cap:
            oldest = min(self.seen, key=self.seen.__getitem__)
            if now - self.seen[oldest] < _KEPT_FOR:
                self.counts[OTHER] += 1
                return
            del self.seen[oldest], self.counts[oldest]
        self.counts[message] += 1
        if message != OTHER:
            self.seen[message] = now


@dataclass(frozen=True)
class Match:
    """A match of a user's pattern: its event, and the named groups as labels."""

    event: str
    names: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


class LogCounters:
    """The counts of one bot. `cap` limits the label values of a pattern, `top` the named messages."""

    def __init__(self, table: Table, cap: int, top: int) -> None:
        self._table = table
        self._cap = cap
        self.lines = 0
        self.events: Counter[Kind] = Counter()
        self.slow = Distribution(BUCKETS)
        self.messages = Messages(top)
        self.matches: Counter[Match] = Counter()
        self.values: dict[Match, Distribution] = {}

    def add(self, counts: Counter[int]) -> None:
        """Add the events of a scan, given by their bits."""
        for bits, count in counts.items():
            if kind := self._table.kind(bits):
                self.events[kind] += count

    def bounded(self, match: Match) -> Match:
        """Return the match; if its pattern has reached the cap, with `other` for every label."""
        if match in self.matches or not match.names:
            return match
        known = sum(each.event == match.event for each in self.matches)
        return match if known < self._cap else Match(match.event, match.names, (OTHER,) * len(match.names))

    def samples(self) -> list[Sample]:
        """Return the counts as samples."""
        found = [sample("log_lines_total", self.lines)]
        for kind, count in self.events.items():
            found.append(
                sample(
                    "log_events_total",
                    count,
                    category=kind.category,
                    event=kind.event,
                    severity=kind.severity,
                )
            )
        if self.slow.counts:
            found.append(sample("log_slow_operation_seconds", self.slow.histogram()))
        found += [
            sample("log_messages_total", count, message=text) for text, count in self.messages.counts.items()
        ]
        for match, count in self.matches.items():
            found.append(_labelled("log_matches_total", COUNTER, match, count))
        for match, values in self.values.items():
            found.append(_labelled("log_value", HISTOGRAM, match, values.histogram()))
        return found

    def state(self) -> dict[str, Any]:
        """Return the counts in JSON's types."""
        return {
            "lines": self.lines,
            "events": [[*_kind_words(kind), count] for kind, count in self.events.items()],
            "slow": [self.slow.counts, self.slow.total],
            "messages": [
                [text, count, self.messages.seen.get(text)] for text, count in self.messages.counts.items()
            ],
            "matches": [[*_words(match), count] for match, count in self.matches.items()],
            "values": [[*_words(match), each.counts, each.total] for match, each in self.values.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the counts from `state`. Raises KeyError, TypeError or ValueError for invalid ones."""
        self.lines = int(state["lines"])
        for category, event, severity, count in state["events"]:
            self.events[Kind(category, event, severity)] = int(count)
        counts, self.slow.total = state["slow"]
        self.slow.counts = counts if len(counts) == len(BUCKETS) + 1 else []
        for text, count, seen in state["messages"]:
            self.messages.counts[text] = int(count)
            if seen is not None:
                self.messages.seen[text] = float(seen)
        for event, names, values, count in state["matches"]:
            self.matches[Match(event, tuple(names), tuple(values))] = int(count)
        for event, names, values, counts, total in state["values"]:
            self.values[Match(event, tuple(names), tuple(values))] = Distribution((), counts, total)


def _labelled(name: str, kind: Any, match: Match, value: float | Histogram) -> Sample:  # noqa: ANN401 - a Literal of Metric
    """Return a sample of a metric with the user's labels."""
    metric = Metric(name, kind, "", LOGS, "", ("event", *match.names))
    return Sample(metric, (match.event, *match.values), value)


def _kind_words(kind: Kind) -> tuple[str, str, str]:
    return kind.category, kind.event, kind.severity


def _words(match: Match) -> tuple[str, list[str], list[str]]:
    return match.event, list(match.names), list(match.values)
