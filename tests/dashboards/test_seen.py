"""Faults that were seen on pictures of the dashboards, as tests of their structure."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.logs.patterns import PATTERNS
from tests.dashboards.conftest import END, serving, settings_of
from tests.dashboards.reading import View, every, panels, run
from tests.dashboards.test_charts import FEW

Board = dict[str, Any]
LETTERS_A_COLUMN = 4  # of a tile, of two values one below the other, on a screen of 1280
LETTERS_OF_A_NAME = 6.5  # a column, of the small name above a tile's value, on a screen of 1280
LAPTOP = 1248  # pixels of a table across the page, on a screen of 1280
ROW, GAP = 30, 8  # pixels of a row of the grid, and between rows
LETTER, EDGES, ARROW = 8, 16, 16  # pixels that a letter of a title takes at most, its sides, its arrow


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Board]:
    return every(settings_of(tmp_path_factory.mktemp("settings")))


def of_kind(boards: dict[str, Board], kind: str) -> Iterator[Board]:
    """Yield the panels of this kind of all boards."""
    yield from (panel for board in boards.values() for panel in panels(board) if panel["type"] == kind)


def said_of(panel: Board, field: str) -> Board:
    """Return the properties that the field of this name has of its own."""
    return {
        one["id"]: one["value"]
        for rule in panel["fieldConfig"]["overrides"]
        if rule["matcher"]["options"] == field
        for one in rule["properties"]
    }


def columns(panel: Board) -> list[str]:
    """Return the titles of a table's columns."""
    (organize,) = (one["options"] for one in panel["transformations"] if one["id"] == "organize")
    hidden = organize["excludeByName"]
    return [title for name, title in organize["renameByName"].items() if name not in hidden]


def test_what_fires_is_within_the_second_screen_of_a_phone(boards: dict[str, Board]) -> None:
    above = 0
    for panel in boards["overview"]["panels"]:
        if panel["title"] == "Alerts":
            break
        above += panel["gridPos"]["h"] * (ROW + GAP)
    assert above <= 850, "on a phone panels stand one below the other"


def test_money_in_a_table_is_in_the_currency_of_its_bot(boards: dict[str, Board], tmp_path: Path) -> None:
    tables = [one for one in of_kind(boards, "table") if re.search(r"P&L|Left|Value", str(columns(one)))]
    assert len(tables) >= 4
    for panel in tables:
        assert re.findall(r"USDT|BTC", str(panel["fieldConfig"])) == [], (
            f"{panel['title']}: of two currencies"
        )
        assert "Currency" in columns(panel), panel["title"]
    alone = every(settings_of(tmp_path, bots={}))
    for panel in of_kind(alone, "table"):
        assert "Currency" not in columns(panel), f"{panel['title']}: one currency stands at the figure"


def test_a_bar_stands_for_what_lies_between_zero_and_its_value(boards: dict[str, Board]) -> None:
    bars = list(of_kind(boards, "bargauge"))
    assert len(bars) >= 4
    assert [one["title"] for one in bars if one["fieldConfig"]["defaults"].get("min") != 0] == []


def test_a_pie_of_nothing_says_so(boards: dict[str, Board]) -> None:
    pies = list(of_kind(boards, "piechart"))
    assert len(pies) >= 2
    for panel in pies:
        assert all(target["expr"].endswith(" > 0") for target in panel["targets"]), panel["title"]
        assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


def test_a_bot_has_one_colour_on_all_charts(boards: dict[str, Board]) -> None:
    of_bots = [
        panel
        for panel in of_kind(boards, "timeseries")
        if [target["legendFormat"] for target in panel["targets"]] == ["{{bot}}"]
    ]
    seen: dict[str, set[str]] = {"demo": set(), "my.bot": set()}
    for panel in of_bots:
        for name, colours in seen.items():
            colours.add(said_of(panel, name)["color"]["fixedColor"])
    assert len(of_bots) >= 10
    assert {len(colours) for colours in seen.values()} == {1}
    assert seen["demo"] != seen["my.bot"]


def test_a_limit_that_is_a_line_is_dashed_in_the_colour_of_text(boards: dict[str, Board]) -> None:
    limited = [
        panel
        for panel in of_kind(boards, "timeseries")
        if any(target["legendFormat"].endswith("limit") for target in panel["targets"])
    ]
    assert limited
    for panel in limited:
        said = said_of(panel, "/limit$/")
        assert said["custom.lineStyle"]["fill"] == "dash"
        assert said["color"]["fixedColor"] == "text"


def test_a_tile_of_one_of_several_bots_says_that_it_is_the_worst(
    boards: dict[str, Board], tmp_path: Path
) -> None:
    def names(shown: dict[str, Board]) -> list[str]:
        picked = r"\(?(topk|bottomk)\(1, "
        return [
            target["legendFormat"]
            for panel in of_kind(shown, "stat")
            for target in panel["targets"]
            # "Bots" says in words what is wrong with each bot.
            if re.match(picked, target["expr"]) and panel["title"] != "Bots"
        ]

    several = names(boards)
    assert len(several) >= 30
    assert [name for name in several if not re.match(r"(worst|longest|shortest|oldest): \{\{bot", name)] == []
    alone = names(every(settings_of(tmp_path, bots={})))
    assert [name for name in alone if ": " in name] == [], "one bot is no worst of several"


