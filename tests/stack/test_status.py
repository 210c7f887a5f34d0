"""The line of state, read from a real Prometheus that scrapes a bot's figures."""

import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from stack.settings import Settings, load
from stack.status import BotState, Status, Unreachable, read_status
from tests.conftest import binary, eventually, free_port
from tests.stack.conftest import Desk

FIGURES = """\
trading_bot_up{bot="demo"} 1
trading_bot_state{bot="demo",state="running"} 1
trading_bot_state{bot="demo",state="paused"} 0
trading_bot_profit_loss{bot="demo"} -1234.5
"""
RULES = """\
groups:
  - name: test
    interval: 1s
    rules:
      - {alert: TradingBotDown, expr: 'trading_bot_up == 1', labels: {bot: demo}}
      - {alert: TradingBotLoopHung, expr: 'trading_bot_up == 1', labels: {bot: drill-1, drill: x-1}}
      - {alert: TradingBotWatchdog, expr: vector(1)}
"""


EARNEST: dict[str, object] = {"labels": {"bot": "demo"}}
PAUSED = json.dumps({"paused": True, "by": "anna", "reason": "restored"})
INCIDENTS = json.dumps({"incidents": [EARNEST, EARNEST, EARNEST, {"labels": {"drill": "x-1"}}]})


class Figures(http.server.BaseHTTPRequestHandler):
    """Plays the exporter, and webhook_actions with four open incidents for a caller with the read token."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        known = self.headers["Authorization"] == "Bearer readers"
        if asked.path == "/metrics":
            self.answer(200, "text/plain; version=0.0.4", FIGURES)
        elif known and asked.path == "/api/v1/incidents" and "state=open" in asked.query:
            self.answer(200, "application/json", INCIDENTS)
        elif known and asked.path == "/api/v1/pause":
            self.answer(200, "application/json", PAUSED)
        else:
            self.answer(401, "application/json", "{}")

    def answer(self, status: int, kind: str, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def prometheus(desk: Desk) -> Iterator[Settings]:
    """A Prometheus that scrapes FIGURES; returns settings that name it."""
    program, port = binary("prometheus"), free_port()
    figures = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Figures)
    threading.Thread(target=figures.serve_forever, daemon=True).start()
    (desk.root / "rules.yml").write_text(RULES)
    (desk.root / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\nscrape_configs:\n"
        f"  - {{job_name: x, static_configs: [{{targets: ['127.0.0.1:{figures.server_port}']}}]}}\n"
    )
    running = subprocess.Popen(
        [program, "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb",
         f"--web.listen-address=127.0.0.1:{port}"],
        cwd=desk.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    desk.write(services={"prometheus": {"port": port}, "webhook_actions": {"port": figures.server_port}})
    (desk.root / "secrets").mkdir()
    (desk.root / "secrets/read_token").write_text("readers\n")
    yield load([desk.root / "monitoring.yaml"])
    running.terminate()
    running.wait()
    figures.shutdown()
    figures.server_close()


def read(settings: Settings) -> Status | None:
    try:
        return read_status(settings)
    except Unreachable:
        return None


def test_the_line_says_bot_money_alerts_and_incidents(prometheus: Settings):
    seen = eventually(
        lambda: (status := read(prometheus)) and status.firing and status.bots[0].up and status,
        what="the figures",
    )
    assert str(seen) == (
        "demo up running -1,234.50 USDT | firing: TradingBotDown (demo) | open incidents: 3 | "
        "all actions are PAUSED by anna: restored"
    )
    assert "1,234" not in seen.summary()


def test_a_bot_without_figures_is_not_called_down(desk: Desk, prometheus: Settings):
    mine = {"source": {"type": "http", "url": "http://127.0.0.1:1", "token_file": "x"}}
    port = prometheus.services.prometheus.port
    desk.write(demo={"enabled": False}, bots={"mine": mine}, services={"prometheus": {"port": port}})
    settings = load([desk.root / "monitoring.yaml"])
    seen = eventually(lambda: read(settings), what="an answer of Prometheus")
    assert str(seen).startswith("mine not seen yet | ")
    assert str(seen).endswith("open incidents: unknown")


def test_a_prometheus_that_does_not_answer_is_named(desk: Desk):
    desk.write(services={"prometheus": {"port": free_port()}})
    with pytest.raises(
        Unreachable, match=r"prometheus at http://127\.0\.0\.1:\d+/api/v1/query does not answer"
    ):
        read_status(load([desk.root / "monitoring.yaml"]))


def test_a_desk_of_twelve_is_named_by_what_is_not_calm():
    bots = [BotState(f"bot_{number}", True, "running", 1.0, "USDT") for number in range(11)]
    dead = BotState("alpha", False, None, -5.0, "USDT", "nothing listens at its address")
    firing = (*(f"TradingBotSuggestion (bot_{number})" for number in range(11)), "TradingBotDown (alpha)")
    assert str(Status((dead, *bots), firing, 12)) == (
        "11 bots up, alpha DOWN (nothing listens at its address) -5.00 USDT | "
        "firing: TradingBotSuggestion (11 bots), TradingBotDown (alpha) | open incidents: 12"
    )
