"""How every dashboard looks: panels, units, colours, sizes and the grid, all from settings."""

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Literal

from grafanalib import core

from grafana.lacking import (
    Dashboard,
    Json,
    Stat,
    StateTimeline,
    Step,
    Table,
    Target,
    TimePicker,
    TimeSeries,
    Variable,
)
from stack.settings import Duration, Settings
from stack.settings.telling import Widget

BOT = 'bot=~"$bot"'  # what every query of a bot's metrics selects by
RATIO, COUNT, NUMBER, SECONDS = "percentunit", "locale", "none", "s"
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS, _UNITS = 24, 8  # Grafana's grid, and that of settings.dashboards.sizes
_UNIT_HEIGHT = 4  # rows of 30 pixels: a unit is then about as high as it is wide

Size = Literal["small", "medium", "large", "xlarge", "full"]


@dataclass(frozen=True)
class Query:
    """PromQL and what its series are called."""

    expr: str
    legend: str = "{{bot}}"


@dataclass(frozen=True)
class Column:
    """A column of a table: a query of one value a row, or, where `label` is set, that label of its series."""

    title: str
    expr: str
    unit: str = NUMBER
    decimals: int | None = None
    steps: tuple[Step, ...] = ()
    mapping: Json | None = None
    label: str = ""


def named_values(names: dict[str, tuple[str, str]]) -> Json:
    """Return a value mapping of value → (text, colour)."""
    options = {
        value: {"text": text, "color": colour, "index": index}
        for index, (value, (text, colour)) in enumerate(names.items())
    }
    return {"type": "value", "options": options}


