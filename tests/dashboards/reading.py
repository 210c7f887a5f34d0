"""Reads a dashboard as Grafana does: fills in variables, asks Prometheus, lists what each panel shows.

`python -m tests.dashboards.reading URL [--hours 24] [--dashboard NAME] [--config FILE]` prints it for a
Prometheus that runs, to be read line by line.
"""

import argparse
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from exporter.catalogue import METRICS
from grafana.build import dashboards
from stack.settings import Duration, Settings, load

Labels = frozenset[tuple[str, str]]
HELPS = {metric.full_name: metric.help for metric in METRICS}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class View:
    """A view of a dashboard: its end, length and step, and the chosen variables (else all)."""

    at: float
    back: float = 3600.0
    rate: str = "4m"
    finest: float = 60.0
    points: int = 240
    chosen: Mapping[str, str] = field(default_factory=dict)

    def filled(self, expr: str, back: float) -> str:
        """Return the query with Grafana's variables filled in, as regular expressions."""
        text = expr.replace("$__rate_interval", self.rate).replace("$__range", f"{back:.0f}s")
        return re.sub(
            r"\$(bot|symbol|exchange|side|outcome|host|part)\b", lambda at: self.chosen.get(at[1], ".+"), text
        )


@dataclass(frozen=True)
class Reading:
    """What one query of a panel returned: the points of each series by its labels."""

    panel: str
    ref: str
    expr: str
    points: Mapping[Labels, list[float]]

    @property
    def values(self) -> dict[Labels, float]:
        """The last value of each series."""
        return {labels: points[-1] for labels, points in self.points.items()}

    def only(self) -> float:
        """Return the value of the only series."""
        (value,) = self.values.values()
        return value

    def by(self, label: str) -> dict[str, float]:
        """Return the values by one label."""
        return {dict(labels).get(label, ""): value for labels, value in self.values.items()}


def every(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return all dashboards, for any set in the settings."""
    shown = settings.dashboards.model_copy(update={"set": "all"})
    return dashboards(settings.model_copy(update={"dashboards": shown}), HELPS)


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a dashboard with content, also those in folded rows."""
    found = list[dict[str, Any]]()
    for panel in dashboard["panels"]:
        found += panel["panels"] if panel["type"] == "row" else [panel]
    return found


def ask(url: str, path: str, **parameters: object) -> Any:
    """Return the data of Prometheus's answer; its error fails the test with its text."""
    answer = requests.post(f"{url}/api/v1/{path}", data=parameters, timeout=60).json()
    assert answer["status"] == "success", f"{parameters}: {answer.get('error')}"
    return answer["data"]


def run(url: str, view: View, panel: Mapping[str, Any], target: Mapping[str, Any]) -> Reading:
    """Return the result of one query of a panel; like Grafana it rounds the range to whole steps."""
    back = _seconds(panel["timeFrom"]) if panel.get("timeFrom") else view.back
    expr = view.filled(target["expr"], back)
    if target["instant"]:
        found = ask(url, "query", query=expr, time=view.at)["result"]
        points = {frozenset(one["metric"].items()): [float(one["value"][1])] for one in found}
    else:
        finest = _seconds(panel["interval"]) if panel.get("interval") else view.finest
        step = max(finest, back // view.points)
        start, end = ((view.at - ago) // step * step for ago in (back, 0))
        found = ask(url, "query_range", query=expr, start=start, end=end, step=step)["result"]
        points = {
            frozenset(one["metric"].items()): [float(value) for _, value in one["values"]] for one in found
        }
    return Reading(panel["title"], target["refId"], expr, points)


def read(url: str, dashboard: Mapping[str, Any], view: View) -> Iterator[Reading]:
    """Yield a reading of each query of each panel."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield run(url, view, panel, target)


def annotations(url: str, dashboard: Mapping[str, Any], view: View) -> dict[str, list[dict[str, str]]]:
    """Return the labels that each annotation of Prometheus found, by its name."""
    found = {}
    for one in dashboard["annotations"]["list"]:
        if "expr" in one:
            span = {"start": view.at - view.back, "end": view.at, "step": view.finest}
            query = view.filled(one["expr"], view.back)
            found[one["name"]] = [
                series["metric"] for series in ask(url, "query_range", query=query, **span)["result"]
            ]
    return found


def variables(url: str, dashboard: Mapping[str, Any], view: View) -> dict[str, list[str]]:
    """Return the values of each variable `label_values(selector, label)`, by its name."""
    found = {}
    for one in dashboard["templating"]["list"]:
        if one["type"] == "query":
            query = view.filled(one["query"]["query"], view.back)
            selector, label = query.removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            span: dict[str, Any] = {"start": view.at - view.back, "end": view.at, "match[]": selector}
            answer = requests.get(f"{url}/api/v1/label/{label}/values", params=span, timeout=10).json()
            found[one["name"]] = answer["data"]
    return found


def _seconds(span: str) -> float:
    return float(span[:-1]) * _SECONDS[span[-1]]


def _written(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{100 * value:.2f}%"
    if unit == "s":
        return str(Duration(value)) if value >= 1 else f"{1000 * value:.1f}ms"
    return f"{value:,.4f}".rstrip("0").rstrip(".") + f" {unit.removeprefix('suffix:')}"


def _print(panel: Mapping[str, Any], readings: list[Reading]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    print(f"## {panel['title']} ({panel['type']}, {defaults['unit']})")
    for reading in readings:
        unit = defaults["unit"]
        if panel["type"] == "table":
            unit = _unit_of_column(panel, reading.ref)
        for labels, points in sorted(reading.points.items(), key=lambda one: sorted(one[0])):
            name = " ".join(value for key, value in sorted(labels) if key != "__name__") or "·"
            path = (
                "" if len(points) < 2 else f"   {_written(min(points), unit)} … {_written(max(points), unit)}"
            )
            count = "" if len(points) < 2 else f" ({len(points)} points)"
            print(f"   [{reading.ref}] {name} = {_written(points[-1], unit)}{path}{count}")
        if not reading.points:
            print(f"   [{reading.ref}] “{defaults['noValue']}”")


def _unit_of_column(panel: Mapping[str, Any], ref: str) -> str:
    (organize,) = (one["options"] for one in panel["transformations"] if one["id"] == "organize")
    names = organize["renameByName"]
    title = names.get(f"Value #{ref}") or names.get("Value")
    for one in panel["fieldConfig"]["overrides"]:
        if one["matcher"]["options"] == title:
            return str(next((each["value"] for each in one["properties"] if each["id"] == "unit"), "short"))
    return "short"


def main() -> None:
    """Print what each panel shows now."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("url")
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--at", type=float)
    parser.add_argument("--rate", default="4m")
    parser.add_argument("--dashboard")
    parser.add_argument("--config", type=Path, default=Path("monitoring.yaml"))
    given = parser.parse_args()
    now = given.at or float(ask(given.url, "query", query="time()")["result"][1])
    view = View(now, given.hours * 3600, given.rate)
    for name, dashboard in every(load([given.config])).items():
        if given.dashboard in (None, name):
            print(f"# {dashboard['title']}")
            print("variables", variables(given.url, dashboard, view))
            print("annotations", {k: len(v) for k, v in annotations(given.url, dashboard, view).items()})
            for panel in panels(dashboard):
                _print(panel, [run(given.url, view, panel, target) for target in panel["targets"]])


if __name__ == "__main__":
    main()
