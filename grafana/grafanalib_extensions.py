"""Adds Grafana's features that grafanalib 0.7.1 lacks or still writes for Grafana 5; to offer upstream."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import attr

# All of grafanalib that the boards use comes from here; nothing else imports it.
from grafanalib import core as core
from grafanalib._gen import DashboardEncoder as DashboardEncoder
from grafanalib.core import Panel as Panel

# The newest version that Grafana publishes, so that Grafana 13 migrates nothing; it refuses grafanalib's 12.
SCHEMA_VERSION = 41
# Grafana rewrites panels with an older version, or without one.
_PANEL_VERSION = "13.0.0"

Json = dict[str, Any]


def _without(data: Mapping[str, Any], *keys: str) -> Json:
    """Return the object without these keys and without unset values."""
    return {key: value for key, value in data.items() if value is not None and key not in keys}


@dataclass(frozen=True)
class Step:
    """A colour from a value on; None is the lowest step. (grafanalib writes the string "null" for it.)"""

    colour: str
    value: float | None = None

    def to_json_data(self) -> Json:
        """Return Grafana's JSON."""
        return {"color": self.colour, "value": self.value}


class _Panel:
    """Writes a panel in Grafana 13's form, without the keys of spans and Angular tables."""

    def to_json_data(self) -> Json:
        """Return Grafana's JSON."""
        written = super().to_json_data()  # type: ignore[misc]  # of the grafanalib panel beside it
        panel = _without(
            written, "columns", "styles", "fontSize", "color", "mappings", "hideTimeOverride",
            "editable", "error", "height", "span", "minSpan",
        )  # fmt: skip
        panel["pluginVersion"] = _PANEL_VERSION
        panel["fieldConfig"]["defaults"] = _without(panel["fieldConfig"]["defaults"])
        if "displayMode" in (legend := panel.get("options", {}).get("legend", {})):
            legend["showLegend"] = True
        return panel


class Stat(_Panel, core.Stat):  # type: ignore[misc]  # grafanalib has no types
    """One value or a few, large."""


class TimeSeries(_Panel, core.TimeSeries):  # type: ignore[misc]  # grafanalib has no types
    """Lines over time."""


class StateTimeline(_Panel, core.StateTimeline):  # type: ignore[misc]  # grafanalib has no types
    """States over time, one band a series."""


class Table(_Panel, core.Table):  # type: ignore[misc]  # grafanalib has no types
    """Rows and columns."""

    def to_json_data(self) -> Json:
        """Return Grafana's JSON."""
        panel = super().to_json_data()
        cells = panel["fieldConfig"]["defaults"]["custom"]
        cells["cellOptions"] = {"type": cells.pop("displayMode")}
        return panel


class Logs(_Panel, core.Logs):  # type: ignore[misc]  # grafanalib has no types
    """Lines of logs."""


@attr.s(auto_attribs=True)
class _AnyKind(core.Panel):  # type: ignore[misc]  # grafanalib has no types
    kind: str = ""
    options: Json = attr.Factory(dict)
    defaults: Json = attr.Factory(dict)
    overrides: list[Json] = attr.Factory(list)

    def to_json_data(self) -> Json:
        """Return Grafana's JSON."""
        shown = {"defaults": self.defaults, "overrides": self.overrides}
        written: Json = self.panel_json({"type": self.kind, "options": self.options, "fieldConfig": shown})
        return written


class Kind(_Panel, _AnyKind):
    """A panel of which grafanalib writes an older form: gauge and bargauge of Grafana 6, heatmap of 8.

    grafanalib's piechart has neither decimals nor a text for no value.
    """


class RowHead(core.RowPanel):  # type: ignore[misc]  # grafanalib has no types
    """The header of a row; a folded row's header contains its panels."""

    def to_json_data(self) -> Json:
        """Return Grafana's JSON."""
        kept = ("id", "type", "title", "collapsed", "panels", "gridPos", "repeat")
        written = super().to_json_data()
        return {key: written[key] for key in kept if written[key] is not None}


class Target(core.Target):  # type: ignore[misc]  # grafanalib has no types
    """A PromQL query; a range query unless it is instant."""

    def to_json_data(self) -> Json:
        """Return Grafana's JSON."""
        data = _without(super().to_json_data(), "query", "target", "metric", "step", "intervalFactor")
        return data | {"range": not self.instant, "editorMode": "code"}


class Variable(core.Template):  # type: ignore[misc]  # grafanalib has no types
    """A variable that starts at All if it has that value, else at the first value found."""

    def to_json_data(self) -> Json:
        """Return Grafana's JSON."""
        every = {"selected": True, "text": ["All"], "value": ["$__all"]}
        data = _without(
            super().to_json_data(), "tagsQuery", "tagValuesQuery", "useTags", "auto", "auto_min", "auto_count"
        )
        data["current"] = every if self.includeAll else {}
        if self.type == "query":  # a bare string is the form of Grafana 7
            data["definition"] = self.query
            data["query"] = {"query": self.query, "refId": "StandardVariableQuery"}
        return data


class TimePicker(core.TimePicker):  # type: ignore[misc]  # grafanalib has no types
    """The selectable time ranges, where Grafana 12 and later look for them."""

    def to_json_data(self) -> Json:
        """Return Grafana's JSON."""
        quick = [{"display": f"Last {span}", "from": f"now-{span}", "to": "now"} for span in self.timeOptions]
        return _without(super().to_json_data(), "time_options") | {"quick_ranges": quick}


class Dashboard(core.Dashboard):  # type: ignore[misc]  # grafanalib has no types
    """A dashboard of Grafana's schema version."""

    def to_json_data(self) -> Json:
        """Return Grafana's JSON."""
        data = _without(
            super().to_json_data(), "rows", "style", "hideControls", "sharedCrosshair", "__inputs"
        )
        return data | {"schemaVersion": SCHEMA_VERSION}
