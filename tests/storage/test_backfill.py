"""A bot's past, filled in, answers the queries of the dashboards."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from stack.render import render
from stack.settings import Settings, load
from tests.conftest import binary, eventually, free_port
from tests.dashboards.reading import View, every, read
from tests.exporter.test_http import STATE
from tests.exporter.world import TOKEN, ScriptedBot, serve
from tests.storage.conftest import answers
from webhook_actions.engine.senses import Senses
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


def configure(directory: Path, url: str) -> Path:
    (directory / "token").write_text(TOKEN)
    (directory / "secrets").mkdir()
    (directory / "secrets/read_token").write_text("read-secret")
    config = directory / "monitoring.yaml"
    source = {"type": "http", "url": url, "token_file": "token"}
    ports = ("exporter", "prometheus", "webhook_actions", "alertmanager")
    services = {name: {"port": free_port()} for name in ports}
    config.write_text(yaml.safe_dump({"bots": {"alpha": {"source": source}}, "services": services}))
    return config


def backfill(config: Path, bot: str, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stack.cli", "backfill", "--config", str(config), "--bot", bot]
    return subprocess.run([*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True)


def test_the_dashboards_show_what_a_bot_did_before_it_was_watched(tmp_path: Path) -> None:
    now = time.time()
    trades = history(now)
    made = sum(trade["profit"] for trade in trades)
    state = STATE | {
        "time": now, "started_at": now - DAY, "last_activity_at": now, "starting_capital": CAPITAL,
        "equity": CAPITAL + made, "profit_realised": made, "profit_open": 0.0, "trades_closed": len(trades),
        "last_trade_id": len(trades),
    }  # fmt: skip
    with serve(ScriptedBot(state=state, trades=trades)) as url:
        config = configure(tmp_path, url)
        settings = load([config], speed=20)
        render(settings, tmp_path / "build")
        exporter = [sys.executable, "-m", "exporter", "--config", str(config), "--speed", "20"]
        server = prometheus(settings, tmp_path)
        with running([*exporter, "--data", str(tmp_path / "data")]):
            with running(server):
                query = f"{settings.services.prometheus.url}/api/v1/query"
                up = {"query": 'trading_bot_up{bot="alpha"} == 1'}
                eventually(
                    lambda: (
                        answers(query.replace("api/v1/query", "-/ready"))
                        and requests.get(query, params=up, timeout=5).json()["data"]["result"]
                    ),
                    within=60,
                    what="the bot in Prometheus",
                )
                done = backfill(config, "alpha", tmp_path / "tsdb")
                assert done.returncode == 0, done.stderr
                assert f"alpha: {len(trades)} trades" in done.stdout
            with running(server):  # else it sees new blocks within a minute
                eventually(
                    lambda: answers(query.replace("api/v1/query", "-/ready")), within=60, what="Prometheus"
                )
                for ago in (8 * DAY, 3 * DAY, 4 * 3600.0):
                    _shows(settings, now - ago, trades)
                _reports(settings, now - DAY, trades)
                # The series goes on as the same one: what grew is seen over the seam too.
                grown = {"query": 'sum(increase(trading_bot_trades_total{bot="alpha"}[9d]))'}
                (answer,) = requests.get(query, params=grown, timeout=10).json()["data"]["result"]
                assert float(answer["value"][1]) == pytest.approx(9 * 12, rel=0.05)


def _shows(settings: Settings, at: float, trades: list[dict[str, Any]]) -> None:
    """Assert what the overview shows of a time of the past."""
    closed = [
        trade for trade in trades if trade["closed_at"] <= at - 300
    ]  # as of the sample before, at least
    later = [trade for trade in trades if trade["closed_at"] <= at]
    overview = every(settings)["overview"]
    shown: dict[str, list[float]] = {}
    for reading in read(settings.services.prometheus.url, overview, View(at, chosen={"bot": "alpha"})):
        shown.setdefault(reading.panel, []).extend(reading.values.values())

    def between(panel: str, low: float, high: float) -> None:
        (value,) = shown[panel]
        assert min(low, high) - 1e-6 <= value <= max(low, high) + 1e-6, panel

    between("Total trades", len(closed), len(later))
    between("P&L", *(sum(trade["profit"] for trade in these) for these in (closed, later)))
    between("Equity", *(CAPITAL + sum(trade["profit"] for trade in these) for these in (closed, later)))
    between("Win rate", *(sum(t["profit"] > 0 for t in these) / len(these) for these in (closed, later)))
    assert shown.get("Uptime", []) == [], "nobody watched it then"


def _reports(settings: Settings, at: float, trades: list[dict[str, Any]]) -> None:
    """Assert that a report of a week of the past tells what its trades made, and draws it."""
    end = datetime.fromtimestamp(at, UTC)
    week = History(Senses.of(settings), "alpha", Period("week", end - timedelta(days=7), end))
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
