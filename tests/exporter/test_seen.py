"""Each metric of the catalogue appears on the exporter's /metrics, from a running demo bot."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import requests
import yaml

from exporter.catalogue import EXPORTER, LOGS, METRICS
from tests.conftest import binary, eventually, free_port
from tests.exporter.harness import TOKEN
from tests.exporter.test_catalogue import DESIGN
from tests.exporter.test_service import ROOT

DAY = 86_400.0
# Written by a recording rule in Prometheus, over blackbox_exporter's probes.
BY_RULE = {"network_latency_seconds"}
FAILED = {"source_error"}
# Metrics beyond the design: of the exporter's process, and of the exporter itself.
OWN = {
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_threads",
    "process_open_fds",
    "report_due",
    "report_start_timestamp_seconds",
    "poll_duration_seconds",
    "poll_success",
    "polls_total",
    "last_success_timestamp_seconds",
}


def history(days: int) -> str:
    """Return a journal as the demo bot keeps it: two trades a day, up to yesterday, and some losing days."""
    now = time.time()
    lines = []
    for number in range(1, 2 * days + 1):
        closed = now - DAY * (days + 1 - number / 2)
        trade = {
            "id": number,
            "position_id": number,
            "symbol": "BTC/USDT",
            "side": "long",
            "size": 0.01,
            "entry_price": 60_000.0,
            "exit_price": 60_100.0,
            "opened_at": closed - 3600,
            "closed_at": closed,
            "profit": -25.0 if number % 3 == 0 else 10.0,
            "fees": 0.5,
            "stake": 600.0,
        }
        lines.append(json.dumps(trade) + "\n")
    return "".join(lines)


@dataclass
class Watched:
    """An exporter's address, and the demo bot that it watches."""

    url: str
    bot_url: str
    bot: subprocess.Popen[bytes]

    def tell_bot(self, path: str) -> bool:
        """POST to the demo bot's API; return whether it answered."""
        try:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            return requests.post(f"{self.bot_url}/api/v1/{path}", headers=headers, timeout=10).ok
        except requests.ConnectionError:
            return False

    def names(self) -> set[str]:
        """Return the catalogue's names of what /metrics has."""
        try:
            text = requests.get(f"{self.url}/metrics", timeout=10).text
        except requests.ConnectionError:
            return set()
        families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
        return {metric.name for metric in METRICS if metric.full_name in families}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """An exporter that watches a demo bot with half a year behind it."""
    directory = tmp_path_factory.mktemp("seen")
    (directory / "token").write_text(TOKEN)
    ports = {"exporter": {"port": free_port()}, "demo_bot": {"port": free_port()}}
    due = {"daily": {"at": f"{datetime.now(UTC):%H:%M}"}}  # due for ten minutes from now, at any hour
    settings = {"demo": {"enabled": True, "token_file": "token"}, "services": ports}
    settings |= {"summaries": due, "timezone": "UTC", "routing": {"info_hours": None}}
    config = directory / "monitoring.yaml"
    config.write_text(yaml.safe_dump(settings))
    data = directory / "data"
    data.mkdir()
    (data / "trades.jsonl").write_text(history(180))
    with ExitStack() as stack:

        def start(module: str, *options: str) -> subprocess.Popen[bytes]:
            log = stack.enter_context((directory / f"{module}.log").open("wb"))
            command = [sys.executable, "-m", module, "--config", str(config), "--data", str(data), *options]
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            return process

        bot = start("demo_bot", "--pace", "0.5")
        start("exporter", "--speed", "30")
        addresses = (f"http://127.0.0.1:{ports[name]['port']}" for name in ("exporter", "demo_bot"))
        yield Watched(*addresses, bot)


def test_every_metric_of_the_design_is_seen_from_the_demo_bot(watched):
    # Only a retraining, a failed call and a slow one yield these.
    for told in ("control/retrain_model", "faults/api_errors", "faults/slow_api"):
        eventually(lambda told=told: watched.tell_bot(told), what=told)
    lacking = (set(DESIGN.split()) | OWN) - BY_RULE - FAILED
    deadline = time.monotonic() + 90
    while lacking and time.monotonic() < deadline:
        time.sleep(0.5)
        lacking -= watched.names()
    assert lacking == set()


def test_promtool_has_nothing_to_say_about_the_page(watched):
    page = requests.get(f"{watched.url}/metrics", timeout=10).content
    checked = subprocess.run(
        [binary("promtool"), "check", "metrics"], input=page, capture_output=True, check=False, timeout=60
    )
    assert page.count(b"# TYPE") > 50
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_of_a_bot_that_is_gone_only_that_is_seen_and_what_it_had_lost(watched):
    watched.bot.terminate()
    watched.bot.wait(30)
    eventually(lambda: "source_error" in watched.names(), what="the failed poll")
    of_bot = {metric.name for metric in METRICS if metric.of_bot and metric.group not in (LOGS, EXPORTER)}
    seen = watched.names() & of_bot
    assert {name for name in seen if not name.startswith("loss_limit_")} == {"up", "source_error"}
    assert "loss_limit_used_ratio" in seen
