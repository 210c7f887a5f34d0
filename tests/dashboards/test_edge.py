"""The board "Live against backtest" shows how live trades stand, each beside its reference."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stack.settings import Settings
from tests.dashboards.conftest import END, serving, settings_of
from tests.dashboards.reading import Reading, View, every, read

LIVE = {
    'trading_bot_up{bot="my.bot"}': 1,
    'trading_bot_edge_trades{bot="my.bot"}': 120,
    'trading_bot_edge_fading{bot="my.bot"}': 1,
    'trading_bot_edge_gone{bot="my.bot"}': 0,
    'trading_bot_edge_cusum_used_ratio{bot="my.bot",figure="expectancy",alarm="fading"}': 1,
    'trading_bot_edge_cusum_used_ratio{bot="my.bot",figure="win_rate",alarm="gone"}': 0.25,
    'trading_bot_edge_expectancy_ratio{bot="my.bot",of="live"}': 0.001,
    'trading_bot_edge_expectancy_ratio{bot="my.bot",of="reference"}': 0.004,
    'trading_bot_edge_win_rate{bot="my.bot",of="live"}': 0.5,
    'trading_bot_edge_win_rate{bot="my.bot",of="reference"}': 0.625,
    'trading_bot_edge_equity_ratio{bot="my.bot"}': 0.12,
    'trading_bot_edge_cone_ratio{bot="my.bot",share="0.01"}': 0.2,
    'trading_bot_edge_cone_ratio{bot="my.bot",share="0.5"}': 0.48,
    'trading_bot_edge_drawdown_ratio{bot="my.bot"}': 0.09,
    'trading_bot_edge_drawdown_limit_ratio{bot="my.bot",confidence="0.99"}': 0.07,
}  # fmt: skip


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Reading]]]:
    """Return the readings of the board, by panel."""
    settings: Settings = settings_of(tmp_path_factory.mktemp("settings"))
    samples = {
        series: [(at, value) for at in range(END - 600, END + 1, 60)] for series, value in LIVE.items()
    }
    board: dict[str, Any] = every(settings)["edge"]
    with serving(samples, tmp_path_factory.mktemp("prometheus")) as url:
        found: dict[str, list[Reading]] = {}
        for reading in read(url, board, View(END)):
            found.setdefault(reading.panel, []).append(reading)
        yield found


def test_the_tiles_say_how_the_edge_stands_and_what_is_left_of_it(shown: dict[str, list[Reading]]) -> None:
    tiles = {
        title: shown[title][0].only() for title in ("Edge", "Limit used", "Expectancy left", "Win rate left")
    }
    assert tiles == {"Edge": 1, "Limit used": 1, "Expectancy left": 0.25, "Win rate left": pytest.approx(0.8)}


def test_the_charts_have_live_trades_and_what_the_reference_makes(shown: dict[str, list[Reading]]) -> None:
    def last(title: str) -> list[float]:
        return sorted(value for reading in shown[title] for value in reading.values.values())

    assert last("Equity over the cone of its reference") == [0.12, 0.2, 0.48]
    assert last("Sums of shortfalls against their limits") == [0.25, 1]
    assert last("Deepest fall against its reference") == [0.07, 0.09]
    assert last("Win rate, live and reference") == [0.5, 0.625]


def test_bots_without_a_reference_have_no_board(tmp_path: Path) -> None:
    source = {"type": "http", "url": "http://127.0.0.1:1", "token_file": "token"}
    assert "edge" not in every(settings_of(tmp_path, bots={"a": {"source": source}}))
