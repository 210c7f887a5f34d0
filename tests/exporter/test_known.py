"""A bot's trades stay known while it is down: after a reload, and from the disk."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.conftest import eventually
from tests.exporter.harness import ScriptedBot, parsed, serve, value, watch
from tests.exporter.pushing import Desk, desk
from tests.exporter.test_file import WritingBot
from tests.exporter.test_http import NOW, STATE, trade
from tests.exporter.test_push import closed, state
from tests.exporter.test_service import Exporter, http, running
from tests.freqtrade_replay import USER, Recording
from tests.freqtrade_replay import serve as serve_freqtrade

READ = {"Authorization": "Bearer read"}


def asked(url: str, bot: str) -> dict[str, Any]:
    """Return a bot's trades as reports get them."""
    answer = requests.get(f"{url}/api/v1/bots/{bot}/trades", headers=READ, timeout=10)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@dataclass
class Fleet:
    """An exporter over two polled bots, and the settings that it reloads."""

    exporter: Exporter
    config: Path
    scripted: ScriptedBot
    recording: Recording

    def reload(self, **more: object) -> None:
        settings = yaml.safe_load(self.config.read_text())
        for bot in settings["bots"].values():
            bot |= more
        self.config.write_text(yaml.safe_dump(settings))
        bearer = {"Authorization": "Bearer reload"}
        assert requests.post(f"{self.exporter.url}/-/reload", headers=bearer, timeout=30).status_code == 200

    def down(self) -> None:
        self.scripted.status = 503
        self.recording.broken = {"show_config": (500, b"{}")}

    def back(self) -> None:
        self.scripted.status = 200
        self.recording.broken = {}

    def up(self, number: float) -> None:
        for bot in ("http", "freqtrade"):
            eventually(lambda bot=bot: self.exporter.up(bot) == number, what=f"{bot} to be {number:g}")

    def totals(self) -> Mapping[str, int]:
        return {bot: asked(self.exporter.url, bot)["total"] for bot in ("http", "freqtrade")}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    scripted, recording = ScriptedBot(STATE, [trade(1, 150.0), trade(2, -70.0), trade(3, 20.0)]), Recording()
    (tmp_path / "read").write_text("read")
    (tmp_path / "reload").write_text("reload")
    tokens = {"webhook_actions": {"tokens": {"read_file": "read", "reload_file": "reload"}}}
    with ExitStack() as stack:
        bots = {
            "http": http(stack.enter_context(serve(scripted))),
            "freqtrade": {
                "source": {
                    "type": "freqtrade",
                    "url": stack.enter_context(serve_freqtrade(recording)),
                    "username": USER,
                    "password_file": "password",
                }
            },
        }
        exporter = stack.enter_context(running(tmp_path, bots, **tokens))
        found = Fleet(exporter, tmp_path / "monitoring.yaml", scripted, recording)
        found.up(1)
        yield found


def test_a_reload_while_a_bot_is_down_forgets_no_trade_and_doubles_none_afterwards(fleet: Fleet):
    known = {"http": 3, "freqtrade": 26}
    assert fleet.totals() == known
    fleet.down()
    fleet.up(0)
    fleet.reload(max_exposure=700)
    fleet.up(0)
    assert fleet.totals() == known
    assert asked(fleet.exporter.url, "freqtrade")["capital"] == 990
    fleet.back()
    fleet.up(1)
    assert fleet.totals() == known
    text = fleet.exporter.get("/metrics?collect[]=trading&bot[]=freqtrade")[1]
    assert value(parsed(text), "max_exposure") == 700
    assert value(parsed(text), "win_rate") == pytest.approx(8 / 26)


def test_a_bot_that_began_anew_during_the_reload_is_not_mixed_with_what_it_was(fleet: Fleet):
    fleet.down()
    fleet.up(0)
    fleet.reload(max_exposure=700)
    fleet.scripted.trades = fleet.scripted.trades[:1]
    fleet.recording.trades = fleet.recording.trades[:1]
    fleet.recording.answers["profit"]["closed_trade_count"] = 1
    fleet.back()
    fleet.up(1)
    assert fleet.totals() == {"http": 1, "freqtrade": 1}


def test_the_trades_of_a_bot_that_is_another_one_now_are_not_taken_for_its_own(fleet: Fleet):
    fleet.down()
    fleet.up(0)
    other = {"type": "http", "url": "http://127.0.0.1:9", "token_file": "token"}
    fleet.reload(source=other)
    for bot in ("http", "freqtrade"):
        # The bot has reported nothing: "no trades" would mean that it made none.
        answer = requests.get(f"{fleet.exporter.url}/api/v1/bots/{bot}/trades", headers=READ, timeout=10)
        assert answer.status_code == 503
        assert answer.json()["detail"] == f"{bot} has reported no trades since this exporter started"


def told(exporter: Desk) -> dict[str, Any]:
    (exporter.directory / "secrets").mkdir(exist_ok=True)
    (exporter.directory / "secrets/read_token").write_text("read")
    return eventually(lambda: (found := asked(exporter.url, "one"))["total"] and found, what="its trades")


def test_what_a_silent_bot_pushed_is_known_from_the_disk_after_a_restart(tmp_path: Path):
    with desk(tmp_path, silent_after="60s") as exporter:
        exporter.push("one", "trades", {"trades": [closed(1, 5.0), closed(2, -5.0)]})
        exporter.push("one", "state", state(starting_capital=1234.0))
        exporter.kill()
        (file,) = (tmp_path / "data/exporter/bots").glob("one-*/state.json")
        file.write_text(json.dumps(json.loads(file.read_text()) | {"received_at": time.time() - 3600}))
        exporter.start()
        exporter.until("one", lambda found: value(found, "up") == 0)
        span = told(exporter)
        assert ([row["profit"] for row in span["trades"]], span["capital"]) == ([5.0, -5.0], 1234.0)
        exporter.push("one", "state", state())
        series = exporter.until("one", lambda found: value(found, "up") == 1)
        assert value(series, "win_rate") == 0.5


def test_what_a_bot_wrote_is_known_though_its_state_is_gone(tmp_path: Path):
    bot = WritingBot(tmp_path)
    bot.close(1, 2)
    bot.state_file.unlink()
    with watch(bot.settings, clock=lambda: NOW, silent_after=float("inf")) as watched:
        assert watched.error() == "unavailable"
        assert watched.poller.past.between(0, time.time() * 2).total == 2
        bot.write(STATE)
        assert value(watched.poll(), "win_rate") == 1
