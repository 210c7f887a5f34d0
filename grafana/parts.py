"""What panels are made of: units, queries, names of values, overrides."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from grafana.lacking import Json, Target

RATIO, COUNT, NUMBER, SECONDS, BYTES = "percentunit", "locale", "none", "s", "bytes"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Query:
    """PromQL and what its series are called."""

    expr: str
    legend: str = "{{bot}}"


@dataclass(frozen=True)
class Pace:
    """How far apart the points are at least, and how far back a panel looks whatever the dashboard shows."""

    step: str | None = None
    back: str | None = None


def named_values(names: Mapping[str, tuple[str, str]]) -> Json:
    """Return a value mapping of value → (text, colour)."""
    options = {
        value: {"text": text, "color": colour, "index": index}
        for index, (value, (text, colour)) in enumerate(names.items())
    }
    return {"type": "value", "options": options}


def override(name: str, by: str = "byName", **properties: object) -> Json:
    """Return the properties (dots written as __) that the field of this name has of its own."""
    return {
        "matcher": {"id": by, "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def painted(name: str, colour: str) -> Json:
    """Return the override that gives the series of this name a colour."""
    return override(name, color={"mode": "fixed", "fixedColor": colour})


def targets(queries: Sequence[Query], *, instant: bool = False, table: bool = False) -> Iterator[Target]:
    """Yield the queries as Grafana has them."""
    for ref, query in zip(ascii_uppercase, queries, strict=False):
        yield Target(
            expr=query.expr,
            legendFormat=query.legend,
            refId=ref,
            instant=instant,
            format="table" if table else "time_series",
            datasource=DATASOURCE,
        )
