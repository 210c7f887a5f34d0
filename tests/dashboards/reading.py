"""Reads a dashboard as Grafana does: fills in variables, asks Prometheus, lists what each panel shows.

`python -m tests.dashboards.reading URL` prints that list for a Prometheus that runs.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from grafana.build import dashboards
from stack.settings import load

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Reading:
    """What one query of a panel returned, the last value of each series by its labels."""

    panel: str
    ref: str
    expr: str
    values: Mapping[Labels, float]

    def only(self) -> float:
        """Return the value where there is one series."""
        (value,) = self.values.values()
        return value

    def by(self, label: str) -> dict[str, float]:
        """Return the values by one label."""
        return {dict(labels).get(label, ""): value for labels, value in self.values.items()}


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a dashboard that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def filled(expr: str, bot: str) -> str:
    """Return the query with Grafana's variables filled in; `bot` is a regular expression."""
    return expr.replace("$__rate_interval", "4m").replace("$bot", bot)


def ask(url: str, path: str, **parameters: object) -> Any:
    """Return the data of an answer of Prometheus; an error of its fails the test with its words."""
    answer = requests.get(f"{url}/api/v1/{path}", params=parameters, timeout=10).json()
    assert answer["status"] == "success", f"{parameters}: {answer.get('error')}"
    return answer["data"]


def read(url: str, dashboard: Mapping[str, Any], at: float, bot: str = ".+") -> Iterator[Reading]:
    """Yield a reading of each query of each panel, at a time."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            expr = filled(target["expr"], bot)
            if target["instant"]:
                found = ask(url, "query", query=expr, time=at)["result"]
                values = {frozenset(one["metric"].items()): float(one["value"][1]) for one in found}
            else:
                found = ask(url, "query_range", query=expr, start=at - 3600, end=at, step=60)["result"]
                values = {frozenset(one["metric"].items()): float(one["values"][-1][1]) for one in found}
            yield Reading(panel["title"], target["refId"], expr, values)


def variable(url: str, query: str, at: float) -> list[str]:
    """Return the values of a variable `label_values(metric, label)`."""
    metric, label = query.removeprefix("label_values(").removesuffix(")").split(", ")
    span = {"start": at - 3600, "end": at}
    return list(ask(url, f"label/{label}/values", **{"match[]": metric}, **span))


def main(url: str) -> None:
    """Print a line for each value that a dashboard would show now."""
    now = float(ask(url, "query", query="time()")["result"][1])
    for name, dashboard in dashboards(load()).items():
        for reading in read(url, dashboard, now):
            print(f"{name} · {reading.panel} [{reading.ref}] {reading.expr}")
            for labels, value in reading.values.items():
                print(f"    {json.dumps(dict(sorted(labels)))} = {value:g}")
            if not reading.values:
                print("    (nothing)")


if __name__ == "__main__":
    main(sys.argv[1])
