"""Chooses the format of an answer: Prometheus text or OpenMetrics, compressed or not.

Formats: https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://prometheus.io/docs/specs/om/open_metrics_spec/; the choice:
https://prometheus.io/docs/instrumenting/content_negotiation/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from exporter.catalogue import COUNTER, METRICS, Metric

# Units that a name may end in; OpenMetrics requires them a second time.
_UNITS = ("seconds", "bytes", "ratio")
# These keep our names, which have only letters, digits and underscores; `dots` would double the underscores.
_ESCAPINGS = frozenset({"allow-utf-8", "underscores", "values"})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})
_QUOTED_HELP_ESCAPES = _HELP_ESCAPES | {ord('"'): r"\""}


@dataclass(frozen=True)
class Format:
    """The text around the lines of samples, which are the same in all formats."""

    media_type: str
    version: str
    headers: Mapping[str, bytes] = field(repr=False)
    end: bytes = b""


@dataclass(frozen=True)
class Answer:
    """A format and its Content-Type."""

    format: Format
    content_type: str


@dataclass(frozen=True)
class _Range:
    """One media range or coding of a header, with its parameters and weight."""

    name: str
    parameters: Mapping[str, str]
    quality: float


def _text_header(metric: Metric) -> bytes:
    meaning = metric.help.translate(_HELP_ESCAPES)
    return f"# HELP {metric.full_name} {meaning}\n# TYPE {metric.full_name} {metric.type}\n".encode()


def _open_header(metric: Metric) -> bytes:
    """Return the header for OpenMetrics, whose family of a counter is its name without `_total`."""
    name = metric.full_name.removesuffix("_total") if metric.type == COUNTER else metric.full_name
    unit = next((unit for unit in _UNITS if name.endswith(f"_{unit}")), None)
    told = f"# UNIT {name} {unit}\n" if unit else ""
    meaning = metric.help.translate(_QUOTED_HELP_ESCAPES)
    return f"# TYPE {name} {metric.type}\n{told}# HELP {name} {meaning}\n".encode()


_TEXT_HEADERS = {metric.name: _text_header(metric) for metric in METRICS}
_OPEN_HEADERS = {metric.name: _open_header(metric) for metric in METRICS}
_OPEN = "application/openmetrics-text"
TEXT = Format("text/plain", "0.0.4", _TEXT_HEADERS)
OPENMETRICS = Format(_OPEN, "1.0.0", _OPEN_HEADERS, b"# EOF\n")
# A client that accepts any format gets the first.
_OFFERS = (
    TEXT,
    OPENMETRICS,
    Format("text/plain", "1.0.0", _TEXT_HEADERS),
    Format(_OPEN, "0.0.1", _OPEN_HEADERS, b"# EOF\n"),
)


def choose(accept: str) -> Answer:
    """Return the format that the Accept header prefers; the oldest text format if it accepts none of ours."""
    ranges = list(_ranges(accept))
    wanted = [(_wish(offer, ranges), -place) for place, offer in enumerate(_OFFERS)]
    (quality, _, chosen), place = max(wanted)
    offer = _OFFERS[-place] if quality > 0 else TEXT
    content_type = f"{offer.media_type}; version={offer.version}; charset=utf-8"
    if offer.version == "1.0.0" and quality > 0 and chosen >= 0 and "escaping" in ranges[chosen].parameters:
        asked = ranges[chosen].parameters["escaping"]
        content_type += f"; escaping={asked if asked in _ESCAPINGS else 'underscores'}"
    return Answer(offer, content_type)


def takes_gzip(accept_encoding: str) -> bool:
    """Return whether an answer may be compressed, by the Accept-Encoding header."""
    wishes = {each.name: each.quality for each in _ranges(accept_encoding)}
    return wishes.get("gzip", wishes.get("*", 0.0)) > 0


def _wish(offer: Format, ranges: list[_Range]) -> tuple[float, int, int]:
    """Return an offer's weight, how exactly the header names it, and the number of its range (−1: none)."""
    best = (0, -1)
    for place, each in enumerate(ranges):
        if (exactness := _exactness(offer, each)) > best[0]:
            best = (exactness, place)
    exactness, place = best
    return (ranges[place].quality if place >= 0 else 0.0, exactness, place)


def _exactness(offer: Format, wanted: _Range) -> int:
    """Return 0 if the range does not include the offer, else a higher number for a more exact range."""
    if wanted.name == offer.media_type:
        version = wanted.parameters.get("version")
        return 0 if version not in (None, offer.version) else 3 if version is None else 4
    if wanted.name == offer.media_type.split("/")[0] + "/*":
        return 2
    return int(wanted.name == "*/*")


def _ranges(header: str) -> Iterator[_Range]:
    """Yield the parts of an Accept or Accept-Encoding header; one whose q is no number is not wanted."""
    for part in header.lower().split(","):
        name, *rest = (piece.strip() for piece in part.split(";"))
        if not name:
            continue
        pairs = (piece.partition("=") for piece in rest)
        parameters = {key.strip(): value.strip().strip('"') for key, _, value in pairs}
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        yield _Range(name, parameters, quality)
