"""A real demo bot, watched by a real exporter and a real Prometheus, and the control that acts on it."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest
import requests
import yaml

from stack.settings import Settings, load
from tests.conftest import binary, eventually, free_port
from tests.demo_bot.conftest import Bot, launch
from webhook_actions.bots import BotControl, control
from webhook_actions.store.incidents import Incident

ROOT = Path(__file__).parents[3]
SPEED = 60  # a scrape each second
_KEYS = count(1)


@dataclass
class Watched:
    """A demo bot, and the programs that watch it."""

    bot: Bot
    settings: Settings
    scripted: list[str]  # samples of absent bots, set by the tests

    def control(self, name: str = "demo") -> BotControl:
        """Return the control of a new run without any hold."""
        return control(self.settings, name, f"run-{next(_KEYS)}", lambda: None)

    def value(self, expression: str) -> float | None:
        """Return Prometheus's present answer."""
        return self.control().number(expression)


@pytest.fixture(scope="package")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    prometheus = binary("prometheus")
    directory = tmp_path_factory.mktemp("watched")
    bot = launch(directory)
    ports = {name: free_port() for name in ("exporter", "prometheus")}
    config = directory / "watched.yaml"
    (directory / "secrets").mkdir()
    (directory / "secrets/read_token").write_text("read-secret")
    source = {"type": "http", "url": f"http://127.0.0.1:{bot.port}", "token_file": "token"}
    silent = {"type": "push", "token_file": "token"}
    config.write_text(
        yaml.safe_dump(
            {
                "bots": {
                    "demo": {"source": source, "logs": [str(bot.data / "demo_bot.log")]},
                    "quiet": {"source": silent},
                },
                "services": {name: {"port": port} for name, port in ports.items()},
                "actions": {"restart": {"wait": "0s", "boot": "20s"}},
            }
        )
    )
    scripted: list[str] = []
    script = _script(scripted)
    exporter = [sys.executable, "-m", "exporter", "--config", str(config), "--speed", str(SPEED)]
    scrape = {
        "job_name": "exporter",
        "scrape_interval": "500ms",
        "scrape_timeout": "500ms",
        "static_configs": [
            {"targets": [f"127.0.0.1:{ports['exporter']}", f"127.0.0.1:{script.server_address[1]}"]}
        ],
    }
    (directory / "prometheus.yml").write_text(json.dumps({"scrape_configs": [scrape]}))
    server = [
        str(prometheus),
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
        "--log.level=error",
    ]
    processes = []
    with (directory / "watched.log").open("ab") as log:
        for command in ([*exporter, f"--data={directory / 'exporter'}"], server):
            processes.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))
    watched = Watched(bot, load([config], speed=SPEED), scripted)
    try:
        eventually(lambda: _is_seen(watched), within=40, what="the demo bot in Prometheus")
        yield watched
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)
        script.shutdown()
        bot.end()


def _script(lines: list[str]) -> ThreadingHTTPServer:
    """Serve the lines as metrics."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = "".join(f"{line}\n" for line in lines).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _is_seen(watched: Watched) -> bool:
    try:
        url = f"{watched.settings.services.prometheus.url}/-/ready"
        return requests.get(url, timeout=2).ok and watched.value('trading_bot_up{bot="$bot"}') == 1
    except requests.ConnectionError:
        return False


@pytest.fixture
def demo(watched: Watched) -> Watched:
    """The demo bot running, unpaused and without faults."""
    for name, fault in watched.bot.get("/faults")["faults"].items():
        if fault.get("active") is not False and not fault["momentary"]:
            watched.bot.mend(name)
    watched.bot.done("start")
    watched.bot.done("resume")
    return watched


@pytest.fixture
def incident() -> Callable[..., Incident]:
    """Return a function that makes an incident as an alert does."""

    def make(alert: str = "TradingBotDown", bot: str = "demo", **annotations: str) -> Incident:
        now = datetime.now(UTC)
        return Incident(1, "f", alert, bot, "critical", {"bot": bot}, annotations, now, now, now, 1)

    return make
