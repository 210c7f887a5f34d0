"""The common parts of panels: size, description, queries, and a text for no value."""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from grafana.currencies import Currencies
from grafana.grafanalib_extensions import Json, Step, core
from grafana.grid import COLUMNS
from grafana.panel_fields import DATASOURCE, Pace, Query, targets, unknown

UNITS = 8  # units of settings.dashboards.sizes across the page
_UNIT_HEIGHT = 4  # rows of 30 pixels: a unit is then about as high as it is wide

Size = Literal["small", "medium", "large", "xlarge", "full"]


@dataclass(frozen=True)
class Outline(Currencies):
    """Makes the common parts of panels.

    `helps` has the meaning of each metric by its full name; a panel's description ends with it.
    """

    helps: Mapping[str, str]

    def shown(
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
        """Return the queries, options and defaults of a panel of values."""
        defaults: Json = {
            "unit": unit,
            "decimals": decimals,
            "noValue": empty,
            "mappings": [unknown(empty)],
            "color": {"mode": "thresholds"},
            "min": 0,
        }
        if top is not None:
            defaults["max"] = top
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
        """Return title, description, size and data source, which every panel has."""
        cells = self.cells(size)
        return {
            "title": title,
            "description": self._described(words, queries),
            "id": zlib.crc32(title.encode()) % 1_000_000 + 1,  # a panel keeps its links wherever it moves
            "dataSource": DATASOURCE,
            "thresholds": list(steps) or [Step(self.colours.lines.default)],
            "maxDataPoints": None,
            "interval": pace.step,
            "timeFrom": pace.back,
            "gridPos": core.GridPos(w=cells[0] * COLUMNS // UNITS, h=cells[1] * _UNIT_HEIGHT, x=0, y=0),
        }

    def cells(self, size: Size) -> Sequence[int]:
        """Return the width and height of a size, in units."""
        sizes = self.settings.dashboards.sizes
        return [UNITS, sizes.xlarge[1]] if size == "full" else getattr(sizes, size)

    def _described(self, words: str, queries: Sequence[Query]) -> str:
        """Return a panel's description with the meaning of each metric that it shows."""
        named = re.findall(r"\b(?:trading_bot|nightdesk)_\w+", " ".join(query.expr for query in queries))
        bare = [re.sub(r"_(bucket|sum|count)$", "", name) for name in named]
        meant = {name: self.helps[name] for name in bare if name in self.helps}
        if len(meant) < 2:
            return "\n\n".join([text for text in (words, *meant.values()) if text])
        return "\n".join([words, "", *(f"- `{name}`: {meaning}" for name, meaning in meant.items())]).strip()
