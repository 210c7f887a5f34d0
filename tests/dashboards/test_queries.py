"""Every query of every dashboard runs on a real Prometheus and returns the planted samples."""

from pathlib import Path
from typing import Any

import pytest

from grafana.bots import FIRST, RUNNING
from tests.dashboards.conftest import END, settings_of
from tests.dashboards.reading import Reading, View, every, panels, read, variables


@pytest.fixture(scope="module")
def shown(prometheus: str, overview: dict[str, Any]) -> dict[str, list[Reading]]:
    """Return the readings of all bots, by panel."""
    found: dict[str, list[Reading]] = {}
    for reading in read(prometheus, overview, View(END)):
        found.setdefault(reading.panel, []).append(reading)
    return found


def test_a_bot_of_which_nothing_is_known_has_no_values_rather_than_zeros(
    prometheus: str, overview: dict[str, Any]
) -> None:
    nobody = read(prometheus, overview, View(END, chosen={"bot": "nobody"}))
    of_the_stack = {"Firing alerts", "Alerts", "Open incidents"}
    assert {one.panel for one in nobody if one.values} == of_the_stack


def test_the_values_to_choose_are_those_that_prometheus_knows_of_the_chosen_bots(
    prometheus: str, overview: dict[str, Any]
) -> None:
    assert variables(prometheus, overview, View(END)) == {
        "bot": ["demo", "gone", "my.bot"],
        "symbol": ["BTC/USDT", "ETH/BTC", "ETH/USDT"],
        "exchange": [],
        "host": [],
        "part": ["webhook_actions"],
        "side": ["long", "short"],
        "outcome": ["lost", "won"],
    }
    chosen = variables(prometheus, overview, View(END, chosen={"bot": "my\\\\.bot"}))
    assert (chosen["symbol"], chosen["side"]) == (["ETH/BTC"], ["short"])


def test_one_chosen_bot_is_shown_alone(prometheus: str, overview: dict[str, Any]) -> None:
    win_rate = next(
        one
        for one in read(prometheus, overview, View(END, chosen={"bot": "my\\\\.bot"}))
        if one.panel == "Win rate"
    )
    assert win_rate.by("bot") == {"my.bot": 0.375}


def test_the_first_tile_counts_the_bots_that_are_up_and_names_the_one_that_is_down(
    shown: dict[str, list[Reading]],
) -> None:
    healthy, lacking, worst, silent = shown["Bots"]
    assert (healthy.values, worst.values) == ({}, {})
    assert lacking.by("of") == {"3": 2}
    assert silent.by("bot") == {"gone": 1000 * (END - 7200)}


@pytest.mark.parametrize(("bot", "state"), [("demo", RUNNING), ("my\\\\.bot", FIRST + 1), ("gone", 0)])
def test_with_one_bot_the_first_tile_shows_its_state(
    bot: str, state: int, prometheus: str, overview: dict[str, Any]
) -> None:
    tile = [one for one in read(prometheus, overview, View(END, chosen={"bot": bot})) if one.panel == "Bots"]
    assert [one.values for one in tile[:2]] == [{}, {}], "one bot is not counted"
    assert tile[2].only() == state
    assert len(tile[3].values) == (state == 0), "of a bot that is down, since when"


def test_of_several_bots_that_answer_the_worst_state_is_shown(
    prometheus: str, overview: dict[str, Any]
) -> None:
    view = View(END, chosen={"bot": "demo|my\\\\.bot"})
    healthy, lacking, worst, silent = (one for one in read(prometheus, overview, view) if one.panel == "Bots")
    assert healthy.by("of") == {"2": 2}
    assert (lacking.values, silent.values) == ({}, {})
    assert worst.by("bot") == {"my.bot": FIRST + 1}


def test_open_incidents_say_who_has_them(shown: dict[str, list[Reading]]) -> None:
    critical, others, held, none = shown["Open incidents"]
    assert critical.only() == 3
    assert held.by("acknowledged_by") == {"anna": 1}
    assert (others.values, none.values) == ({}, {})


