"""The elements of panels: units, queries, names of values, overrides."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from grafana.grafanalib_extensions import Json, Target

NEUTRAL = "text"  # Grafana's name of the colour of its own text, in either theme
RATIO, COUNT, NUMBER, SECONDS, BYTES = "percentunit", "locale", "none", "s", "bytes"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Query:
    """A PromQL query and the names of its series."""

    expr: str
    legend: str = "{{bot}}"

    def lines(self, many: Mapping[str, int]) -> float:
        """Return the maximum number of series, from how `many` values the legend's labels have."""
        return math.prod(many.get(label, math.inf) for label in re.findall(r"\{\{(\w+)\}\}", self.legend))


@dataclass(frozen=True)
class Pace:
    """The shortest distance of points, and the panel's own time range, whatever the dashboard shows."""

    step: str | None = None
    back: str | None = None


def money(currency: str) -> str:
    """Return the unit of money: grouped digits, nothing rounded to K, the currency at the end."""
    return f"currency:financial: {currency}:suffix"


def money_axis(currency: str) -> str:
    """Return the unit of money on an axis, where Grafana shows no decimals for currencies."""
    return f"suffix:{currency}"


def named_values(names: Mapping[str, tuple[str, str]]) -> Json:
    """Return a value mapping of value → (text, colour)."""
    options = {
        value: {"text": text, "color": colour, "index": index}
        for index, (value, (text, colour)) in enumerate(names.items())
    }
    return {"type": "value", "options": options}


def from_value(least: float, text: str, colour: str) -> Json:
    """Return the mapping of a value and all above it to a text."""
    result = {"text": text, "color": colour, "index": 0}
    return {"type": "range", "options": {"from": least, "to": None, "result": result}}


def unknown(text: str) -> Json:
    """Return the mapping of no value to a text in the text's colour: unknown is neither good nor bad."""
    result = {"text": text, "color": NEUTRAL, "index": 99}
    return {"type": "special", "options": {"match": "null+nan", "result": result}}


def override(name: str, by: str = "byName", **properties: object) -> Json:
    """Return the overrides (dots written as __) for the field of this name."""
    return {
        "matcher": {"id": by, "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def painted(name: str, colour: str) -> Json:
    """Return the override that gives the series of this name a colour."""
    return override(name, color={"mode": "fixed", "fixedColor": colour})


def painted_query(ref: str, colour: str) -> Json:
    """Return the override that gives all series of a query a colour."""
    return override(ref, "byFrameRefID", color={"mode": "fixed", "fixedColor": colour})


def targets(queries: Sequence[Query], *, instant: bool = False, table: bool = False) -> Iterator[Target]:
    """Yield the queries in Grafana's form."""
    for ref, query in zip(ascii_uppercase, queries, strict=False):
        yield Target(
            expr=query.expr,
            legendFormat=query.legend,
            refId=ref,
            instant=instant,
            format="table" if table else "time_series",
            datasource=DATASOURCE,
        )
