"""How every dashboard looks: panels in the colours, sizes and decimals of the settings."""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from grafanalib import core

from grafana.lacking import Json, Kind, Stat, StateTimeline, Step, TimeSeries
from grafana.parts import COUNT, DATASOURCE, RATIO, Pace, Query, override, painted, targets
from grafana.promql import BOT
from stack.settings import Settings

COLUMNS, _UNITS = 24, 8  # Grafana's grid, and that of settings.dashboards.sizes
_UNIT_HEIGHT = 4  # rows of 30 pixels: a unit is then about as high as it is wide
_REDUCED: Json = {"calcs": ["lastNotNull"], "fields": "", "values": False}

Size = Literal["small", "medium", "large", "xlarge", "full"]


@dataclass(frozen=True)
class Look:
    """Makes panels in the colours, sizes, decimals and units of the settings.

    `helps` is what each metric means, by its full name: what a panel says of itself ends with that.
    """

    settings: Settings
    helps: Mapping[str, str]

    @property
    def alone(self) -> bool:
        """Whether one bot is watched, so that no series needs its name."""
        return len(self.settings.bots) < 2

    def who(self, *rest: str) -> str:
        """Return the name of a series: its bot, unless that is the only one, and the rest."""
        return " ".join(rest if self.alone and rest else ("{{bot}}", *rest))

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

    def money_of_bots(self) -> Json:
        """Return unit and decimals of the money of series that begin with the name of a bot."""
        others = {
            name: f"suffix:{bot.currency or self.settings.currency}"
            for name, bot in self.settings.bots.items()
        }
        return {
            "unit": self.money_unit(),
            "decimals": self.settings.dashboards.decimals.money,
            "overrides": [
                override(f"/^{re.escape(name)}( |$)/", "byRegexp", unit=unit)
                for name, unit in others.items()
                if unit != self.money_unit()
            ],
        }

    @property
    def ratio(self) -> Json:
        """Unit and decimals of what is 0 to 1."""
        return {"unit": RATIO, "decimals": self.settings.dashboards.decimals.ratio}

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

    @property
    def calm(self) -> str:
        """The colour of what is neither good nor bad."""
        return self.settings.severities.info.colour

    def scale(self, kind: Literal["usage", "risk"]) -> list[Step]:
        """Return the steps of a gauge: colours of a scale, no alert's limits."""
        low, middle, high = getattr(self.settings.dashboards.gauge_steps, kind)
        return [Step(self.good), Step(self.good, low), Step(self.warn, middle), Step(self.bad, high)]

    def at_most(self, warning: float | None, critical: float | None = None) -> list[Step]:
        """Return the steps of what is good below its limits."""
        found = [Step(self.good)]
        found += [Step(self.warn, warning)] if warning is not None else []
        return [*found, Step(self.bad, critical)] if critical is not None else found

    def at_least(self, warning: float, critical: float | None = None) -> list[Step]:
        """Return the steps of what is good from its limits on."""
        below = [Step(self.warn)] if critical is None else [Step(self.bad), Step(self.warn, critical)]
        return [*below, Step(self.good, warning)]

    def money(
        self,
        title: str,
        words: str,
        expr: str,
        *,
        empty: str,
        steps: Sequence[Step] = (),
        size: Size = "medium",
    ) -> Stat:
        """Return a sum of money now, one for each currency; `expr` has `%s` where the matchers go."""
        sums = [
            Query(f"sum(max by (bot) ({expr % matchers}))", currency)
            for currency, matchers in self.currencies().items()
        ]
        return self.stat(
            title,
            words,
            sums,
            unit=self.money_unit(),
            decimals=self.settings.dashboards.decimals.money,
            empty=empty,
            steps=steps,
            overrides=[override(currency, unit=f"suffix:{currency}") for currency in self.currencies()],
            size=size,
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
    ) -> Stat:
        """Return a panel of the value now; `empty` is what it says when nothing is known."""
        return Stat(
            **self.common(title, words, queries, size, steps),
            targets=list(targets(queries, instant=True)),
            format=unit,
            decimals=decimals,
            noValue=empty,
            reduceCalc="lastNotNull",
            graphMode="none",
            textMode=text,
            color={"mode": "thresholds"},
            mappings=[mapping] if mapping else [],
            overrides=list(overrides),
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
        """Return a gauge from 0 to `top` of each value now."""
        options: Json = {"reduceOptions": _REDUCED, "orientation": "auto"}
        return Kind(
            kind="gauge",
            **self.common(title, words, queries, size, steps),
            **self._shown(queries, options, unit=unit, decimals=decimals, empty=empty, top=top),
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
        """Return a horizontal bar for each value now."""
        options: Json = {"reduceOptions": _REDUCED, "orientation": "horizontal", "displayMode": "basic"}
        return Kind(
            kind="bargauge",
            **self.common(title, words, queries, size, steps),
            **self._shown(queries, options, unit=unit, decimals=decimals, empty=empty, top=top),
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
        """Return the shares of a whole; `colours` by name, else those of the settings in turn."""
        pie = self.settings.dashboards.colours.pie
        fixed = colours or {query.legend: pie[at % len(pie)] for at, query in enumerate(queries)}
        legend: Json = {"displayMode": "list", "placement": "bottom", "showLegend": True}
        options: Json = {
            "reduceOptions": _REDUCED,
            "pieType": "pie",
            "legend": legend | {"values": ["value", "percent"]},
            "tooltip": {"mode": "single", "sort": "none"},
        }
        common = self._shown(queries, options, unit=unit, decimals=0, empty=empty)
        common["defaults"] |= {"color": {"mode": "palette-classic"}}
        return Kind(
            kind="piechart",
            **self.common(title, words, queries, size),
            **common,
            overrides=[painted(name, colour) for name, colour in fixed.items()],
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
        """Return a row for each series, a cell for each point, the darker the more."""
        options: Json = {
            "calculate": False,
            "cellGap": 1,
            "cellValues": {"unit": unit},
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "reverse": False},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "showValue": "never",
            "tooltip": {"show": True, "yHistogram": False},
            "yAxis": {"axisPlacement": "left", "reverse": False},
        }
        return Kind(
            kind="heatmap",
            **self.common(title, words, [query], size, pace=pace),
            **self._shown([query], options, unit=unit, decimals=0, empty=empty, instant=False),
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
        pace: Pace = Pace(),  # noqa: B008 - frozen
        size: Size = "xlarge",
    ) -> TimeSeries:
        """Return lines (or stacked columns) over time, the limits drawn and always within sight.

        One bot's line has `colour`; several bots, or `many` lines of one, need a colour each.
        """
        colours = self.settings.dashboards.colours
        bounds = [step.value for step in limits if step.value is not None]
        scale = {"axisSoftMin": min(0, *bounds) * 1.1, "axisSoftMax": max(0, *bounds) * 1.1} if bounds else {}
        defaults: Json = {"noValue": empty, "custom": scale}
        if self.alone and not many:
            fixed = colour or (colours.bars if columns else colours.lines.default)
            defaults["color"] = {"mode": "fixed", "fixedColor": fixed}
        return TimeSeries(
            **self.common(title, words, queries, size, [Step("transparent"), *limits], pace),
            targets=list(targets(queries)),
            unit=unit,
            valueDecimals=decimals,
            drawStyle="bars" if columns else "line",
            barAlignment=1 if columns else 0,  # a column stands for what follows its point
            stacking={"mode": "normal", "group": "A"} if columns else {},
            lineWidth=colours.bar_width if columns else colours.line_width,
            lineInterpolation="smooth" if filled else "linear",
            fillOpacity=80 if columns else 10 if filled else 0,
            showPoints="never",
            tooltipMode="multi",
            legendCalcs=["sum" if columns else "lastNotNull"],
            thresholdsStyleMode="line" if limits else "off",
            overrides=list(overrides),
            extraJson={"fieldConfig": {"defaults": defaults}},
        )

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
        """Return a band a series, coloured and named by `mapping`."""
        return StateTimeline(
            **self.common(title, words, queries, size),
            targets=list(targets(queries)),
            mappings=[mapping],
            extraJson={"fieldConfig": {"defaults": {"noValue": empty, "unit": "short"}}},
        )

    def _shown(
        self,
        queries: Sequence[Query],
        options: Json,
        *,
        unit: str,
        decimals: int | None,
        empty: str,
        top: float | None = None,
        instant: bool = True,
    ) -> Json:
        defaults: Json = {
            "unit": unit,
            "decimals": decimals,
            "noValue": empty,
            "color": {"mode": "thresholds"},
        }
        if top is not None:
            defaults |= {"min": 0, "max": top}
        found = list(targets(queries, instant=instant))
        return {"targets": found, "options": options, "defaults": defaults}

    def common(
        self,
        title: str,
        words: str,
        queries: Sequence[Query],
        size: Size,
        steps: Sequence[Step] = (),
        pace: Pace = Pace(),  # noqa: B008 - frozen
    ) -> Json:
        cells = (
            [_UNITS, self.settings.dashboards.sizes.xlarge[1]]
            if size == "full"
            else getattr(self.settings.dashboards.sizes, size)
        )
        return {
            "title": title,
            "description": self._described(words, queries),
            "id": zlib.crc32(title.encode()) % 1_000_000 + 1,  # a panel keeps its links wherever it is moved
            "dataSource": DATASOURCE,
            "thresholds": list(steps) or [Step(self.settings.dashboards.colours.lines.default)],
            "maxDataPoints": None,
            "interval": pace.step,
            "timeFrom": pace.back,
            "gridPos": core.GridPos(w=cells[0] * COLUMNS // _UNITS, h=cells[1] * _UNIT_HEIGHT, x=0, y=0),
        }

    def _described(self, words: str, queries: Sequence[Query]) -> str:
        """Return what is said of a panel and what each metric that it shows means."""
        named = re.findall(r"\b(?:trading_bot|nightdesk)_\w+", " ".join(query.expr for query in queries))
        bare = [re.sub(r"_(bucket|sum|count)$", "", name) for name in named]
        meant = {name: self.helps[name] for name in bare if name in self.helps}
        if len(meant) < 2:
            return "\n\n".join([text for text in (words, *meant.values()) if text])
        return "\n".join([words, "", *(f"- `{name}`: {meaning}" for name, meaning in meant.items())]).strip()
