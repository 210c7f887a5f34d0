"""The watch over limits: sums of bots, values while one bot is missing, state after a start."""

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.exposition import Board
from exporter.limits.figures import Clock, Figures
from exporter.limits.watch import SIMPLEST, LimitWatch
from stack.settings import Settings, load
from tests.exporter.harness import Series, parsed, value
from tests.exporter.limits.desk import at

NOON = "2026-03-02T12:00"
MIDNIGHT = "2026-03-02T00:00"
UTC = Clock("00:00", "UTC")
DAILY = {"name": "daily", "kind": "daily", "ratio": 0.05}
TRAILS = {"name": "top", "kind": "maximum", "money": 1000, "trails": "intraday"}


@dataclass
class Harness:
    """Bots that push, their settings, and the watch; `restart` reads the files on disk."""

    root: Path
    bots: dict[str, dict[str, Any]]
    more: dict[str, Any] = field(default_factory=dict)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.restart()

    def settings(self) -> Settings:
        source = {"source": {"type": "push", "token_file": "token"}}
        file = self.root / "monitoring.yaml"
        file.write_text(
            yaml.safe_dump({"bots": {name: source | bot for name, bot in self.bots.items()}} | self.more)
        )
        return load([file])

    def restart(self) -> None:
        self.board = Board()
        self.watch = LimitWatch(self.settings(), self.root / "data", self.board, lambda: self.now)

    def tell(self, bot: str, when: str, figures: Figures | None) -> Series:
        self.now = at(when, "UTC")
        asyncio.run(self.watch.told(bot, figures))
        return self.seen(bot)

    def seen(self, bot: str) -> Series:
        return parsed(self.board.page(["trading"], bots=[bot]).decode())

    def of(self, bot: str, name: str, limit: str, account: str = "") -> float | None:
        return value(self.seen(bot), f"loss_limit_{name}", limit=limit, account=account)

    def gap(self, limit: str) -> str:
        return next(str(each["gap"]) for each in self.watch.as_json() if each["limit"] == limit)


def made(
    profit: float, capital: float | None = 10_000, realised: float | None = None, **more: Any
) -> Figures:
    return Figures(capital, 0.0, profit if realised is None else realised, profit, **more)


def two(root: Path, **account: Any) -> Harness:
    both = {"a": {"starting_capital": 10_000}, "b": {"starting_capital": 10_000}}
    return Harness(
        root, both, {"accounts": {"main": {"bots": ["a", "b"], "limits": [DAILY, TRAILS]} | account}}
    )


def test_an_account_adds_what_its_bots_made_to_the_cent_and_each_of_them_tells_it(tmp_path):
    harness = two(tmp_path)
    harness.tell("a", MIDNIGHT, made(0.0))
    harness.tell("b", MIDNIGHT, made(0.0))
    harness.tell("a", "2026-03-02T00:01", made(-0.1))
    harness.tell("b", "2026-03-02T00:01", made(-0.2))
    for bot in ("a", "b"):
        assert harness.of(bot, "left", "daily", "main") == 999.7  # 5% of 20000, 0.30 lost
        assert harness.of(bot, "threshold", "daily", "main") == 19_000
        assert harness.of(bot, "complete", "daily", "main") == 1
        assert harness.of(bot, "left", "top", "main") == 999.7


def test_an_account_of_which_a_bot_is_missing_shows_the_last_known_with_its_age_and_nothing_smaller(tmp_path):
    harness = two(tmp_path)
    assert harness.of("a", "used_ratio", "daily", "main") is None  # never known
    assert harness.of("a", "complete", "daily", "main") == 0
    harness.tell("a", MIDNIGHT, made(0.0))
    assert harness.of("a", "used_ratio", "daily", "main") is None  # b was not asked yet
    harness.tell("b", MIDNIGHT, made(0.0))
    harness.tell("b", "2026-03-02T00:01", made(-900.0))
    used = harness.of("a", "used_ratio", "daily", "main")
    assert used == 0.9
    harness.tell("b", "2026-03-02T00:02", None)
    harness.tell("a", "2026-03-02T00:03", made(400.0))  # b's 900 are still lost
    assert harness.of("a", "used_ratio", "daily", "main") == used
    assert harness.of("a", "complete", "daily", "main") == 0
    assert harness.of("a", "known_timestamp_seconds", "daily", "main") == at("2026-03-02T00:01", "UTC")
    assert harness.gap("daily") == "b: no answer"
    harness.tell("b", "2026-03-02T00:04", made(-900.0))
    assert harness.of("a", "used_ratio", "daily", "main") == 0.5
    assert harness.of("a", "complete", "daily", "main") == 1


