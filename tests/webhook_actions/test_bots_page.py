"""The page of the bots: the worst first; an unknown figure is a dash, never a zero."""

import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from clients.observer import Sample
from stack.settings import Settings, load
from tests.webhook_actions.visitor import Visitor, words
from webhook_actions.page.bots import Held, _ask, rows
from webhook_actions.page.render import Desktop, Pages
from webhook_actions.store.controls import Control
from webhook_actions.store.holds import Halt

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    config = tmp_path / "monitoring.yaml"
    bot = {"source": {"type": "push", "token_file": "token"}, "starting_capital": 1000}
    config.write_text(yaml.safe_dump({"bots": dict.fromkeys(("a", "b", "c", "d"), bot)}))
    return load([config])


def desk(**more: Any) -> Desktop:
    given = {"halted": [], "left": [], "paused": None} | more
    return Desktop(who="anna", csrf="", path="/bots", said="", counts={}, **given)


def test_the_worst_bot_comes_first(settings: Settings) -> None:
    figures = {
        "up": {"a": 1.0, "b": 1.0, "c": 0.0, "d": 1.0},
        "drawdown": {"a": 0.01, "b": 0.09, "c": 0.0, "d": 0.02},
    }
    found = rows(settings, figures, desk(), {"d": 2}, {}, {})
    assert [row.bot for row in found] == ["c", "d", "b", "a"]
    assert [row.state for row in found] == ["down", "up", "up", "up"]


def test_an_unseen_bot_is_unknown_and_comes_before_healthy_ones(
    settings: Settings,
) -> None:
    found = rows(settings, {"up": {"a": 1.0, "b": 1.0, "d": 1.0}}, desk(), {}, {}, {})
    assert (found[0].bot, found[0].state) == ("c", "unknown")


def test_what_nightdesk_left_on_a_bot_is_its_state_unless_it_is_down(settings: Settings) -> None:
    left = [Control(n, bot, "loss limit", NOW) for n, bot in enumerate("abd")]
    halted = [Halt("b", "critical loss", NOW)]
    up = {"up": {"a": 1.0, "b": 1.0, "c": 1.0, "d": 0.0}}
    found = rows(settings, up, desk(left=left, halted=halted), {}, {}, {})
    assert {row.bot: row.state for row in found} == {
        "a": "entries stopped",
        "b": "halted",
        "c": "up",
        "d": "down",
    }


def test_a_down_bots_profit_of_today_is_shown_as_last_known_and_unknown_as_unknown(
    settings: Settings,
) -> None:
    figures = {"up": {"a": 1.0, "b": 0.0, "c": 1.0, "d": 1.0}, "today": {"a": 5.0, "b": -12.5}}
    given = cast("Any", SimpleNamespace(offers=[], known=lambda _: None))
    pages = Pages(settings, given, given, lambda: NOW)
    found = rows(settings, figures, desk(), {}, {}, {})
    page = pages.show("bots.html", desk=desk(), rows=found, silent="").body
    said = words(bytes(page).decode())
    assert "P&L today, with open positions, last known -12.50 USDT" in said
    assert "P&L today, with open positions +5.00 USDT" in said
    assert said.count("P&L today, with open positions not known since midnight") == 2


def test_without_prometheus_the_page_says_so_and_shows_no_zero(anna: Visitor) -> None:
    page = anna.get("/bots").text
    assert "Prometheus does not answer" in words(page)
    assert set(re.findall(r"<dd[^>]*>([^\s<]+)", page)) == {"–"}
    assert "Nightdesk did nothing to it in the last day." in words(page)


def test_the_open_incidents_of_a_bot_are_linked(anna: Visitor) -> None:
    anna.world.deliver(anna.world.alert("alpha"))
    page = anna.get("/bots").text
    assert "1 open" in words(page)
    assert 'href="/history?state=open&amp;bot=alpha"' in page


def test_an_action_runs_from_the_page_and_money_requires_the_bots_name(anna: Visitor) -> None:
    back = {"back": "/bots", "bot": "alpha"}
    told = anna.send("/bots/run", action="check_network", **back)
    assert "Requested: the timeline shows the progress." in words(told.text)
    asked = anna.send("/bots/run", action="close_positions", **back).text
    assert "Run close_positions on alpha?" in words(asked)
    assert '<input type="hidden" name="bot" value="alpha">' in asked
    wrong = anna.send("/bots/run", action="close_positions", confirm="beta", **back).text
    assert "is not the bot's name" in words(wrong)
    anna.send("/bots/run", action="close_positions", confirm="alpha", **back)
    acts = [(one["act"], one["bot"]) for one in anna.world.get("/api/v1/audit").json()]
    assert [bot for act, bot in acts if act != "login"].count("alpha") == 2


class Said:
    """A Prometheus that knows positions, in the form of `Observer.ask`."""

    def ask(self, expression: str) -> tuple[Sample, ...]:
        held = {"symbol": "BTC", "side": "long"}, {"symbol": "ETH", "side": "short"}
        values = {"profit": (5.0, -9.0), "stop_distance_ratio": (0.02,), "unprotected": (0.0, 1.0)}
        name = next((name for name in values if expression.endswith(f"position_{name})")), None)
        told = values.get(name or "", ())
        return tuple(Sample({"bot": "a", **labels}, value) for labels, value in zip(held, told, strict=False))


def test_positions_are_listed_with_their_stops_those_without_one_first() -> None:
    figures, held, silent = _ask(Said())
    assert (set(figures), silent) == ({"up", "equity", "today", "drawdown", "positions"}, "")
    assert held == {
        "a": (Held("ETH", "short", -9.0, None, True), Held("BTC", "long", 5.0, 0.02, False)),
    }
