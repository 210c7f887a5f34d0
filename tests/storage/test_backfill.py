"""The back-filled past of a bot of each kind answers the queries of the dashboards."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from clients.observer import Observer
from exporter.client import Bot
from stack.render import render
from stack.settings import Settings, load
from tests.conftest import binary, eventually, free_port
from tests.dashboards.reading import View, every, read
from tests.exporter.harness import TOKEN, ScriptedBot, serve
from tests.exporter.test_http import STATE
from tests.freqtrade_replay import PASSWORD, USER, Recording
from tests.freqtrade_replay import serve as serve_freqtrade
from tests.storage.conftest import answers
from webhook_actions.report.history import History
from webhook_actions.report.period import Period

ROOT = Path(__file__).parents[2]
DAY, CAPITAL = 86_400.0, 10_000.0


def history(now: float, days: float = 10, every: float = 7200) -> list[dict[str, Any]]:
    """Return trades of the days before, two in three of which won."""
    count = int(days * DAY / every)
    return [
        {
            "id": place + 1,
            "symbol": ("BTC/USDT", "ETH/USDT")[place % 2],
            "side": "long",
            "opened_at": now - (count - place) * every - 600,
            "closed_at": now - (count - place) * every,
            "profit": -5.0 if place % 3 == 0 else 4.0,
            "stake": 100.0,
        }
        for place in range(count)
    ]


@contextmanager
def running(*commands: list[str]) -> Iterator[None]:
    processes = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) for command in commands]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.wait(30)


def prometheus(settings: Settings, directory: Path) -> list[str]:
    return [
        str(binary("prometheus")),
        f"--config.file={directory / 'build/prometheus/prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={settings.services.prometheus.address}",
        "--log.level=error",
    ]


@dataclass(frozen=True)
class Traded:
    """A bot's trades before it was watched, and its capital before them."""

    trades: list[dict[str, Any]]
    capital: float

    def state(self, now: float) -> dict[str, Any]:
        """Return the bot's state in the bot API's form."""
        made = sum(trade["profit"] for trade in self.trades)
        return STATE | {
            "time": now, "started_at": now - DAY, "last_activity_at": now, "starting_capital": self.capital,
            "equity": self.capital + made, "profit_realised": made, "profit_open": 0.0,
            "trades_closed": len(self.trades), "last_trade_id": len(self.trades),
        }  # fmt: skip


def recorded(recording: Recording) -> Traded:
    """Return the recorded Freqtrade, two days ago."""
    recording.shift -= 2 * DAY
    trades = [
        {
            "profit": trade["close_profit_abs"],
            "closed_at": trade["close_timestamp"] / 1000 + recording.shift,
        }
        for trade in recording.trades
    ]
    return Traded(trades, recording.answers["balance"]["starting_capital"])


def configure(directory: Path, url: str, freqtrade: str = "") -> Path:
    """Write settings of a bot of each kind: HTTP, Freqtrade, files, pushes."""
    (directory / "token").write_text(TOKEN)
    (directory / "password").write_text(PASSWORD)
    (directory / "secrets").mkdir()
    (directory / "secrets/read_token").write_text("read-secret")
    config = directory / "monitoring.yaml"
    sources = {
        "alpha": {"type": "http", "url": url, "token_file": "token"},
        "freqtrade": {"type": "freqtrade", "url": freqtrade, "username": USER, "password_file": "password"},
        "files": {"type": "file", "state": "state.json", "trades": "trades.jsonl"},
        "pushed": {"type": "push", "token_file": "token"},
    }
    bots = {name: {"source": source} for name, source in sources.items() if source.get("url") != ""}
    ports = ("exporter", "prometheus", "webhook_actions", "alertmanager")
    services = {name: {"port": free_port()} for name in ports}
    config.write_text(yaml.safe_dump({"bots": bots, "services": services}))
    return config