@pytest.mark.parametrize(
    ("panel", "usdt", "btc"),
    [("P&L", 1234.5, -0.25), ("P&L today", 46.75, 0.125), ("Equity now", 11234.5, 1.75)],
)
def test_money_of_two_currencies_is_never_added_up(
    shown: dict[str, list[Reading]], panel: str, usdt: float, btc: float
) -> None:
    assert [reading.only() for reading in shown[panel] if reading.values] == [usdt, btc]


@pytest.mark.parametrize(
    ("panel", "bot", "value"),
    [
        ("Win rate", "my.bot", 0.375),
        ("Uptime", "my.bot", 7200),
        ("Sharpe ratio", "my.bot", -0.5),
        ("Drawdown", "my.bot", 0.125),
        ("Error rate", "demo", 0.0625),
    ],
)
def test_a_tile_shows_the_bot_to_look_at_first(
    shown: dict[str, list[Reading]], panel: str, bot: str, value: float
) -> None:
    assert shown[panel][0].by("bot") == {bot: value}


@pytest.mark.parametrize(("panel", "value"), [("Active positions", 3), ("Total trades", 88)])
def test_counts_are_of_all_chosen_bots(shown: dict[str, list[Reading]], panel: str, value: float) -> None:
    assert shown[panel][0].only() == value


def test_alerts_of_bots_and_of_the_stack_fire_but_neither_the_watchdog_nor_milestones(
    shown: dict[str, list[Reading]],
) -> None:
    assert [one.only() for one in shown["Firing alerts"] if one.values] == [1, 1]
    assert shown["Alerts"][0].by("alert") == {"HighDrawdown": 300, "ExporterDown": 60}


@pytest.mark.parametrize(
    ("panel", "values"),
    [
        ("Equity over time, USDT", {"demo": 11234.5}),
        ("P&L over time, BTC", {"my.bot": -0.25}),
        ("Drawdown over time", {"demo": 0.025, "my.bot": 0.125}),
        ("API error rate", {"demo": 0.0625, "my.bot": 0}),
        ("Up", {"demo": 1, "my.bot": 1, "gone": 0}),
    ],
)
def test_lines_are_drawn_for_each_bot(
    shown: dict[str, list[Reading]], panel: str, values: dict[str, float]
) -> None:
    assert shown[panel][0].by("bot") == values


def test_the_table_has_a_row_for_each_bot_and_what_is_known_of_it(
    shown: dict[str, list[Reading]], overview: dict[str, Any]
) -> None:
    columns = _titles(overview, "Each bot")
    cells = {columns[one.ref]: one.by("bot") for one in shown["Each bot"]}
    assert cells == {
        "State": {"demo": RUNNING, "my.bot": FIRST + 1, "gone": 0},
        "Silent since": {"gone": 1000 * (END - 7200)},
        "Alerts": {"my.bot": 1},
        "P&L": {"demo": 1234.5, "my.bot": -0.25},
        "Win rate": {"demo": 0.625, "my.bot": 0.375},
        "Positions": {"demo": 3, "my.bot": 0},
        "Trades": {"demo": 80, "my.bot": 8},
        "Drawdown": {"demo": 0.025, "my.bot": 0.125},
        "Error rate": {"demo": 0.0625, "my.bot": 0},
        "Uptime": {"demo": 90_000, "my.bot": 7200},
    }


def test_one_currency_needs_no_list_of_bots(prometheus: str, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, bots={})
    tiles = read(prometheus, every(settings)["overview"], View(END))
    assert [one.only() for one in tiles if one.panel == "P&L" and one.values] == [1234.25]


def _titles(dashboard: dict[str, Any], title: str) -> dict[str, str]:
    """Return the column of each query of a table, by its name in the result."""
    panel = next(one for one in panels(dashboard) if one["title"] == title)
    (organize,) = (one["options"] for one in panel["transformations"] if one["id"] == "organize")
    names = organize["renameByName"]
    return {one["refId"]: names.get(f"Value #{one['refId']}", names.get("state")) for one in panel["targets"]}