def test_the_worst_money_is_in_the_currency_of_its_bot(boards: dict[str, Board]) -> None:
    (panel,) = (one for one in of_kind(boards, "stat") if one["title"] == "Expectancy")
    units = {
        rule["matcher"]["options"]: one["value"]
        for rule in panel["fieldConfig"]["overrides"]
        for one in rule["properties"]
        if one["id"] == "unit"
    }
    assert len(units) == 1
    ((pattern, unit),) = units.items()
    assert unit != panel["fieldConfig"]["defaults"]["unit"]
    bot = re.sub(r"\\(.)", r"\1", pattern.removeprefix("/^(worst: )?").removesuffix("([ ,]|$)/"))
    assert re.match(pattern.strip("/"), panel["targets"][0]["legendFormat"].replace("{{bot}}", bot))


def test_titles_of_columns_are_not_cut(boards: dict[str, Board]) -> None:
    for panel in of_kind(boards, "table"):
        least = panel["fieldConfig"]["defaults"]["custom"]["minWidth"]
        for title in columns(panel):
            said = said_of(panel, title)
            width = said.get("custom.width", said.get("custom.minWidth", least))
            arrow = ARROW if title in [one["displayName"] for one in panel["options"]["sortBy"]] else 0
            assert width >= LETTER * len(title) + EDGES + arrow, f"{panel['title']}: {title}"


def test_all_columns_are_on_a_laptops_screen(boards: dict[str, Board]) -> None:
    for panel in of_kind(boards, "table"):
        least = panel["fieldConfig"]["defaults"]["custom"]["minWidth"]
        said = [said_of(panel, title) for title in columns(panel)]
        fixed = [one["custom.width"] for one in said if "custom.width" in one]
        others = [one.get("custom.minWidth", least) for one in said if "custom.width" not in one]
        width = LAPTOP * panel["gridPos"]["w"] / 24 - sum(fixed)
        assert not others or max(others) <= width / len(others), f"{panel['title']}: {columns(panel)}"


def test_names_in_the_cells_of_a_table_are_not_cut(boards: dict[str, Board], tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    names = {
        "Alert": list(settings.alerts),
        "Benchmark": list(type(settings.performance.benchmarks).model_fields),
        "Event": [one.event for one in PATTERNS],
        "Objective": list(FEW["objective"]),
        "Limit": ["closed trades"],  # the exporter's own name for it
    }
    seen = set[str]()
    for panel in of_kind(boards, "table"):
        for title in set(columns(panel)) & set(names):
            said = said_of(panel, title)
            width = said.get("custom.width", said.get("custom.minWidth", 0))
            assert width >= LETTER * max(map(len, names[title])) + EDGES, f"{panel['title']}: {title}"
            seen.add(title)
    assert seen == set(names)


def test_what_a_tile_says_of_no_value_fits_into_it(boards: dict[str, Board]) -> None:
    for panel in of_kind(boards, "stat"):
        said = panel["fieldConfig"]["defaults"]["noValue"]
        assert len(said) <= LETTERS_A_COLUMN * panel["gridPos"]["w"], f"{panel['title']}: {said}"


def test_a_name_above_a_sum_of_money_stands_on_one_line(boards: dict[str, Board]) -> None:
    seen = 0
    for panel in of_kind(boards, "stat"):
        for target in panel["targets"]:
            name = re.sub(r"\{\{(down|of|unknown)\}\}", "1", target["legendFormat"])
            if name != target["legendFormat"] and panel["title"] != "Bots":
                assert len(name) <= LETTERS_OF_A_NAME * panel["gridPos"]["w"], f"{panel['title']}: {name}"
                seen += 1
    assert seen >= 10


def test_a_bar_that_is_last_known_has_room_to_say_so(boards: dict[str, Board]) -> None:
    marked = [one for one in of_kind(boards, "bargauge") if "last known" in str(one["targets"])]
    assert len(marked) >= 4
    assert [one["title"] for one in marked if one["gridPos"]["w"] < 12] == []
    # Grafana measures the name with the most letters, at 12 pixels or more; another name may be wider.
    assert {one["options"]["text"]["titleSize"] for one in marked} == {11}


def test_money_is_sorted_from_the_worst(boards: dict[str, Board]) -> None:
    for panel in of_kind(boards, "table"):
        first = panel["options"]["sortBy"][0]
        if "P&L" in first["displayName"]:
            assert first["desc"] is False, panel["title"]


def test_requests_now_are_never_above_their_peak(boards: dict[str, Board], tmp_path: Path) -> None:
    (panel,) = (one for one in panels(boards["sla"]) if one["title"] == "Requests")
    rates = {"now": ("rate", {"demo": 11.5, "my.bot": 2.0}), "peak": ("peak", {"demo": 5.25, "my.bot": 3.0})}
    samples = {
        f'bot:trading_bot_api_requests:{level}{{bot="{bot}"}}': [(at, value) for at in (END - 60, END)]
        for level, bots in rates.values()
        for bot, value in bots.items()
    }
    with serving(samples, tmp_path) as url:
        now, peak = (run(url, View(END, back=60), panel, target).only() for target in panel["targets"])
    assert now == 11.5
    assert peak == 11.5
