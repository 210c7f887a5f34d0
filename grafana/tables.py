"""Tables: a row for each label value, a query or a label in each column, cells coloured or as bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from grafana.grafanalib_extensions import Json, Step, Table, core
from grafana.panel_defaults import UNITS
from grafana.panel_fields import NEUTRAL, NUMBER, Query, money, override, targets, unknown
from grafana.panels import PanelFactory, Size

_LAPTOP = 1248  # the width of a table across the page, in pixels, on a screen of 1280
_NARROWEST = 80  # pixels: a dozen columns are visible on a laptop
_LETTER, _EDGES, _ARROW = 8, 16, 16  # pixels: the widest letter of a title, its margins, its arrow
# The pixels of a label's longest name.
_CELLS = {"alert": 272, "benchmark": 168, "event": 168, "limit": 120, "objective": 136}


@dataclass(frozen=True)
class Column:
    """A column of a table: a query with one value a row, or, with `label`, that label of the series.

    `top` draws the cell as a bar from 0 to it.
    """

    title: str
    expr: str
    unit: str = NUMBER
    decimals: int | None = None
    steps: Sequence[Step] = ()
    mapping: Json | None = None
    label: str = ""
    top: float | None = None


def amount(factory: PanelFactory, title: str, expr: str, steps: Sequence[Step] = ()) -> Column:
    """Return a column of money; `%s` in `expr` stands for the matchers of a currency.

    If bots have several currencies, the table's rows need `factory.by_currency`.
    """
    unit = money("") if factory.by_currency else factory.money_unit()
    return Column(title, factory.in_currencies(expr), unit, factory.settings.dashboards.decimals.money, steps)


def table(
    factory: PanelFactory,
    title: str,
    words: str,
    rows: Mapping[str, str],
    columns: Sequence[Column],
    *,
    empty: str,
    first: str | Mapping[str, bool],
    falling: bool = True,
    overrides: Sequence[Json] = (),
    size: Size = "full",
) -> Table:
    """Return a table with a row for each value of the labels `rows` (name → title), sorted by `first`.

    `first` is a column, or several in order of weight, each with whether it falls.
    """
    order = {first: falling} if isinstance(first, str) else first
    values = [f"Value #{ref}" for ref, _ in zip(ascii_uppercase, columns, strict=False)]
    values = values if len(columns) > 1 else ["Value"]  # Grafana's name of the result of a query
    pairs = list(zip(values, columns, strict=True))
    needs = {title: _needs(title, title in order, _CELLS.get(label, 0)) for label, title in rows.items()}
    needs |= {column.title: _needs(column.title, column.title in order) for column in columns}
    share = _share(_LAPTOP * factory.cells(size)[0] / UNITS, list(needs.values()))
    shown = dict(rows) | {column.label or value: column.title for value, column in pairs}
    hidden = {value: True for value, column in pairs if column.label}
    organize = {
        "excludeByName": {"Time": True} | hidden,
        "renameByName": shown,
        "indexByName": {name: index for index, name in enumerate(shown)},
    }
    queries = [Query(column.expr, "") for column in columns]
    return Table(
        **factory.common(title, words, queries, size, [Step(NEUTRAL)]),
        targets=list(targets(queries, instant=True, table=True)),
        transformations=[{"id": "merge", "options": {}}, {"id": "organize", "options": organize}],
        overrides=[
            *(override(title, noValue="–", **_width(needs[title], share)) for title in rows.values()),
            *(_cell(column, _width(needs[column.title], share)) for column in columns),
            *overrides,
        ],
        sortBy=[core.TableSortByField(displayName=name, desc=falls) for name, falls in order.items()],
        unit="short",
        extraJson={"fieldConfig": {"defaults": {"noValue": empty, "custom": {"minWidth": _NARROWEST}}}},
    )


def _needs(title: str, sorts: bool, cells: int = 0) -> int:
    """Return the pixels that show the whole title and cells of a column; `sorts` adds an arrow."""
    return max(_LETTER * len(title) + _EDGES + (_ARROW if sorts else 0), cells, _NARROWEST)


def _share(width: float, needs: Sequence[int]) -> float:
    """Return the pixels of a column when those that need more than that have what they need."""
    narrow, left = sorted(needs), width
    while len(narrow) > 1 and narrow[-1] > left / len(narrow):
        left -= narrow.pop()
    return left / len(narrow)


def _width(needs: int, share: float) -> Json:
    """Return a width for what a column needs: fixed if that is more than its share.

    Grafana subtracts the fixed widths, and divides the rest among the other columns.
    """
    if needs <= _NARROWEST:
        return {}
    return {"custom__width" if needs > share else "custom__minWidth": needs}


def _cell(column: Column, width: Json) -> Json:
    """Return the format and colours of a column's cells."""
    if column.label:
        return override(column.title, noValue="–", **width)
    properties: Json = {"unit": column.unit, "noValue": "–", **width}
    if column.decimals is not None:
        properties["decimals"] = column.decimals
    properties["mappings"] = [*([column.mapping] if column.mapping else []), unknown("–")]
    if column.steps:
        properties["thresholds"] = {"mode": "absolute", "steps": list(column.steps)}
    if column.top is not None:
        properties |= {"min": 0, "max": column.top, "custom__cellOptions": {"type": "gauge", "mode": "basic"}}
    elif column.steps or column.mapping:
        properties["custom__cellOptions"] = {"type": "color-text"}
    if column.steps or column.mapping:
        properties["color"] = {"mode": "thresholds"}
    return override(column.title, **properties)
