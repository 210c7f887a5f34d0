"""Renders samples as Prometheus text (0.0.4), by metric, so that a scrape only joins ready bytes.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import math
from collections.abc import Iterable, Mapping

from exporter.catalogue import METRICS, Histogram, Metric, Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Part = Mapping[str, bytes]
"""The lines of one bot by metric."""

_LABEL_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


def render(
    samples: Iterable[Sample], cap: int, bot: str | None = None
) -> tuple[dict[str, bytes], dict[str, int]]:
    """Return the lines by metric, and how many series of each metric were left out.

    A metric has at most `cap` values of its first label (symbols, models, feeds): the first that come.
    """
    lines: dict[str, list[str]] = {}
    kept: dict[str, set[str]] = {}
    beyond: dict[str, int] = {}
    for each in samples:
        name = each.metric.name
        if each.labels:
            values = kept.setdefault(name, set())
            if each.labels[0] not in values:
                if len(values) >= cap:
                    beyond[name] = beyond.get(name, 0) + 1
                    continue
                values.add(each.labels[0])
        lines.setdefault(name, []).append(_sample(each, bot))
    # A lone surrogate has no UTF-8; a question mark is better than no metrics at all.
    return {name: "".join(found).encode("utf-8", "replace") for name, found in lines.items()}, beyond


def page(parts: Iterable[Part], groups: Iterable[str]) -> bytes:
    """Return the metrics of the groups: each once, with its help and type, then its lines of all parts."""
    wanted, given = set(groups), tuple(parts)
    pieces: list[bytes] = []
    for metric in METRICS:
        if metric.group not in wanted:
            continue
        found = [part[metric.name] for part in given if metric.name in part]
        if found:
            pieces += (_HEADERS[metric.name], *found)
    return b"".join(pieces)


def _header(metric: Metric) -> bytes:
    meaning = metric.help.translate(_HELP_ESCAPES)
    return f"# HELP {metric.full_name} {meaning}\n# TYPE {metric.full_name} {metric.type}\n".encode()


_HEADERS = {metric.name: _header(metric) for metric in METRICS}


def _sample(each: Sample, bot: str | None) -> str:
    pairs = list(zip(each.metric.labels, each.labels, strict=True))
    if bot is not None and each.metric.of_bot:
        pairs.insert(0, ("bot", bot))
    labels = ",".join(f'{name}="{value.translate(_LABEL_ESCAPES)}"' for name, value in pairs)
    name = each.metric.full_name
    if isinstance(each.value, Histogram):
        return _histogram(name, labels, each.value)
    return f"{name}{{{labels}}} {number(each.value)}\n" if labels else f"{name} {number(each.value)}\n"


def _histogram(name: str, labels: str, histogram: Histogram) -> str:
    before = f"{labels}," if labels else ""
    lines = [f'{name}_bucket{{{before}le="{number(bound)}"}} {count}\n' for bound, count in histogram.buckets]
    lines.append(f"{name}_sum{{{labels}}} {number(histogram.total)}\n")
    lines.append(f"{name}_count{{{labels}}} {histogram.buckets[-1][1]}\n")
    return "".join(lines)


def number(value: float) -> str:
    """Return a number that reads back the same; whole ones as `1.0`, as Prometheus 3 writes them."""
    return "+Inf" if value == math.inf else repr(float(value))
