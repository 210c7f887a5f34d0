"""Without a problem the dashboards look calm: healthy parts say so, and no large panel stays empty."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grafana.palette import Palette
from stack.settings import Settings
from tests.dashboards.conftest import END, WATCHDOG, serving
from tests.dashboards.reading import View, every, run

LARGE = 8  # rows of the grid
CALM = {
    f'ALERTS{{alertstate="firing",{WATCHDOG}}}': 1.0,
    'up{job="webhook_actions"}': 1.0,
    'trading_bot_up{bot="demo"}': 1.0,
    'trading_bot_up{bot="my.bot"}': 1.0,
}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a Prometheus that evaluates rules, none of which fires."""
    samples = {name: [(at, value) for at in range(END - 900, END + 1, 60)] for name, value in CALM.items()}
    with serving(samples, tmp_path_factory.mktemp("calm")) as url:
        yield url


@pytest.fixture(scope="module")
def alerts(settings: Settings) -> list[dict[str, Any]]:
    """Return the panels of the board of alerts that are visible before a row is unfolded."""
    return [panel for panel in every(settings)["alerts"]["panels"] if panel["type"] != "row"]


def test_no_large_panel_of_the_board_of_alerts_is_empty_but_the_list(
    calm: str, alerts: list[dict[str, Any]]
) -> None:
    view = View(END, back=900)
    empty = {
        panel["title"]
        for panel in alerts
        if panel["gridPos"]["h"] >= LARGE
        and not any(run(calm, view, panel, t).points for t in panel["targets"])
    }
    assert empty == {"Alerts"}, "a list of nothing"


def test_the_time_in_which_nothing_fired_is_a_green_band(
    calm: str, alerts: list[dict[str, Any]], settings: Settings
) -> None:
    (panel,) = (one for one in alerts if one["title"] == "Alerts over time")
    fired, none = (run(calm, View(END, back=900), panel, target) for target in panel["targets"])
    assert fired.points == {}
    assert none.only() == 0
    (names,) = panel["fieldConfig"]["defaults"]["mappings"]
    assert names["options"]["0"]["text"] == "calm"
    assert names["options"]["0"]["color"] == Palette(settings).good


def test_where_no_rules_are_evaluated_nothing_is_called_calm(
    alerts: list[dict[str, Any]], tmp_path: Path
) -> None:
    (panel,) = (one for one in alerts if one["title"] == "Alerts over time")
    with serving({'up{job="webhook_actions"}': [(END, 1.0)]}, tmp_path) as url:
        assert [run(url, View(END, back=900), panel, target).points for target in panel["targets"]] == [
            {},
            {},
        ]
