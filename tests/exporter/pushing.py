"""An exporter with bots that push, as a process on loopback, and what a test pushes to it."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.conftest import eventually, free_port
from tests.exporter.harness import Series, parsed
from tests.exporter.test_service import ROOT, command

TOKENS = {"one": "token-of-one", "two": "token-of-two"}


@dataclass
class Desk:
    """An exporter that a test starts, kills and starts again over the same directory."""

    directory: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def configure(self, **collection: Any) -> None:
        bots = {}
        for name, token in TOKENS.items():
            (self.directory / name).write_text(f"{token}\n")
            bots[name] = {"source": {"type": "push", "token_file": name}}
        bots["polled"] = {"source": {"type": "http", "url": "http://127.0.0.1:9", "token_file": "one"}}
        settings = {
            "demo": {"enabled": False},
            "bots": bots,
            "collection": collection,
            "services": {"exporter": {"port": self.port}},
        }
        (self.directory / "monitoring.yaml").write_text(yaml.safe_dump(settings))

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command(self.directory / "monitoring.yaml"), "--data", str(self.directory / "data")],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        eventually(self.answers, what="the exporter's start")

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.directory / "log").read_text()
        try:
            return self.session.get(f"{self.url}/healthz", timeout=5).ok
        except requests.ConnectionError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=15)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=15)

    def push(
        self, bot: str, kind: str, body: Any, token: str | None = None, **more: Any
    ) -> tuple[int, dict[str, Any]]:
        """Push and return the status and the answer; bytes are sent as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.session.post(
            f"{self.url}/api/v1/bots/{bot}/{kind}",
            data=data,
            headers={"Authorization": f"Bearer {TOKENS.get(bot, '') if token is None else token}"},
            timeout=30,
            **more,
        )
        return answer.status_code, answer.json()

    def series(self, bot: str) -> Series:
        answer = self.session.get(f"{self.url}/metrics", params={"bot[]": bot}, timeout=10)
        return parsed(answer.text)

    def until(self, bot: str, holds: Callable[[Series], bool]) -> Series:
        """Return the bot's series once a condition holds."""
        found: dict[str, Series] = {}

        def looked() -> bool:
            found["last"] = self.series(bot)
            return holds(found["last"])

        eventually(looked, what=f"what was pushed by {bot}")
        return found["last"]

    def trades_of(self, bot: str) -> list[Mapping[str, Any]]:
        """Return the journal's trades, once the exporter has been killed."""
        folder = next((self.directory / "data/exporter/bots").glob(f"{bot}-*"))
        lines = (folder / "trades.jsonl").read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]


@contextmanager
def desk(directory: Path, **collection: Any) -> Iterator[Desk]:
    """Run an exporter with two pushing bots and one that it polls."""
    found = Desk(directory)
    found.configure(**collection)
    found.start()
    try:
        yield found
    finally:
        found.stop()