def test_a_start_while_the_bots_are_down_shows_what_was_known(tmp_path):
    harness = two(tmp_path)
    harness.tell("a", MIDNIGHT, made(500.0))
    harness.tell("b", MIDNIGHT, made(0.0))
    harness.tell("a", "2026-03-02T00:01", made(-450.0))
    before = [each for name, each in harness.seen("a").items() if "complete" not in name[0]]
    harness.restart()
    harness.tell("a", "2026-03-02T00:02", None)
    assert [each for name, each in harness.seen("a").items() if "complete" not in name[0]] == before
    assert harness.of("a", "complete", "daily", "main") == 0


def test_the_simplest_limit_knows_at_a_start_at_noon_what_trades_closed_in_the_morning_lost(tmp_path):
    harness = Harness(tmp_path, {"a": {}}, {"thresholds": {"critical": {"daily_loss": 300}}})
    assert harness.watch.clocks("a") == {UTC}
    lost = {UTC: (at(MIDNIGHT, "UTC"), -240.0)}
    harness.tell("a", NOON, made(5.0, capital=None, realised=1000.0, closed=lost))
    assert harness.of("a", "used_ratio", SIMPLEST) == 0.8
    assert harness.of("a", "left", SIMPLEST) == 60
    assert harness.of("a", "acts_at_ratio", SIMPLEST) == 1
    assert harness.of("a", "complete", SIMPLEST) == 1
    assert harness.of("a", "threshold", SIMPLEST) is None  # of an unknown capital


def test_later_trades_give_the_balance_at_the_days_start(tmp_path):
    harness = Harness(tmp_path, {"a": {}}, {"thresholds": {"critical": {"daily_loss": 300}}})
    harness.tell("a", NOON, made(0.0, capital=None, realised=1000.0))
    assert harness.of("a", "complete", SIMPLEST) == 0
    lost = {UTC: (at(MIDNIGHT, "UTC"), -240.0)}
    harness.tell("a", "2026-03-02T12:01", made(0.0, capital=None, realised=1000.0, closed=lost))
    assert harness.of("a", "left", SIMPLEST) == 60
    assert harness.of("a", "complete", SIMPLEST) == 1


def test_limits_of_its_own_take_the_place_of_the_simplest(tmp_path):
    harness = Harness(tmp_path, {"a": {"starting_capital": 10_000, "limits": [DAILY]}})
    assert [each["limit"] for each in harness.watch.as_json()] == ["daily"]


def test_a_limit_without_a_known_capital_says_so(tmp_path):
    harness = Harness(tmp_path, {"a": {"limits": [DAILY, {"name": "cash", "kind": "daily", "money": 100}]}})
    harness.tell("a", MIDNIGHT, made(0.0, capital=None))
    assert harness.of("a", "used_ratio", "daily") is None
    assert harness.of("a", "complete", "daily") == 0
    assert "its capital is unknown; write starting_capital" in harness.gap("daily")
    assert harness.of("a", "left", "cash") == 100  # the loss since the day's begin needs no capital


def test_a_capital_that_is_learned_later_moves_no_limit(tmp_path):
    harness = Harness(tmp_path, {"a": {"limits": [{"name": "cash", "kind": "daily", "money": 100}]}})
    harness.tell("a", MIDNIGHT, made(0.0, capital=None))
    harness.tell("a", "2026-03-02T00:01", made(-30.0, capital=10_000))
    assert harness.of("a", "left", "cash") == 70
    assert harness.of("a", "threshold", "cash") == 9_900


def test_a_bot_without_equity_leaves_the_last_known_value(tmp_path):
    harness = Harness(tmp_path, {"a": {"starting_capital": 10_000, "limits": [DAILY]}})
    harness.tell("a", MIDNIGHT, made(0.0))
    harness.tell("a", "2026-03-02T00:01", Figures(10_000, 0.0, -400.0, None))
    assert harness.of("a", "left", "daily") == 500
    assert harness.of("a", "complete", "daily") == 0
    assert "equity" in harness.gap("daily")


def test_what_one_bot_closed_yesterday_is_not_of_today_for_the_account_of_another(tmp_path):
    limit = {"name": "closed", "kind": "daily", "money": 1000, "mark": "balance", "open_positions": False}
    harness = two(tmp_path, limits=[limit])
    day = at(MIDNIGHT, "UTC")
    late = {UTC: (day - 86_400, -700.0)}
    harness.tell("a", "2026-03-01T23:59:50", made(-700.0, closed=late))
    harness.tell("b", "2026-03-01T23:59:55", made(0.0, closed={UTC: (day - 86_400, 0.0)}))
    assert harness.of("a", "left", "closed", "main") == 300
    harness.tell("b", "2026-03-02T00:00:10", made(-20.0, closed={UTC: (day, -20.0)}))
    assert harness.of("a", "left", "closed", "main") == 980