def override(name: str, **properties: object) -> Json:
    """Return the properties (dots written as __) that the field of this name has of its own."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


@dataclass(frozen=True)
class Look:
    """Makes panels in the colours, sizes, decimals and units of the settings."""

    settings: Settings

    def currencies(self) -> dict[str, str]:
        """Return each currency with the matchers of its bots: money of two currencies is never added up."""
        bots: dict[str, list[str]] = {}
        for name, bot in self.settings.bots.items():
            bots.setdefault(bot.currency or self.settings.currency, []).append(re.escape(name))
        if len(bots) < 2:
            return {next(iter(bots), self.settings.currency): BOT}
        return {
            currency: f"{BOT},bot=~{json.dumps('|'.join(names), ensure_ascii=False)}"
            for currency, names in bots.items()
        }

    def money_unit(self) -> str:
        """Return the unit of money where a bot has no currency of its own; exact, never rounded to K."""
        return f"suffix:{next(iter(self.currencies()))}"

    def money_overrides(self) -> list[Json]:
        """Return the unit of each bot whose currency is not `money_unit`'s."""
        return [
            override(name, unit=f"suffix:{bot.currency or self.settings.currency}")
            for name, bot in self.settings.bots.items()
            if f"suffix:{bot.currency or self.settings.currency}" != self.money_unit()
        ]

    @property
    def good(self) -> str:
        """The colour of what is as it should be."""
        return self.settings.success_colour

    @property
    def warn(self) -> str:
        """The colour of a warning."""
        return self.settings.severities.warning.colour

    @property
    def bad(self) -> str:
        """The colour of what is critical."""
        return self.settings.severities.critical.colour

    def money(
        self, title: str, description: str, expr: str, *, empty: str, steps: Sequence[Step] = ()
    ) -> Stat:
        """Return a sum of money now, one for each currency; `expr` has `%s` where the matchers go."""
        sums = [
            Query(f"sum({expr % matchers})", currency) for currency, matchers in self.currencies().items()
        ]
        return self.stat(
            title,
            description,
            sums,
            unit=self.money_unit(),
            decimals=self.settings.dashboards.decimals.money,
            empty=empty,
            steps=steps,
            overrides=[override(currency, unit=f"suffix:{currency}") for currency in self.currencies()],
            text="value",
            size="medium",
        )

    def stat(
        self,
        title: str,
        description: str,
        queries: Sequence[Query],
        *,
        unit: str,
        empty: str,
        steps: Sequence[Step] = (),
        decimals: int | None = None,
        overrides: Sequence[Json] = (),
        text: Literal["auto", "value", "value_and_name"] = "auto",
        size: Size = "small",
    ) -> Stat:
        """Return a panel of the value now; `empty` is what it says when nothing is known."""
        return Stat(
            **self._common(title, description, size, steps),
            targets=list(_targets(queries, instant=True)),
            format=unit,
            decimals=decimals,
            noValue=empty,
            reduceCalc="lastNotNull",
            graphMode="none",
            textMode=text,
            color={"mode": "thresholds"},
            overrides=list(overrides),
        )

    def lines(
        self,
        title: str,
        description: str,
        queries: Sequence[Query],
        *,
        unit: str,
        empty: str,
        colour: str | None = None,
        limit: float | None = None,
        filled: bool = False,
        decimals: int | None = None,
        overrides: Sequence[Json] = (),
        size: Size = "xlarge",
    ) -> TimeSeries:
        """Return lines over time, with `limit` drawn and always within sight."""
        colours = self.settings.dashboards.colours
        alone = len(self.settings.bots) < 2  # several bots need a colour each
        steps = [Step("transparent")]
        scale: Json = {}
        if limit is not None:
            steps.append(Step(self.bad, limit))
            scale = {"axisSoftMin": 0, "axisSoftMax": limit * 1.1}
        extra: Json = {"fieldConfig": {"defaults": {"noValue": empty, "custom": scale}}}
        if alone:
            extra["fieldConfig"]["defaults"]["color"] = {
                "mode": "fixed",
                "fixedColor": colour or colours.lines.default,
            }
        return TimeSeries(
            **self._common(title, description, size, steps),
            targets=list(_targets(queries)),
            unit=unit,
            valueDecimals=decimals,
            lineWidth=colours.line_width,
            lineInterpolation="smooth" if filled else "linear",
            fillOpacity=10 if filled else 0,
            showPoints="never",
            tooltipMode="multi",
            legendCalcs=["lastNotNull"],
            thresholdsStyleMode="off" if limit is None else "line",
            overrides=list(overrides),
            extraJson=extra,
        )

    def states(
        self,
        title: str,
        description: str,
        queries: Sequence[Query],
        mapping: Json,
        *,
        empty: str,
        size: Size = "large",
    ) -> StateTimeline:
        """Return a band a series, coloured and named by `mapping`."""
        return StateTimeline(
            **self._common(title, description, size),
            targets=list(_targets(queries)),
            mappings=[mapping],
            extraJson={"fieldConfig": {"defaults": {"noValue": empty, "unit": "short"}}},
        )

    def table(
        self,
        title: str,
        description: str,
        rows: dict[str, str],
        columns: Sequence[Column],
        *,
        empty: str,
        first: str,
        overrides: Sequence[Json] = (),
        size: Size = "full",
    ) -> Table:
        """Return a table: a row a value of the labels `rows` (name → title), sorted by `first` falling."""
        values = [f"Value #{ref}" for ref, _ in zip(ascii_uppercase, columns, strict=False)]
        values = values if len(columns) > 1 else ["Value"]  # as Grafana names the result of one query
        pairs = list(zip(values, columns, strict=True))
        shown = rows | {column.label or value: column.title for value, column in pairs}
        hidden = {value: True for value, column in pairs if column.label}
        organize = {
            "excludeByName": {"Time": True} | hidden,
            "renameByName": shown,
            "indexByName": {name: index for index, name in enumerate(shown)},
        }
        return Table(
            **self._common(title, description, size),
            targets=list(_targets([Query(column.expr, "") for column in columns], instant=True, table=True)),
            transformations=[{"id": "merge", "options": {}}, {"id": "organize", "options": organize}],
            overrides=[*(_cell(column) for column in columns), *overrides],
            sortBy=[core.TableSortByField(displayName=first, desc=True)],
            unit="short",
            extraJson={"fieldConfig": {"defaults": {"noValue": empty}}},
        )

    def dashboard(
        self, uid: str, title: str, description: str, widget: Widget, panels: Sequence[core.Panel]
    ) -> Dashboard:
        """Return the dashboard of these panels, laid out in their order."""
        shown = self.settings.dashboards
        ranges = [_span(one) for one in shown.ranges]
        paces = {shown.refresh, *(one.refresh for _, one in shown.widgets)}
        zone = self.settings.timezone
        return Dashboard(
            uid=uid,
            title=title,
            description=description,
            tags=["nightdesk"],
            panels=list(_flow(panels)),
            templating=core.Templating(list=_variables()),
            refresh=_seconds(widget.refresh),
            time=core.Time(f"now-{_span(shown.default_range)}", "now"),
            timePicker=TimePicker(
                refreshIntervals=[_seconds(pace) for pace in sorted(paces)],
                timeOptions=ranges,
            ),
            timezone="utc" if zone == "UTC" else zone,
            graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
            editable=False,
        )

    def _common(self, title: str, description: str, size: Size, steps: Sequence[Step] = ()) -> Json:
        cells = (
            [_UNITS, self.settings.dashboards.sizes.xlarge[1]]
            if size == "full"
            else getattr(self.settings.dashboards.sizes, size)
        )
        return {
            "title": title,
            "description": description,
            "id": zlib.crc32(title.encode()) % 1_000_000 + 1,  # a panel keeps its links wherever it is moved
            "dataSource": _DATASOURCE,
            "thresholds": list(steps) or [Step(self.settings.dashboards.colours.lines.default)],
            "maxDataPoints": None,
            "gridPos": core.GridPos(w=cells[0] * _COLUMNS // _UNITS, h=cells[1] * _UNIT_HEIGHT, x=0, y=0),
        }


def _flow(panels: Iterable[core.Panel]) -> Iterator[core.Panel]:
    """Yield the panels placed from left to right, a new shelf where the row is full."""
    x = y = shelf = 0
    for panel in panels:
        place = panel.gridPos
        if x + place.w > _COLUMNS:
            x, y, shelf = 0, y + shelf, 0
        place.x, place.y = x, y
        x, shelf = x + place.w, max(shelf, place.h)
        yield panel


def _targets(queries: Sequence[Query], *, instant: bool = False, table: bool = False) -> Iterator[Target]:
    for ref, query in zip(ascii_uppercase, queries, strict=False):
        yield Target(
            expr=query.expr,
            legendFormat=query.legend,
            refId=ref,
            instant=instant,
            format="table" if table else "time_series",
            datasource=_DATASOURCE,
        )


def _cell(column: Column) -> Json:
    """Return how the cells of a column are written and coloured."""
    if column.label:
        return override(column.title, noValue="")
    properties: Json = {"unit": column.unit}
    if column.decimals is not None:
        properties["decimals"] = column.decimals
    if column.mapping:
        properties["mappings"] = [column.mapping]
    if column.steps:
        properties["thresholds"] = {"mode": "absolute", "steps": list(column.steps)}
    if column.steps or column.mapping:
        properties |= {"color": {"mode": "thresholds"}, "custom__displayMode": "color-text"}
    return override(column.title, **properties)


def _variables() -> list[Variable]:
    return [
        Variable(name="datasource", label="Data source", type="datasource", query="prometheus"),
        Variable(
            name="bot",
            label="Bot",
            query="label_values(trading_bot_up, bot)",
            dataSource=_DATASOURCE,
            includeAll=True,
            allValue=".+",
            multi=True,
            refresh=core.REFRESH_ON_TIME_RANGE_CHANGE,
        ),
    ]


def _seconds(pace: Duration) -> str:
    """Return a refresh as Grafana reads it: one number and one unit."""
    return f"{round(pace)}s"


def _span(duration: Duration) -> str:
    """Return a range in the largest unit that holds it whole; a day is 24h, as Grafana's own list has it."""
    seconds = round(duration)
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % length == 0 and (unit != "d" or seconds > length):
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
