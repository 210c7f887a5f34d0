"""A small real stack for the engine: a Prometheus that scrapes bots whose samples and answers a test sets."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.conftest import binary, eventually, free_port

SPEED = 60  # the engine's waits: a scrape each second, a cooldown of Down of 5 s
ROOT = Path(__file__).parents[2]
RULE = {
    "alert": "TradingBotDown",
    "expr": "max by (bot) (trading_bot_up) == 0",
    "keep_firing_for": "3s",
    "labels": {"severity": "critical"},
    "annotations": {"verify": 'trading_bot_up{bot="{{ $labels.bot }}"} == 1'},
}


@dataclass
class Bot:
    """A bot's state, and the effect of a restart on it."""

    up: float | None = 1.0  # None: its series is gone
    comes_back: bool = True
    answers: bool = True
    status: int = 200  # of a restart
    pause: float = 0.0  # seconds a restart takes
    error: str | None = None  # reason of source_error
    positions: list[dict[str, Any]] | None = None  # None: not reported
    restarts: list[str] = field(default_factory=list)  # their idempotency keys


class Bots:
    """The bots' metrics and their control API, on one loopback port."""

    def __init__(self, *names: str) -> None:
        self.by_name = {name: Bot() for name in names}
        harness = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    return self.reply(200, harness.exposition(), "text/plain")
                bot = harness.by_name[self.path.split("/")[1]]
                held = {} if bot.positions is None else {"open_positions": bot.positions}
                answer = json.dumps({"state": "running", **held}).encode()
                return self.reply(200 if bot.answers else 503, answer)

            def do_POST(self) -> None:
                bot = harness.by_name[self.path.split("/")[1]]
                bot.restarts.append(self.headers["Idempotency-Key"])
                time.sleep(bot.pause)
                if bot.status == 200 and bot.comes_back:
                    bot.up = 1.0
                return self.reply(bot.status, b"{}")

            def reply(self, status: int, body: bytes, kind: str = "application/json") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def exposition(self) -> bytes:
        lines = []
        for name, bot in self.by_name.items():
            if bot.up is not None:
                lines.append(f'trading_bot_up{{bot="{name}"}} {bot.up}')
            if bot.error:
                lines.append(f'trading_bot_source_error{{bot="{name}",reason="{bot.error}"}} 1')
        return ("\n".join(lines) + "\n").encode()