def test_a_reload_keeps_the_mark_of_a_changed_amount_and_restarts_another_kind(tmp_path):
    harness = Harness(tmp_path, {"a": {"starting_capital": 10_000, "limits": [TRAILS]}})
    harness.tell("a", MIDNIGHT, made(2_000.0, realised=0.0))
    harness.tell("a", "2026-03-02T00:01", made(1_500.0, realised=0.0))
    assert harness.of("a", "left", "top") == 500
    harness.bots["a"]["limits"] = [TRAILS | {"money": 800}]
    harness.watch.use(harness.settings())
    assert harness.of("a", "left", "top") == 300
    harness.bots["a"]["limits"] = [TRAILS | {"trails": "never"}]
    harness.watch.use(harness.settings())
    assert harness.of("a", "left", "top") is None
    harness.tell("a", "2026-03-02T00:02", made(1_500.0, realised=0.0))
    assert harness.of("a", "left", "top") == 2_500


def test_a_limit_that_is_taken_out_of_the_settings_is_shown_no_more(tmp_path):
    harness = two(tmp_path)
    harness.tell("a", MIDNIGHT, made(0.0))
    harness.tell("b", MIDNIGHT, made(0.0))
    harness.more = {}
    harness.watch.use(harness.settings())
    assert {dict(labels).get("account") for _, labels in harness.seen("a")} == {""}


def test_a_restarted_history_is_no_loss(tmp_path):
    harness = Harness(tmp_path, {"a": {"starting_capital": 10_000, "limits": [TRAILS]}})
    harness.tell("a", MIDNIGHT, made(3_000.0))
    harness.tell("a", "2026-03-02T00:01", made(0.0, restarted=True))
    assert harness.of("a", "used_ratio", "top") == 0


def test_another_bot_of_the_same_name_has_no_past(tmp_path):
    harness = Harness(tmp_path, {"a": {"starting_capital": 10_000, "limits": [TRAILS]}})
    harness.tell("a", MIDNIGHT, made(3_000.0))
    harness.bots["a"]["source"] = {"type": "file", "state": "state.json"}
    harness.restart()
    harness.tell("a", "2026-03-02T00:01", made(0.0))
    assert harness.of("a", "used_ratio", "top") == 0


def test_a_damaged_file_is_reported_and_the_limits_restart_with_a_gap(tmp_path, caplog):
    harness = Harness(tmp_path, {"a": {"starting_capital": 10_000, "limits": [TRAILS]}})
    harness.tell("a", MIDNIGHT, made(3_000.0))
    [file] = (tmp_path / "data").rglob("limits.json")
    file.write_text(file.read_text()[:-20])
    with caplog.at_level(logging.ERROR):
        harness.restart()
    assert "its loss limits start again" in caplog.text
    harness.tell("a", "2026-03-02T00:01", made(2_500.0))
    assert harness.of("a", "complete", "top") == 0
    assert "saw nothing before 2026-03-02 00:01:00 UTC" in harness.gap("top")


def test_a_failing_disk_is_reported_once_and_the_limits_continue(tmp_path, caplog):
    harness = Harness(tmp_path, {"a": {"starting_capital": 10_000, "limits": [TRAILS]}})
    (tmp_path / "data").write_text("no directory")
    harness.tell("a", MIDNIGHT, made(0.0))
    harness.tell("a", "2026-03-02T00:01", made(-500.0))
    assert harness.of("a", "left", "top") == 500
    assert caplog.text.count("cannot be written") == 1


@pytest.mark.parametrize("capital", [0.0, -150.0])
def test_a_share_of_a_capital_that_is_spent_is_used_up_and_never_free(tmp_path, capital):
    harness = Harness(tmp_path, {"a": {"starting_capital": capital, "limits": [DAILY]}})
    harness.tell("a", MIDNIGHT, made(0.0, capital=capital))
    assert harness.of("a", "used_ratio", "daily") == 1


def test_a_clock_that_is_set_back_begins_no_day_twice(tmp_path):
    harness = Harness(tmp_path, {"a": {"starting_capital": 10_000, "limits": [DAILY]}})
    harness.tell("a", MIDNIGHT, made(0.0))
    harness.tell("a", "2026-03-01T23:59", made(-400.0))
    harness.tell("a", "2026-03-02T00:00:30", made(-400.0))
    assert harness.of("a", "left", "daily") == 100
