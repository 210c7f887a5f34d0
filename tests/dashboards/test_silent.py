"""Boards about money, positions and objectives say what they do not know while a bot is silent."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.conftest import END, serving, settings_of
from tests.dashboards.reading import Reading, View, every, read

BURN = "bot_objective_window:trading_bot_error_budget:burn"
MET = "bot_objective:trading_bot_objective:met"
HELD = 'bot="talks",symbol="BTC/USDT",side="long"'
# "silent" went down: of its positions nothing is known, of its P&L what was last known.
SAMPLES = {
    'trading_bot_up{bot="talks"}': 1,
    'trading_bot_up{bot="silent"}': 0,
    'trading_bot_active_positions{bot="talks",symbol="BTC/USDT"}': 1,
    f"trading_bot_position_unprotected{{{HELD}}}": 0,
    f"trading_bot_position_value{{{HELD}}}": 150,
    'trading_bot_pnl{bot="talks",window="day"}': 5,
    'trading_bot_pnl_open{bot="talks",window="day"}': 1,
    'trading_bot_pnl_all{bot="talks",window="day"}': 6,
    'bot_window:trading_bot_pnl:known{bot="talks",window="day"}': 4,
    'bot_window:trading_bot_pnl_all:known{bot="talks",window="day"}': 4.5,
    'bot_window:trading_bot_pnl:known{bot="silent",window="day"}': -20,
    'bot_window:trading_bot_pnl_all:known{bot="silent",window="day"}': -25,
    'nightdesk_exporter_last_success_timestamp_seconds{bot="talks"}': END - 5,
    'bot:trading_bot_answered_timestamp_seconds:known{bot="silent"}': END - 900,
    f'{MET}{{bot="talks",objective="availability"}}': 1,
    f'{MET}{{bot="silent",objective="error_rate"}}': 1,
    f'{BURN}{{bot="talks",objective="availability",window="1h"}}': 0,
    f'{BURN}{{bot="silent",objective="availability",window="1h"}}': 700,
}
SOURCE = {"type": "http", "url": "http://127.0.0.1:1", "token_file": "token"}
BOTS = {name: {"source": SOURCE} for name in ("talks", "silent")}
Shown = dict[str, list[Reading]]


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return every(settings_of(tmp_path_factory.mktemp("settings"), bots=BOTS, demo={"enabled": False}))


def read_all(boards: Mapping[str, dict[str, Any]], samples: Mapping[str, float], folder: Path) -> Shown:
    """Return the readings of the boards, by panel."""
    series = {name: [(at, value) for at in (END - 60, END)] for name, value in samples.items()}
    found: Shown = {}
    with serving(series, folder) as url:
        for name in ("money", "positions", "sla", "nightdesk"):
            for one in read(url, boards[name], View(END, back=60)):
                found.setdefault(one.panel, []).append(one)
    return found


@pytest.fixture(scope="module")
def shown(boards: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return read_all(boards, SAMPLES, tmp_path_factory.mktemp("prometheus"))


def test_positions_are_counted_with_a_word_about_the_bot_that_is_silent(shown: Shown) -> None:
    for title, count in {"Open positions": 1, "Without a stop": 0}.items():
        every_bot, beside = shown[title]
        assert every_bot.values == {}, "not as if all answered"
        assert beside.only() == count
        assert (beside.by("down").keys(), beside.by("of").keys()) == ({"1"}, {"2"})


def test_no_stop_missing_is_not_good_while_a_bot_is_silent(boards: dict[str, dict[str, Any]]) -> None:
    for board, title in {"positions": "Without a stop", "sla": "Missed now"}.items():
        (panel,) = (one for one in boards[board]["panels"] if one["title"] == title)
        (rule,) = (one for one in panel["fieldConfig"]["overrides"] if one["matcher"]["options"] == "B")
        assert rule["properties"][0]["value"]["steps"][0]["color"] == "text", title


def test_only_silent_bots_leave_no_number_of_positions(
    boards: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    found = read_all(boards, {'trading_bot_up{bot="silent"}': 0}, tmp_path)
    assert math.isnan(found["Open positions"][1].only())


def test_a_silent_bot_is_the_first_row_of_the_positions(shown: Shown) -> None:
    danger = shown["All positions"][0].by("bot")
    assert danger["talks"] == 0
    assert danger["silent"] > danger["talks"]


def test_the_text_of_a_silent_bots_danger_is_no_number(boards: dict[str, dict[str, Any]]) -> None:
    (panel,) = (one for one in boards["positions"]["panels"] if one["title"] == "All positions")
    (mappings,) = (
        one["value"]
        for rule in panel["fieldConfig"]["overrides"]
        if rule["matcher"]["options"] == "Danger"
        for one in rule["properties"]
        if one["id"] == "mappings"
    )
    assert mappings[0]["options"]["result"]["text"] == "silent"


def test_the_pnl_of_a_silent_bot_is_the_last_known_and_marked(shown: Shown) -> None:
    closed, opened, every_pnl, *_, age = shown["P&L, closed and open"]
    assert closed.by("bot") == {"talks": 5, "silent": -20}, "of a bot that answers it is of now"
    assert opened.by("bot") == {"talks": 1, "silent": -5}
    assert every_pnl.by("bot") == {"talks": 6, "silent": -25}
    assert age.by("bot") == {"talks": 0, "silent": 1}


def test_an_objective_without_a_verdict_is_counted_and_stands_after_the_others(shown: Shown) -> None:
    every_known, beside = shown["Missed now"]
    assert every_known.values == {}
    assert beside.only() == 0
    assert (beside.by("unknown").keys(), beside.by("of").keys()) == ({"2"}, {"3"}), (
        "what a silent bot met is not certain"
    )
    verdicts = {
        (dict(labels)["bot"], dict(labels)["objective"]): value
        for labels, value in shown["Objectives of each bot"][0].values.items()
    }
    expected = {("talks", "availability"): 1, ("silent", "error_rate"): 1, ("silent", "availability"): 2}
    assert verdicts == expected


def test_an_exporter_that_started_later_knows_since_when_a_bot_is_silent(shown: Shown) -> None:
    assert shown["Since a poll succeeded"][0].by("bot") == {"talks": 5, "silent": 900}


def test_the_exchange_is_compared_only_where_an_account_has_its_key(
    boards: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    title = "Where exchange and bots differ"
    assert title not in [one["title"] for one in boards["positions"]["panels"]]
    key = {"venue": "binance", "key_file": "token", "secret_file": "token"}
    accounts = {"main": {"bots": ["talks", "silent"], "exchange": key}}
    watched = every(settings_of(tmp_path, bots=BOTS, demo={"enabled": False}, accounts=accounts))
    assert title in [one["title"] for one in watched["positions"]["panels"]]