def backfill(config: Path, bot: str, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stack.cli", "backfill", "--config", str(config), "--bot", bot]
    return subprocess.run([*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True)


def test_the_dashboards_show_what_bots_did_before_they_were_watched(tmp_path: Path) -> None:
    now, recording = time.time(), Recording(now=True)
    alike = Traded(history(now), CAPITAL)
    # The pushing bot comes first: it counts as silent after a minute.
    past = {"pushed": alike, "alpha": alike, "freqtrade": recorded(recording), "files": alike}
    with (
        serve(ScriptedBot(state=alike.state(now), trades=alike.trades)) as url,
        serve_freqtrade(recording) as freqtrade,
    ):
        config = configure(tmp_path, url, freqtrade)
        settings = load([config], speed=20)
        render(settings, tmp_path / "build")
        (tmp_path / "state.json").write_text(json.dumps(alike.state(now)))
        (tmp_path / "trades.jsonl").write_text("".join(json.dumps(each) + "\n" for each in alike.trades))
        exporter = [sys.executable, "-m", "exporter", "--config", str(config), "--speed", "20"]
        server, query = prometheus(settings, tmp_path), f"{settings.services.prometheus.url}/api/v1/query"

        def value(expression: str) -> float | None:
            found = requests.get(query, params={"query": expression}, timeout=10).json()["data"]["result"]
            return float(found[0]["value"][1]) if found else None

        def listens() -> bool:
            return answers(query.replace("api/v1/query", "-/ready"))

        with running([*exporter, "--data", str(tmp_path / "data")]):
            with running(server):
                eventually(listens, within=60, what="Prometheus")
                push(settings, tmp_path, alike)
                for name, did in past.items():
                    counted = f'sum(trading_bot_trades_total{{bot="{name}"}})'
                    eventually(
                        lambda of=counted, did=did: value(of) == len(did.trades),
                        within=60,
                        what=f"{name} in Prometheus",
                    )
                    done = backfill(config, name, tmp_path / "tsdb")
                    assert done.returncode == 0, done.stderr
                    assert f"{name}: {len(did.trades)} trades" in done.stdout
            with running(server):  # otherwise it sees new blocks within a minute
                eventually(listens, within=60, what="Prometheus")
                for name in ("alpha", "files", "pushed"):
                    for ago in (8 * DAY, 3 * DAY, 4 * 3600.0):
                        _shows(settings, name, now - ago, past[name])
                last = max(trade["closed_at"] for trade in past["freqtrade"].trades)
                for at in (last + 3600, last + DAY):
                    _shows(settings, "freqtrade", at, past["freqtrade"])
                _reports(settings, now - DAY, alike.trades)
                # The series continues unchanged: its growth spans the seam, too.
                grown = 'sum(increase(trading_bot_trades_total{bot="alpha"}[9d]))'
                assert value(grown) == pytest.approx(9 * 12, rel=0.05)


def push(settings: Settings, directory: Path, did: Traded) -> None:
    """Report a bot's trades to the exporter, as the bot would."""
    eventually(lambda: answers(f"{settings.services.exporter.url}/healthz"), within=60, what="the exporter")
    bot = Bot(settings.services.exporter.url, "pushed", token_file=directory / "token")
    made = sum(trade["profit"] for trade in did.trades)
    bot.state(state="running", starting_capital=did.capital, equity=did.capital + made)
    for trade in did.trades:
        bot.trade(**trade)
    bot.close()


def _shows(settings: Settings, bot: str, at: float, did: Traded) -> None:
    """Assert the overview's values at a past time, from a sample of the last 300 s."""
    closed, later = ([t for t in did.trades if t["closed_at"] <= until] for until in (at - 300, at))
    overview = every(settings)["overview"]
    shown: dict[str, list[float]] = {}
    for reading in read(settings.services.prometheus.url, overview, View(at, chosen={"bot": bot})):
        shown.setdefault(reading.panel, []).extend(reading.values.values())

    def between(panel: str, low: float, high: float) -> None:
        (value,) = shown[panel]
        assert min(low, high) - 1e-6 <= value <= max(low, high) + 1e-6, panel

    between("Total trades", len(closed), len(later))
    made = [sum(t["profit"] for t in these) for these in (closed, later)]
    between("P&L", *made)
    between("Equity now", *(did.capital + each for each in made))
    between("Win rate", *(sum(t["profit"] > 0 for t in these) / len(these) for these in (closed, later)))
    assert shown.get("Uptime", []) == [], "nobody watched it then"


def _reports(settings: Settings, at: float, trades: list[dict[str, Any]]) -> None:
    """Assert that a report of a past week has its trades and charts."""
    end = datetime.fromtimestamp(at, UTC)
    week = History(Observer.of(settings), "alpha", Period("week", end - timedelta(days=7), end))
    made = sum(trade["profit"] for trade in trades if at - 7 * DAY <= trade["closed_at"] < at)
    assert week.made() == pytest.approx(made, abs=5.0), "as of the samples nearest to both ends"
    assert week.known_from() is None, "nobody watched it then"
    points = week.line("equity")
    assert points[-1][0] - points[0][0] > 6.9 * DAY


def test_a_bot_that_is_not_there_and_an_exporter_that_is_away_are_named(tmp_path: Path) -> None:
    config = configure(tmp_path, "http://127.0.0.1:1")
    nobody = backfill(config, "nobody", tmp_path / "tsdb")
    assert nobody.returncode == 1
    assert "nobody" in nobody.stderr
    away = backfill(config, "alpha", tmp_path / "tsdb")
    assert away.returncode == 1
    assert "does not answer" in away.stderr
    assert not (tmp_path / "tsdb").exists()
