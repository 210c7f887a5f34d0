"""Whether Nightdesk sees a loss: `nightdesk check` says so before the start, `check --live` afterwards."""

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from stack.keys import generate
from stack.settings import load
from tests.conftest import binary, eventually, free_port
from tests.stack.conftest import Desk

BLIND = "my_bot: drawdown alerts cannot fire without starting_capital or equity history"
SOURCES: dict[str, dict[str, Any]] = {
    "push": {"type": "push", "token_file": "secrets/my_bot_token"},
    "file": {"type": "file", "state": "state.json"},
    "http": {"type": "http", "url": "http://127.0.0.1:9000", "token_file": "secrets/my_bot_token"},
    "freqtrade": {"type": "freqtrade", "url": "http://127.0.0.1:8080", "username": "u",
                  "password_file": "secrets/my_bot_token"},
}  # fmt: skip

MAIL = {
    "email": {"enabled": True, "host": "smtp.example.org", "from": "a@example.org", "to": ["b@example.org"]}
}


def checked(
    desk: Desk, bot: dict[str, Any], *words: str, **settings: Any
) -> subprocess.CompletedProcess[str]:
    file = desk.write(bots={"my_bot": bot}, channels=MAIL, **settings)
    generate(load([file]))
    (desk.root / "secrets/my_bot_token").write_text("token")
    return desk.run("check", *words)


@pytest.mark.parametrize("kind", ["push", "file", "http"])
def test_a_bot_that_cannot_report_its_capital_needs_it_in_the_settings(desk: Desk, kind: str):
    told = checked(desk, {"source": SOURCES[kind]})
    assert told.returncode == 2
    assert "bots.my_bot.starting_capital: " in told.stderr
    assert BLIND in told.stderr


def test_up_says_so_too_and_starts_all_the_same(desk: Desk):
    checked(desk, {"source": SOURCES["push"]})
    told = desk.run("up", "--replica", "9")  # there is no capital: the command ends before it starts anything
    assert f"warning: bots.my_bot.starting_capital: {BLIND}" in told.stdout


@pytest.mark.parametrize(
    "more",
    [
        {"starting_capital": 1000},
        {"starting_capital": -150},
        {"drawdown_baseline": {"at": "2026-01-01T00:00:00Z", "equity": 900}},
    ],
)
def test_a_capital_or_an_equity_of_then_is_enough(desk: Desk, more: dict[str, Any]):
    told = checked(desk, {"source": SOURCES["push"]} | more)
    assert (told.returncode, told.stderr) == (0, "")


def test_a_baseline_without_an_equity_gives_no_capital(desk: Desk):
    baseline = {"drawdown_baseline": {"at": "2026-01-01T00:00:00Z"}}
    assert BLIND in checked(desk, {"source": SOURCES["push"]} | baseline).stderr


def test_freqtrade_and_the_demo_bot_report_their_own_capital(desk: Desk):
    assert checked(desk, {"source": SOURCES["freqtrade"]}).returncode == 0


class Figures(BaseHTTPRequestHandler):
    """Plays the exporter."""

    text = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(self.text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def prometheus(desk: Desk) -> Iterator[int]:
    """A Prometheus that scrapes FIGURES, with a rule of the alert; returns its port."""
    program, port = binary("prometheus"), free_port()
    figures = ThreadingHTTPServer(("127.0.0.1", 0), Figures)
    threading.Thread(target=figures.serve_forever, daemon=True).start()
    rule = {"alert": "TradingBotCriticalLoss", "expr": "trading_bot_drawdown_ratio > 0.15"}
    (desk.root / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "test", "interval": "1s", "rules": [rule]}]})
    )
    target = {"job_name": "x", "static_configs": [{"targets": [f"127.0.0.1:{figures.server_port}"]}]}
    config = {"global": {"scrape_interval": "1s"}, "rule_files": ["rules.yml"], "scrape_configs": [target]}
    (desk.root / "prometheus.yml").write_text(yaml.safe_dump(config))
    running = subprocess.Popen(
        [program, "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb",
         f"--web.listen-address=127.0.0.1:{port}"],
        cwd=desk.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    yield port
    running.terminate()
    running.wait()
    figures.shutdown()
    figures.server_close()


def test_check_live_says_of_each_bot_whether_a_loss_would_be_seen(desk: Desk, prometheus: int):
    Figures.text = (
        'trading_bot_up{bot="my_bot"} 1\ntrading_bot_up{bot="down"} 0\ntrading_bot_up{bot="blind"} 1\n'
        'trading_bot_up{bot="lost"} 1\ntrading_bot_drawdown_ratio{bot="lost"} 0.7\n'
        'trading_bot_drawdown_ratio{bot="my_bot"} 0.021\n'
    )
    bot = {"source": SOURCES["freqtrade"]}
    services = {"prometheus": {"port": prometheus}}
    bots = dict.fromkeys(("my_bot", "lost", "blind", "down", "new"), bot)
    desk.write(bots=bots, services=services, channels=MAIL)
    generate(load([desk.root / "monitoring.yaml"]))
    (desk.root / "secrets/my_bot_token").write_text("token")

    def said() -> list[str]:
        lines = desk.run("check", "--live").stdout.splitlines()
        return lines if any("lost: CriticalLoss fires" in line for line in lines) else []

    told = "\n".join(eventually(said, what="the alert"))
    nothing = "it closes nothing: actions.armed has none of its actions"
    assert f"my_bot: CriticalLoss is armed: it fires beyond a drawdown of 15.0%, now 2.1%; {nothing}" in told
    assert "warning: blind: drawdown alerts cannot fire without starting_capital or equity history" in told
    assert "warning: down: does not answer" in told
    assert "warning: new: is not seen yet" in told


def test_check_live_without_a_prometheus_or_webhook_actions_says_so(desk: Desk):
    services = {name: {"port": free_port()} for name in ("prometheus", "webhook_actions")}
    told = checked(desk, {"source": SOURCES["freqtrade"]}, "--live", services=services)
    assert told.returncode == 1
    assert "warning: the bots' capabilities are unknown: webhook_actions at" in told.stdout
    assert "does not answer" in told.stderr