class Harness:
    """The bots, a real Prometheus, and the engine as a process of its own."""

    def __init__(self, directory: Path, *names: str, **overrides: Any) -> None:
        self.directory = directory
        self.bots = Bots(*names)
        # A free port for Alertmanager: on the default port another test's, or a user's, might listen.
        self.ports = {name: free_port() for name in ("prometheus", "webhook_actions", "alertmanager")}
        self.prometheus: subprocess.Popen[bytes] | None = None
        self.engine: subprocess.Popen[bytes] | None = None
        self.replicas: list[subprocess.Popen[bytes]] = []
        for token in ("receive", "read", "act", "reload", "bot"):
            (directory / f"{token}_token").write_text(f"{token}-secret\n")
        self.config = directory / "monitoring.yaml"
        self.config.write_text(yaml.safe_dump(self._settings(names, overrides)))

    def _settings(self, names: tuple[str, ...], overrides: dict[str, Any]) -> dict[str, Any]:
        bots = {
            name: {
                "source": {
                    "type": "http",
                    "url": f"http://127.0.0.1:{self.bots.port}/{name}",
                    "token_file": "bot_token",
                }
            }
            for name in names
        }
        return {
            "bots": bots,
            "services": {name: {"port": port} for name, port in self.ports.items()},
            "webhook_actions": {
                "tokens": {f"{name}_file": f"{name}_token" for name in ("receive", "read", "act", "reload")},
                "heartbeat": "1s",
                "reconcile_interval": "1m",  # a test reports its alerts by its own webhooks
            },
            "actions": {"restart": {"wait": "0s", "boot": "1s"}},
            **overrides,
        }

    def start_prometheus(self) -> None:
        self.prometheus = self._prometheus("prometheus", RULE)

    def start_second_prometheus(self, rule: dict[str, Any]) -> subprocess.Popen[bytes]:
        """Start another Prometheus with its own rule; the engine gets its address at the start."""
        self.ports["second"] = free_port()
        both = [{"host": "127.0.0.1", "port": self.ports[name]} for name in ("prometheus", "second")]
        settings = yaml.safe_load(self.config.read_text())
        settings["services"] = {
            **settings["services"],
            "prometheus": settings["services"]["prometheus"] | {"replicas": both},
        }
        self.config.write_text(yaml.safe_dump(settings))
        self.replicas.append(self._prometheus("second", rule))
        return self.replicas[-1]

    def _prometheus(self, name: str, rule: dict[str, Any]) -> subprocess.Popen[bytes]:
        rules = self.directory / f"{name}-rules.yml"
        rules.write_text(yaml.safe_dump({"groups": [{"name": "test", "rules": [rule]}]}))
        config = self.directory / f"{name}.yml"
        scrape = {"job_name": "bots", "static_configs": [{"targets": [f"127.0.0.1:{self.bots.port}"]}]}
        pace = {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}
        config.write_text(
            yaml.safe_dump({"global": pace, "rule_files": [str(rules)], "scrape_configs": [scrape]})
        )
        process = subprocess.Popen(
            [
                str(binary("prometheus")),
                f"--config.file={config}",
                f"--storage.tsdb.path={self.directory / f'{name}-tsdb'}",
                f"--web.listen-address=127.0.0.1:{self.ports[name]}",
                "--log.level=error",
            ]
        )
        eventually(lambda: self._ok(self.ports[name], "/-/ready"), what="Prometheus")
        return process

    def start_engine(self) -> None:
        self.engine = self._start(self.ports["webhook_actions"], "engine")

    def start_replica(self) -> int:
        """Start another engine with the same settings and return its port."""
        port = free_port()
        overlay = self.directory / "replica.yaml"
        overlay.write_text(yaml.safe_dump({"services": {"webhook_actions": {"port": port}}}))
        self.replicas.append(self._start(port, "replica", "--config", str(overlay)))
        return port

    def _start(self, port: int, name: str, *extra: str) -> subprocess.Popen[bytes]:
        data = self.directory / f"{name}-data"
        options = ["--config", str(self.config), "--speed", str(SPEED), "--data", str(data), *extra]
        process = subprocess.Popen(
            [sys.executable, "-m", "webhook_actions", *options],
            cwd=ROOT,
            stderr=(self.directory / f"{name}.log").open("ab"),
        )
        eventually(lambda: self._ok(port, "/healthz"), within=60, what=name)
        return process

    def stop(self, process: subprocess.Popen[bytes] | None, sign: int = signal.SIGTERM) -> None:
        if process is not None and process.poll() is None:
            os.kill(process.pid, sign)
            process.wait(60)

    def close(self) -> None:
        for process in (self.engine, *self.replicas, self.prometheus):
            self.stop(process)
        self.bots.server.shutdown()

    def goes_down(self, name: str) -> None:
        """Let a bot go down and wait until its alert fires in Prometheus."""
        self.bots.by_name[name].up = 0.0
        eventually(lambda: name in self.firing(), what=f"Down of {name}")

    def firing(self) -> list[str]:
        answer = requests.get(f"http://127.0.0.1:{self.ports['prometheus']}/api/v1/alerts", timeout=5).json()
        return [alert["labels"]["bot"] for alert in answer["data"]["alerts"]]

    def alert(self, name: str, **changes: Any) -> dict[str, Any]:
        """Return an alert as Alertmanager delivers it."""
        return {
            "status": "firing",
            "labels": {"alertname": "TradingBotDown", "bot": name, "severity": "critical"},
            "annotations": {"verify": f'trading_bot_up{{bot="{name}"}} == 1'},
            "startsAt": datetime.now(UTC).isoformat(),
            "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": f"f-{name}",
            **changes,
        }

    def deliver(self, *alerts: dict[str, Any], port: int | None = None) -> requests.Response:
        return self.post(json.dumps({"version": "4", "alerts": alerts}).encode(), port=port)

    def post(
        self, body: bytes, token: str | None = "receive-secret", port: int | None = None
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.post(self.url("/api/v1/alerts", port), data=body, headers=headers, timeout=40)

    def get(self, path: str, token: str = "read-secret") -> requests.Response:
        return requests.get(self.url(path), headers={"Authorization": f"Bearer {token}"}, timeout=20)

    def url(self, path: str, port: int | None = None) -> str:
        return f"http://127.0.0.1:{port or self.ports['webhook_actions']}{path}"

    def incidents(self) -> list[dict[str, Any]]:
        """Return all incidents, oldest first."""
        return list(reversed(self.get("/api/v1/incidents?state=all").json()["incidents"]))

    def incident(self, name: str) -> dict[str, Any]:
        """Return the newest incident of a bot."""
        return [incident for incident in self.incidents() if incident["bot"] == name][-1]

    def kinds(self, name: str) -> list[str]:
        """Return the kinds of the timeline of a bot's newest incident."""
        return [entry["kind"] for entry in self.incident(name)["timeline"]]

    def metric(self, line: str) -> float:
        """Return a sample of the engine's /metrics by its name and labels, 0 where it is absent."""
        for sample in self.get("/metrics").text.splitlines():
            if sample.startswith(line + " "):
                return float(sample.rsplit(" ", 1)[1])
        return 0.0

    @staticmethod
    def _ok(port: int, path: str) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{port}{path}", timeout=2).ok
        except requests.ConnectionError:
            return False


def limits(**page: object) -> dict[str, object]:
    tokens = {f"{name}_file": f"{name}_token" for name in ("receive", "read", "act")}
    return {"tokens": tokens, "heartbeat": "1s", "page": page}
