"""Lays out panels: rows that fold, shelves that fill the grid from edge to edge."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from grafana.grafanalib_extensions import RowHead, core

COLUMNS = 24  # of Grafana's grid


@dataclass(frozen=True)
class Row:
    """Panels under a title; `folded` until someone opens it; once for each value of the variable `each`."""

    title: str
    panels: Sequence[core.Panel]
    folded: bool = False
    each: str | None = None


def laid(parts: Iterable[core.Panel | Row]) -> list[core.Panel]:
    """Return panels and row headers, each with its place; panels before the first row have no header."""
    y, found = 0, list[core.Panel]()
    for row in _rows(parts):
        within = list(row.panels)
        if row.title:
            head = RowHead(
                title=row.title,
                id=zlib.crc32(f"row {row.title}".encode()) % 1_000_000 + 1,
                collapsed=row.folded,
                panels=within if row.folded else [],
                repeat=core.Repeat(variable=row.each),
                gridPos=core.GridPos(x=0, y=y, w=COLUMNS, h=1),
            )
            found.append(head)
            y += 1
        bottom = y
        for shelf in _shelves(within):
            bottom = _stand(shelf, bottom)
        if not row.folded or not row.title:
            found += within
            y = bottom
    return found


def panels_of(parts: Iterable[core.Panel | Row]) -> list[core.Panel]:
    """Return all panels, also those in rows."""
    return [panel for row in _rows(parts) for panel in row.panels]


def _rows(parts: Iterable[core.Panel | Row]) -> Iterator[Row]:
    for loose, group in groupby(parts, key=lambda part: not isinstance(part, Row)):
        if loose:
            yield Row("", list(group))
        else:
            yield from (row for row in group if row.panels)


def _shelves(panels: Sequence[core.Panel]) -> Iterator[list[core.Panel]]:
    """Yield shelves of panels of one height: as few as possible, as evenly filled as possible."""
    for _, group in groupby(panels, key=lambda panel: panel.gridPos.h):
        several = list(group)
        fewest = len(_packed(several, COLUMNS))
        fits = (width for width in range(1, COLUMNS + 1) if len(_packed(several, width)) == fewest)
        yield from _packed(several, next(fits))


def _packed(panels: Sequence[core.Panel], width: int) -> list[list[core.Panel]]:
    shelves, used = list[list[core.Panel]](), width
    for panel in panels:
        needs = _needs(panel)
        if not shelves or used + needs > width:
            shelves.append([])
            used = 0
        shelves[-1].append(panel)
        used += needs
    return shelves


def _needs(panel: core.Panel) -> int:
    """Return the fewest columns of a panel: two wide ones share a shelf."""
    wide: int = panel.gridPos.w
    half = COLUMNS // 2
    return half if half < wide < COLUMNS else wide


def _stand(shelf: Sequence[core.Panel], y: int) -> int:
    """Place the panels of a shelf across its whole width; return where the next one begins."""
    wanted = [panel.gridPos.w for panel in shelf]
    height = max(panel.gridPos.h for panel in shelf)
    edges = [round(COLUMNS * sum(wanted[:at]) / sum(wanted)) for at in range(len(shelf) + 1)]
    for panel, left, right in zip(shelf, edges, edges[1:], strict=False):
        panel.gridPos = core.GridPos(x=left, y=y, w=right - left, h=height)
    return y + int(height)
