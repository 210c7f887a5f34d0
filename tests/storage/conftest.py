"""A real Prometheus with the rendered configuration, and an exporter whose samples a test sets."""

import random
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from stack.render import render
from stack.settings import load
from tests.conftest import binary, eventually, free_port

SPEED = 30  # a scrape of the trading group every other second
Samples = dict[float, float]


def program(name: str, package: str) -> str:
    """Return a program, or skip the test by name if the machine has none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (apt install {package})")
    return found


@dataclass
class Store:
    """A third party's store as a process that can be down."""

    command: Sequence[str]
    port: int
    ready: str
    log: Path
    environment: dict[str, str] | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=out, env=self.environment)
        eventually(lambda: answers(self.url + self.ready), within=60, what=self.command[0])

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None


@dataclass
class Source:
    """Serves one gauge of a bot with another value at each scrape, and a metric outside the selection."""

    port: int
    told: list[float] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator[None]:
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                source.told.append(round(random.uniform(9_000, 11_000), 2))  # VictoriaMetrics keeps 12 digits
                body = f'trading_bot_equity{{bot="demo"}} {source.told[-1]}\ngo_threads 7\n'.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@dataclass
class Desk:
    """Prometheus, as the settings render it."""

    url: str
    source: Source

    def samples(self, name: str = "trading_bot_equity") -> Samples:
        """Return the samples that Prometheus holds of a metric of the group trading, by their time."""
        query = f'{name}{{job="exporter-trading"}}[1h]'
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10).json()
        found = answer["data"]["result"]
        return {round(at, 3): float(value) for at, value in found[0]["values"]} if found else {}


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.ConnectionError:
        return False


@contextmanager
def desk(directory: Path, integrations: Any = None, **storage: Any) -> Iterator[Desk]:
    """Run Prometheus with these settings of `storage` and of `integrations`."""
    source = Source(free_port())
    ports = {"exporter": source.port, "prometheus": free_port(), "webhook_actions": free_port()}
    config = directory / "monitoring.yaml"
    settings = {
        "services": {name: {"port": port} for name, port in ports.items()},
        "storage": storage,
        "integrations": integrations or {},
    }
    config.write_text(yaml.safe_dump(settings))
    render(load([config], speed=SPEED), directory / "build")
    command = [
        str(binary("prometheus")),
        f"--config.file={directory / 'build/prometheus/prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
        "--log.level=warn",
    ]
    url = f"http://127.0.0.1:{ports['prometheus']}"
    with source.serving(), (directory / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            eventually(lambda: answers(f"{url}/-/ready"), within=60, what="Prometheus")
            yield Desk(url, source)
        finally:
            process.terminate()
            process.wait(30)
