"""Renders samples as lines once per poll and keeps them by metric: a scrape only joins ready bytes."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from exporter.catalogue import METRICS, Histogram, Sample
from exporter.formats import TEXT, Format

Part = Mapping[str, bytes]
"""The lines of one owner by metric."""

_LABEL_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Owner(NamedTuple):
    """The owner of lines: a bot and a part that watches it (its source, its logs, …); the host has no bot."""

    bot: str | None
    producer: str


class Board:
    """The latest lines of all owners."""

    def __init__(self) -> None:
        self._columns: dict[str, dict[Owner, bytes]] = {metric.name: {} for metric in METRICS}
        self._owners: dict[str | None, dict[Owner, frozenset[str]]] = {}  # the lines of each owner

    def publish(self, owner: Owner, part: Part) -> None:
        """Replace the owner's earlier lines."""
        before = self._owners.setdefault(owner.bot, {}).get(owner, frozenset())
        for name in before - part.keys():
            del self._columns[name][owner]
        for name, lines in part.items():
            self._columns[name][owner] = lines
        self._owners[owner.bot][owner] = frozenset(part)

    def forget(self, bot: str) -> None:
        """Drop all lines of a bot."""
        for owner in self._owners.pop(bot, ()):
            for column in self._columns.values():
                column.pop(owner, None)

    def page(
        self,
        groups: Iterable[str],
        form: Format = TEXT,
        bots: Collection[str] | None = None,
        also: Iterable[Part] = (),
    ) -> bytes:
        """Return the metrics of the groups: each once, with its header, then its lines of all owners. If bots
        are named, only their lines; the parts in `beside` are always included.
        """
        wanted, given = set(groups), tuple(also)
        chosen = None if bots is None else [owner for bot in bots for owner in self._owners.get(bot, ())]
        pieces: list[bytes] = []
        for metric in METRICS:
            if metric.group not in wanted:
                continue
            column = self._columns[metric.name]
            found = (
                list(column.values())
                if chosen is None
                else [column[each] for each in chosen if each in column]
            )
            found += [part[metric.name] for part in given if metric.name in part]
            if found:
                pieces += (form.headers[metric.name], *found)
        return b"".join((*pieces, form.end))


class Lines:
    """Writes the samples of one owner, poll after poll; it keeps the beginnings of lines between polls.

    A metric has at most `cap` values of its first label (symbols, models, feeds): the first ones.
    """

    def __init__(self, cap: int, bot: str | None = None) -> None:
        self._cap = cap
        self._bot = bot
        self._begins: dict[tuple[str, tuple[str, ...]], str] = {}

    def render(self, samples: Iterable[Sample]) -> tuple[dict[str, bytes], dict[str, int]]:
        """Return the lines by metric, and the number of series that each metric left out."""
        lines: dict[str, list[str]] = {}
        kept: dict[str, set[str]] = {}
        beyond: dict[str, int] = {}
        begins: dict[tuple[str, tuple[str, ...]], str] = {}
        for each in samples:
            name, labels = each.metric.name, each.labels
            if labels:
                values = kept.setdefault(name, set())
                if labels[0] not in values:
                    if len(values) >= self._cap:
                        beyond[name] = beyond.get(name, 0) + 1
                        continue
                    values.add(labels[0])
            key = (name, labels)
            begin = begins[key] = self._begins.get(key) or self._begin(each)
            value = each.value
            line = _histogram(begin, value) if isinstance(value, Histogram) else f"{begin}{number(value)}\n"
            lines.setdefault(name, []).append(line)
        self._begins = begins
        # A lone surrogate has no UTF-8; a question mark is better than no metrics at all.
        return {name: "".join(found).encode("utf-8", "replace") for name, found in lines.items()}, beyond

    def _begin(self, each: Sample) -> str:
        """Return `name{labels} `, or for a histogram its name and its labels with a comma behind each."""
        pairs = list(zip(each.metric.labels, each.labels, strict=True))
        if self._bot is not None and each.metric.of_bot:
            pairs.insert(0, ("bot", self._bot))
        labels = ",".join(f'{name}="{value.translate(_LABEL_ESCAPES)}"' for name, value in pairs)
        if isinstance(each.value, Histogram):
            return f"{each.metric.full_name}{{{labels}"
        return f"{each.metric.full_name}{{{labels}}} " if labels else f"{each.metric.full_name} "


def _histogram(begin: str, histogram: Histogram) -> str:
    name, labels = begin.split("{", 1)
    before = f"{labels}," if labels else ""
    lines = [f'{name}_bucket{{{before}le="{number(bound)}"}} {count}\n' for bound, count in histogram.buckets]
    lines.append(f"{name}_sum{{{labels}}} {number(histogram.total)}\n")
    lines.append(f"{name}_count{{{labels}}} {histogram.buckets[-1][1]}\n")
    return "".join(lines)


def number(value: float) -> str:
    """Return the number's exact text; a whole number is `1.0`, as Prometheus 3 writes it."""
    return "+Inf" if value == math.inf else repr(float(value))
