"""PostgreSQL, Prometheus and engines as processes that are killed, stopped and started again."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests
import yaml

from tests.chaos.fleet import Fleet
from tests.conftest import binary, eventually, free_port
from webhook_actions.store.embedded import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
SPEED = 60
_ENDS_WITH_US = ["setpriv", "--pdeathsig=KILL"]  # in the thread that starts it
_VERIFY = 'chaos_fault{bot="$bot",alert="$alert",symbol="$symbol"} == 0'
_BY_LABEL = {"$bot": "{{ $labels.bot }}", "$symbol": "{{ $labels.symbol }}"}
_TOKENS = ("receive", "read", "act", "bot")


class ChaosStack:
    """One fleet, its Prometheus, a PostgreSQL, and engines that share it."""

    def __init__(
        self,
        directory: Path,
        fleet: Fleet,
        engines: int,
        speed: float = SPEED,
        pace: str = "1s",
        **settings: Any,
    ) -> None:
        """`speed` divides the engines' waits; Prometheus scrapes once in `pace`."""
        self.directory, self.fleet, self._speed = directory, fleet, speed
        self.ports = [free_port() for _ in range(engines)]
        self.prometheus_port = free_port()
        self._engines: list[subprocess.Popen[bytes] | None] = [None] * engines
        self._locks = [threading.Lock() for _ in range(engines)]
        self.exits = 0  # ends of engines that nobody killed
        self._postgres = EmbeddedPostgres(directory / "postgres")
        for token in _TOKENS:
            (directory / f"{token}_token").write_text(f"{token}-secret\n")
        (directory / "webhook_secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
        self.address = f"host={directory / 'sockets'} user=nightdesk dbname=postgres"
        (directory / "database_url").write_text(self.address)
        self.config = directory / "monitoring.yaml"
        self.config.write_text(yaml.safe_dump(self._settings(settings)))
        self.start_postgres()
        self._prometheus = self._start_prometheus(pace)

    def _settings(self, given: dict[str, Any]) -> dict[str, Any]:
        bots = {
            name: {
                "source": {
                    "type": "http",
                    "url": f"http://127.0.0.1:{self.fleet.port}/{name}",
                    "token_file": "bot_token",
                }
            }
            for name in self.fleet.bots
        }
        own: dict[str, Any] = {
            "bots": bots,
            "services": {"prometheus": {"port": self.prometheus_port}},
            "webhook_actions": {
                "tokens": {f"{name}_file": f"{name}_token" for name in ("receive", "read", "act")},
                "heartbeat": "1s",
                "database_url_file": "database_url",
                "page": {"writes": 100_000},
            }
            | given.pop("webhook_actions", {}),
        }
        return own | given

    def start_postgres(self) -> None:
        """Start PostgreSQL where the engines look for it."""
        sockets = self._postgres.start().split()[0].removeprefix("host=")
        link = self.directory / "sockets"
        link.unlink(missing_ok=True)
        link.symlink_to(sockets)

    def stop_postgres(self) -> None:
        """Stop PostgreSQL as its own service would: fast, even with open connections."""
        self._postgres.stop()

    def _start_prometheus(self, every: str) -> subprocess.Popen[bytes]:
        rules = [
            {
                "alert": f"TradingBot{alert}",
                "expr": f'max by (bot, symbol) (chaos_fault{{alert="{alert}"}}) == 1',
                "labels": {"severity": severity},
                "annotations": {
                    "summary": f"{alert} of {{{{ $labels.bot }}}}",
                    "verify": _rule_verify(alert),
                },
            }
            for alert, severity in SEVERITY.items()
        ]
        (self.directory / "rules.yml").write_text(
            yaml.safe_dump({"groups": [{"name": alert["alert"], "rules": [alert]} for alert in rules]})
        )
        scrape = {"job_name": "bots", "static_configs": [{"targets": [f"127.0.0.1:{self.fleet.port}"]}]}
        pace = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
        config = {"global": pace, "rule_files": ["rules.yml"], "scrape_configs": [scrape]}
        (self.directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        process = subprocess.Popen(
            [
                *_ENDS_WITH_US,
                str(binary("prometheus")),
                f"--config.file={self.directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.directory / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
                "--log.level=error",
            ]
        )
        eventually(lambda: _ok(self.prometheus_port, "/-/ready"), within=60, what="Prometheus")
        return process

    def processes(self) -> list[psutil.Process]:
        """Return the engines and PostgreSQL's processes."""
        postmaster = int((self.directory / "postgres/postmaster.pid").read_text().split()[0])
        roots = [psutil.Process(process.pid) for process in self._engines if process is not None]
        database = psutil.Process(postmaster)
        return [*roots, database, *database.children(recursive=True)]

    def firing(self) -> int:
        """Return how many alerts fire."""
        url = f"http://127.0.0.1:{self.prometheus_port}/api/v1/query"
        query = {"query": 'count(ALERTS{alertstate="firing"})'}
        result = requests.get(url, params=query, timeout=10).json()["data"]["result"]
        return int(result[0]["value"][1]) if result else 0

    def start(self, number: int) -> None:
        """Start an engine and wait until it is healthy; start it again if it ends meanwhile."""
        while True:
            with self._locks[number]:
                process = self._engines[number]
                if process is None or process.poll() is not None:
                    self._engines[number] = self._spawn(number)
            with contextlib.suppress(_Ended):
                return eventually(lambda: self._is_well(number), within=90, what=f"engine {number}")
            self.exits += 1

    def start_all(self) -> None:
        """Start every engine."""
        for number in range(len(self.ports)):
            self.start(number)

    def _spawn(self, number: int) -> subprocess.Popen[bytes]:
        overlay = self.directory / f"engine{number}.yaml"
        overlay.write_text(yaml.safe_dump({"services": {"webhook_actions": {"port": self.ports[number]}}}))
        options = ["--config", str(self.config), "--config", str(overlay), "--speed", str(self._speed)]
        options += ["--data", str(self.directory)]
        return subprocess.Popen(
            [
                *_ENDS_WITH_US,
                sys.executable,
                "-m",
                "webhook_actions",
                *options,
                "--data",
                str(self.directory),
            ],
            cwd=ROOT,
            stderr=(self.directory / f"engine{number}.log").open("ab"),
        )

    def _is_well(self, number: int) -> bool:
        process = self._engines[number]
        if process is None or process.poll() is not None:
            raise _Ended
        return _ok(self.ports[number], "/healthz")

    def kill(self, number: int) -> None:
        """End an engine with SIGKILL."""
        process = self._engines[number]
        if process is not None and process.poll() is None:
            process.kill()
            process.wait(30)

    def revive(self, number: int) -> None:
        """Start an engine that ended by itself, as a supervisor would."""
        process = self._engines[number]
        if process is not None and process.poll() is not None:
            self.exits += 1
            self.start(number)

    def freeze(self, number: int) -> None:
        """Freeze an engine."""
        self._signal(number, signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        """Let it continue."""
        self._signal(number, signal.SIGCONT)

    def _signal(self, number: int, sign: signal.Signals) -> None:
        process = self._engines[number]
        assert process is not None
        os.kill(process.pid, sign)

    def post(self, number: int, path: str, body: object, token: str) -> requests.Response:
        """Send a request to an engine."""
        return requests.post(
            f"http://127.0.0.1:{self.ports[number]}{path}",
            data=json.dumps(body),
            headers={"Authorization": f"Bearer {token}-secret", "Content-Type": "application/json"},
            timeout=20,
        )

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the result of a query."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def close(self) -> None:
        """End everything."""
        for process in self._engines:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in (*self._engines, self._prometheus):
            if process is not None:
                process.terminate()
                process.wait(60)
        self._postgres.stop()


class _Ended(Exception):
    """An engine ended during a wait for it."""


SEVERITY = {
    "Down": "critical",
    "CriticalLoss": "critical",
    "HighDrawdown": "critical",
    "LossLimit": "critical",
    "ApiErrorRate": "critical",
    "HighLatency": "warning",
    "RiskUtilizationHigh": "warning",
    "DataStale": "critical",
    "LowPredictionConfidence": "warning",
}


def alert(name: str, kind: str, symbol: str, **changes: Any) -> dict[str, Any]:
    """Return an alert as Alertmanager delivers it."""
    verify = _VERIFY.replace("$bot", name).replace("$alert", kind).replace("$symbol", symbol)
    return {
        "status": "firing",
        "labels": {
            "alertname": f"TradingBot{kind}",
            "bot": name,
            "symbol": symbol,
            "severity": SEVERITY[kind],
        },
        "annotations": {"summary": f"{kind} of {name} {symbol}", "verify": verify},
        "startsAt": datetime.now(UTC).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": f"{kind}-{name}-{symbol}",
        **changes,
    }


def _rule_verify(kind: str) -> str:
    """Return the rule's `verify` query, by the labels of each alert."""
    text = _VERIFY.replace("$alert", kind)
    for name, template in _BY_LABEL.items():
        text = text.replace(name, template)
    return text


def _ok(port: int, path: str) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}{path}", timeout=5).ok
    except requests.RequestException:
        return False
