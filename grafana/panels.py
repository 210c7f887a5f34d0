"""Makes the panels of every dashboard, with the colours, sizes and decimals of the settings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Literal

from grafana.grafanalib_extensions import Json, Kind, Stat, StateTimeline, Step, TimeSeries
from grafana.panel_defaults import Outline
from grafana.panel_defaults import Size as Size
from grafana.panel_fields import (
    COUNT,
    NEUTRAL,
    SECONDS,
    Pace,
    Query,
    money_axis,
    override,
    painted,
    targets,
    unknown,
)
from grafana.panel_fields import money as money_in
from grafana.promql import Worst, extreme
from grafana.sums import summed

MOST_LINES = 8  # the number of lines that eyes can tell apart on one chart
# How many values a label can have; a label that is not here has no limit.
_VALUES = {
    "outcome": 3,
    "side": 2,
    "severity": 4,
    "source": 3,
    "percent": 2,
    "objective": 6,
    "figure": 2,
    "alarm": 2,
}
_BARS: Json = {"sizing": "manual", "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 48}  # pixels
_BESIDE = ("limit", "reference")  # how lines end that belong to no bot
_REDUCED: Json = {"calcs": ["lastNotNull"], "fields": "", "values": False}


class PanelFactory(Outline):
    """Makes panels in the colours, sizes, decimals and units of the settings."""

    def money(
        self,
        title: str,
        words: str,
        expr: str,
        *,
        empty: str,
        whole: str | None = None,
        steps: Sequence[Step] = (),
        size: Size = "medium",
        to: str | None = None,
    ) -> Stat:
        """Return the current sum of money for each currency; `%s` in `expr` stands for the matchers.

        The sum includes the last known values of bots that do not answer, and its name has their number. The
        name also has the number of bots with the figure `whole` whose value is unknown.
        """
        sums, units = list[Query](), list[Json]()
        for currency, matchers in self.currencies().items():
            of_bots = f"max by (bot) ({expr.replace('%s', matchers)})"
            every = None if whole is None else f"max by (bot) ({whole.replace('%s', matchers)})"
            found = summed(of_bots, currency, every)
            refs = ascii_uppercase[len(sums) : len(sums) + len(found)]
            units += [override(ref, "byFrameRefID", unit=money_in(currency)) for ref in refs]
            if (
                whole is not None
            ):  # the unknown bot may have lost, so a profit of the others is not shown as good
                doubted = [
                    replace(one, colour=NEUTRAL) if one.colour == self.colours.won else one for one in steps
                ]
                units.append(
                    override(refs[-1], "byFrameRefID", thresholds={"mode": "absolute", "steps": doubted})
                )
            sums += found
        return self.stat(
            title,
            words,
            sums,
            unit=self.money_unit(),
            decimals=self.settings.dashboards.decimals.money,
            empty=empty,
            steps=steps,
            overrides=units,
            text="value_and_name",
            size=size,
            to=to,
        )

    def stat(
        self,
        title: str,
        words: str,
        queries: Sequence[Query],
        *,
        empty: str,
        unit: str = COUNT,
        steps: Sequence[Step] = (),
        decimals: int | None = None,
        overrides: Sequence[Json] = (),
        mapping: Json | None = None,
        text: Literal["value", "value_and_name"] = "value",
        size: Size = "small",
        to: str | None = None,
    ) -> Stat:
        """Return a panel of the current value; `empty` is the text for no value.

        A click opens the address `to`.
        """
        links = [{"title": "Open", "url": to}] if to else []
        return Stat(
            **self.common(title, words, queries, size, steps or [Step(NEUTRAL)]),
            targets=list(targets(queries, instant=True)),
            format=unit,
            decimals=decimals,
            noValue=empty,
            reduceCalc="lastNotNull",
            graphMode="none",
            orientation="horizontal",  # one below the other, each with the panel's width
            textMode=text,
            color={"mode": "thresholds"},
            mappings=[*([mapping] if mapping else []), unknown(empty)],
            overrides=list(overrides),
            extraJson={
                # Names above values; beside them names have only a third of the width.
                "options": {"wideLayout": False, "text": {"titleSize": 13} if text != "value" else {}},
                "fieldConfig": {"defaults": {"links": links}},
            },
        )

    def gauge(
        self,
        title: str,
        words: str,
        queries: Sequence[Query],
        *,
        unit: str,
        empty: str,
        steps: Sequence[Step],
        decimals: int | None = None,
        top: float = 1,
        size: Size = "medium",
    ) -> Kind:
        """Return a gauge of each current value, from 0 to `top`."""
        options: Json = {"reduceOptions": _REDUCED, "orientation": "auto"}
        return Kind(
            kind="gauge",
            **self.common(title, words, queries, size, steps),
            **self.shown(queries, options, unit=unit, decimals=decimals, empty=empty, top=top),
        )

    def bars(
        self,
        title: str,
        words: str,
        queries: Sequence[Query],
        *,
        unit: str,
        empty: str,
        steps: Sequence[Step] = (),
        decimals: int | None = None,
        top: float | None = None,
        overrides: Sequence[Json] = (),
        size: Size = "large",
    ) -> Kind:
        """Return a horizontal bar from zero for each current value; a possible loss is in a table."""
        options: Json = {
            "reduceOptions": _REDUCED,
            "orientation": "horizontal",
            "displayMode": "basic",
            **_BARS,
        }
        # Grafana gives names the width of the one with the most letters, at 12 pixels: others may be wider.
        if any("," in query.legend for query in queries):
            options["text"] = {"titleSize": 11}
        return Kind(
            kind="bargauge",
            **self.common(title, words, queries, size, steps),
            **self.shown(queries, options, unit=unit, decimals=decimals, empty=empty, top=top),
            overrides=list(overrides),
        )

    def pie(
        self,
        title: str,
        words: str,
        queries: Sequence[Query],
        *,
        unit: str,
        empty: str,
        colours: Mapping[str, str] | None = None,
        size: Size = "large",
    ) -> Kind:
        """Return the shares of a whole; `colours` by name, else the settings' colours in turn.

        A share of 0 is not drawn, and a whole of 0 shows `empty`. A name may end with its age.
        """
        pie = self.colours.pie
        fixed = colours or {query.legend: pie[at % len(pie)] for at, query in enumerate(queries)}
        legend: Json = {"displayMode": "list", "placement": "bottom", "showLegend": True}
        options: Json = {
            "reduceOptions": _REDUCED,
            "pieType": "pie",
            "legend": legend | {"values": ["value", "percent"]},
            "tooltip": {"mode": "single", "sort": "none"},
        }
        queries = [Query(f"({query.expr}) > 0", query.legend) for query in queries]
        common = self.shown(queries, options, unit=unit, decimals=0, empty=empty)
        common["defaults"] |= {"color": {"mode": "palette-classic"}}
        return Kind(
            kind="piechart",
            **self.common(title, words, queries, size),
            **common,
            overrides=[
                override(
                    f"/^{re.escape(name)}(:|$)/", "byRegexp", color={"mode": "fixed", "fixedColor": colour}
                )
                for name, colour in fixed.items()
            ],
        )

    def heat(
        self,
        title: str,
        words: str,
        query: Query,
        *,
        unit: str,
        empty: str,
        pace: Pace,
        size: Size = "xlarge",
    ) -> Kind:
        """Return a heatmap: a row for each series, a cell for each point, darker for more."""
        options: Json = {
            "calculate": False,
            "cellGap": 1,
            "cellValues": {"unit": unit},
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "reverse": False},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "showValue": "never",
            "tooltip": {"mode": "single", "yHistogram": False},
            "yAxis": {"axisPlacement": "left", "reverse": False},
        }
        return Kind(
            kind="heatmap",
            **self.common(title, words, [query], size, pace=pace),
            **self.shown([query], options, unit=unit, decimals=0, empty=empty, instant=False),
        )

    def lines(
        self,
        title: str,
        words: str,
        queries: Sequence[Query],
        *,
        unit: str,
        empty: str,
        colour: str | None = None,
        many: bool = False,
        limits: Sequence[Step] = (),
        filled: bool = False,
        columns: bool = False,
        decimals: int | None = None,
        overrides: Sequence[Json] = (),
        worst: Worst = "highest",
        pace: Pace = Pace(),  # noqa: B008 - frozen
        size: Size = "xlarge",
    ) -> TimeSeries:
        """Return lines (or stacked columns) over time, with the limits always visible.

        One bot's line has `colour`; several bots, or `many` lines of one, need a colour each. If there may be
        too many lines to follow, the chart draws the `worst`. Grafana chooses the decimals instead of
        `decimals`: a fixed number repeats the labels of an axis.
        """
        del decimals
        bounds = [step.value for step in limits if step.value is not None]
        scale = {"axisSoftMin": min(0, *bounds) * 1.1, "axisSoftMax": max(0, *bounds) * 1.1} if bounds else {}
        if unit == SECONDS:
            scale.setdefault(
                "axisSoftMin", 0.0
            )  # otherwise labels repeat: Grafana gives hours at most two decimals
        if filled:  # an area stands for what lies between zero and its line
            scale |= {"axisSoftMin": 0, "axisSoftMax": 0}
        if unit == COUNT:  # a legend has three decimals of it
            queries = [Query(f"round({query.expr})", query.legend) for query in queries]
        defaults: Json = {"noValue": empty, "custom": scale} | ({"min": 0} if columns else {})
        if self.alone and not many:
            fixed = colour or (self.colours.bars if columns else self.colours.lines.default)
            defaults["color"] = {"mode": "fixed", "fixedColor": fixed}
        drawn, few = self._few(queries, worst)
        words = f"{words} {few}".strip()
        return TimeSeries(
            **self.common(title, words, queries, size, [Step("transparent"), *limits], pace),
            targets=list(targets(drawn)),
            unit=unit,
            drawStyle="bars" if columns else "line",
            barAlignment=1 if columns else 0,  # a column shows the time after its point
            stacking={"mode": "normal" if columns else "none", "group": "A"},
            lineWidth=self.colours.bar_width if columns else self.colours.line_width,
            lineInterpolation="smooth" if filled else "linear",
            fillOpacity=80 if columns else 10 if filled else 0,
            showPoints="never",
            tooltipMode="multi",
            legendCalcs=["sum" if columns else "lastNotNull"],
            thresholdsStyleMode="line" if limits else "off",
            overrides=[*self._apart(queries), *overrides],
            extraJson={"fieldConfig": {"defaults": defaults}},
        )

    def _apart(self, queries: Sequence[Query]) -> list[Json]:
        """Return the colours of bots, the same on all charts, and of what bots are measured by."""
        found = list[Json]()
        named = [query.legend for query in queries if not query.legend.endswith(_BESIDE)]
        grey, dashed = {"mode": "fixed", "fixedColor": NEUTRAL}, {"fill": "dash", "dash": [6, 6]}
        for word in _BESIDE:
            if any(query.legend.endswith(word) for query in queries):
                found.append(override(f"/{word}$/", "byRegexp", color=grey, custom__lineStyle=dashed))
        if self.alone or len(named) != 1 or named[0].count("{{") != 1:
            return found
        hues = self.colours.bots
        bots = {named[0].replace("{{bot}}", bot): at for at, bot in enumerate(self.settings.bots)}
        return [*(painted(line, hues[at % len(hues)]) for line, at in bots.items()), *found]

    def _few(self, queries: Sequence[Query], worst: Worst) -> tuple[Sequence[Query], str]:
        """Return the queries, cut to the worst lines if there may be too many, and a text that says so."""
        many = {**_VALUES, "bot": len(self.settings.bots)}
        if sum(query.lines(many) for query in queries) <= MOST_LINES:
            return queries, ""
        each = MOST_LINES // len(queries)
        cut = [Query(extreme(query.expr, each, worst), query.legend) for query in queries]
        return cut, f"The {each} {worst} now."

    def money_lines(
        self,
        title: str,
        words: str,
        queries: Sequence[Query],
        *,
        empty: str,
        worst: Worst = "lowest",
        many: bool = False,
        limits: Sequence[Step] = (),
        filled: bool = False,
        size: Size = "xlarge",
    ) -> list[TimeSeries]:
        """Return a chart of money for each currency; `%s` in a query stands for the matchers."""
        currencies = self.currencies()
        return [
            self.lines(
                title if len(currencies) < 2 else f"{title}, {currency}",
                words,
                [Query(query.expr.replace("%s", matchers), query.legend) for query in queries],
                unit=money_axis(currency),
                empty=empty if len(currencies) < 2 else f"no {currency} bot chosen, or {empty}",
                worst=worst,
                many=many,
                limits=limits,
                filled=filled,
                size=size,
            )
            for currency, matchers in currencies.items()
        ]

    def states(
        self,
        title: str,
        words: str,
        queries: Sequence[Query],
        mapping: Json,
        *,
        empty: str,
        size: Size = "large",
    ) -> StateTimeline:
        """Return one band a series, coloured and named by `mapping`."""
        return StateTimeline(
            **self.common(title, words, queries, size),
            targets=list(targets(queries)),
            mappings=[mapping],
            extraJson={"fieldConfig": {"defaults": {"noValue": empty, "unit": "short"}}},
        )
