"""Every dashboard has rows, and its panels fill the grid, whatever sizes the settings choose."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grafana.grafanalib_extensions import core
from grafana.grid import COLUMNS, Row, laid
from tests.dashboards.conftest import settings_of
from tests.dashboards.reading import every

FILLED = 0.97
ODD_SIZES = {"small": [8, 1], "medium": [5, 3], "large": [1, 8], "xlarge": [7, 7]}
REPEATED = {"bot", "symbol"}
Board = dict[str, Any]


@pytest.fixture(scope="module", params=[{}, {"dashboards": {"sizes": ODD_SIZES}}, {"bots": {}}], ids=str)
def boards(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Board]:
    return every(settings_of(tmp_path_factory.mktemp("settings"), **request.param))


def sections(board: Board) -> Iterator[list[Board]]:
    """Yield the panels before the first row, and those of each row."""
    found = list[Board]()
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield found
            found = list(panel["panels"])
        else:
            found.append(panel)
    yield found


def filled(section: list[Board]) -> float:
    """Return the share of the area from the first shelf to the last that panels cover."""
    places = [panel["gridPos"] for panel in section]
    height = max(one["y"] + one["h"] for one in places) - min(one["y"] for one in places)
    return float(sum(one["w"] * one["h"] for one in places) / (COLUMNS * height))


def test_panels_fill_each_section_of_each_board(boards: dict[str, Board]) -> None:
    empty = {
        (name, section[0]["title"]): filled(section)
        for name, board in boards.items()
        for section in sections(board)
        if section and filled(section) < FILLED
    }
    assert empty == {}


def test_every_board_has_rows_that_fold(boards: dict[str, Board]) -> None:
    for name, board in boards.items():
        heads = [panel for panel in board["panels"] if panel["type"] == "row"]
        assert heads, name
        assert all(head["title"] and head["gridPos"]["w"] == COLUMNS for head in heads), name
        assert {head["repeat"] for head in heads if "repeat" in head} <= REPEATED


def test_panels_about_one_bot_have_a_row_for_each_bot(tmp_path: Path) -> None:
    several, alone = every(settings_of(tmp_path)), every(settings_of(tmp_path, bots={}))
    for name in ("system", "sla", "model"):
        assert [one["title"] for one in several[name]["panels"] if one.get("repeat") == "bot"]
        assert not [one for one in alone[name]["panels"] if one.get("repeat") == "bot"]
    assert [one["repeat"] for one in alone["market"]["panels"] if one["type"] == "row"] == ["symbol"]


def test_a_folded_row_holds_its_panels_and_takes_one_line() -> None:
    def panel(title: str) -> core.Panel:
        return core.Stat(title=title, gridPos=core.GridPos(x=0, y=0, w=6, h=4), dataSource=None)

    loose, head, other, last = laid(
        [panel("first"), Row("folded", [panel("a"), panel("b")], folded=True), Row("open", [panel("c")])]
    )
    assert [one.title for one in head.panels] == ["a", "b"]
    assert [one.gridPos.y for one in (loose, head, other, last)] == [0, 4, 5, 6]
    assert [(one.gridPos.x, one.gridPos.w) for one in head.panels] == [(0, 12), (12, 12)]


def test_as_many_panels_stand_on_each_shelf_as_evenly_as_may_be() -> None:
    tiles = [
        core.Stat(title=str(number), gridPos=core.GridPos(x=0, y=0, w=6, h=4), dataSource=None)
        for number in range(5)
    ]
    assert [one.gridPos.y for one in laid(tiles)] == [0, 0, 0, 4, 4]
    assert [one.gridPos.w for one in laid(tiles)] == [8, 8, 8, 12, 12]
