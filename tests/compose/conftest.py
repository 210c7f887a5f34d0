"""Fixtures of the compose tests: the file as compose reads it, and the stack in real containers."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from stack.keys import generate, generate_for_compose
from stack.settings import load
from stack.settings.web import Web
from tests.conftest import eventually

ROOT = Path(__file__).parent.parent.parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "compose: needs a Docker engine, its compose plugin and the images")


class Compose:
    """`docker compose` for the stack in one directory; `overrides` lie over docker-compose.yml."""

    def __init__(self, root: Path, *overrides: str) -> None:
        self.root = root
        self._files = [word for file in ("docker-compose.yml", *overrides) for word in ("-f", file)]

    def run(self, *words: str, check: bool = True, timeout: float = 600) -> str:
        """Return what `docker compose` printed; fails with its own error."""
        done = subprocess.run(
            ["docker", "compose", *self._files, *words],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            pytest.fail(f"docker compose {' '.join(words)}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done.stdout

    @property
    def web(self) -> Web:
        """Calls the parts of the stack."""
        return load([self.root / "monitoring.yaml"]).web

    def url(self, port: int) -> str:
        """Return the address of a part's published port."""
        return f"{self.web.scheme}://127.0.0.1:{port}"

    def get(self, port: int, path: str, **options: Any) -> requests.Response:
        """Call a part as the other parts do."""
        usual: dict[str, Any] = {"verify": self.web.verify, "auth": self.web.user()}
        return requests.get(f"{self.url(port)}{path}", **usual | options, timeout=10)

    def config(self, *profiles: str) -> dict[str, Any]:
        """Return the file as compose reads it."""
        chosen = [word for profile in profiles for word in ("--profile", profile)]
        return json.loads(self.run(*chosen, "config", "--format", "json"))


def _copy(target: Path) -> Path:
    """Return a directory with all files that compose reads, without the checkout's secrets and data."""
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in tracked.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    generate(load([target / "monitoring.yaml"]))
    generate_for_compose(target)
    return target


@pytest.fixture(scope="session")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Compose:
    """Return compose for a copy of the checkout; skips by name without compose."""
    if not shutil.which("docker"):
        pytest.skip("docker is not on PATH")
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker has no compose plugin here")
    return Compose(_copy(tmp_path_factory.mktemp("compose")))


@pytest.fixture(scope="session")
def several(compose: Compose) -> Compose:
    """Return compose for the same copy, with several of each part."""
    return Compose(compose.root, "docker-compose.ha.yml")


@contextmanager
def running(compose: Compose, without: Iterable[str] = ()) -> Iterator[Compose]:
    """Run the stack; skip by name without an engine, or if an image is not available."""
    engine = subprocess.run(["docker", "info", "--format", "{{.ID}}"], capture_output=True, text=True)
    if engine.returncode:
        pytest.skip(f"no Docker engine answers: {engine.stderr.strip()}")
    if taken := subprocess.run(
        ["docker", "ps", "-aq", "--filter", "label=com.docker.compose.project=nightdesk"],
        capture_output=True, text=True, check=True,
    ).stdout:  # fmt: skip
        pytest.skip(f"a stack called nightdesk is on this machine already: {taken.split()}")
    for image in {"python:3.11-slim", *_images(compose)}:
        there = subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode == 0
        if not there and subprocess.run(["docker", "pull", "-q", image], capture_output=True).returncode:
            pytest.skip(f"image {image} is neither here nor can it be pulled")
    try:
        none = [word for name in without for word in ("--scale", f"{name}=0")]
        compose.run("up", "--build", "--detach", "--wait", "--wait-timeout", "240", *none)
        yield compose
    finally:
        compose.run("down", "--volumes", "--timeout", "5", check=False)


def _images(compose: Compose) -> set[str]:
    return {one["image"] for one in compose.config()["services"].values() if "build" not in one}


def token(stack: Compose, name: str) -> dict[str, str]:
    """Return the header that carries one of the stack's tokens."""
    return {"Authorization": f"Bearer {(stack.root / 'secrets' / name).read_text().strip()}"}


def query(stack: Compose, expression: str) -> list[dict[str, Any]]:
    """Return what the published Prometheus answers."""
    answer = stack.get(9090, "/api/v1/query", params={"query": expression})
    return answer.json()["data"]["result"]


def incidents(stack: Compose) -> list[dict[str, Any]]:
    """Return the incidents of the demo bot's crashes, newest first."""
    answer = stack.get(9099, "/api/v1/incidents?state=all", headers=token(stack, "read_token"), auth=None)
    every = answer.json()["incidents"]
    return [one for one in every if (one["alert"], one["bot"]) == ("TradingBotDown", "demo")]


def crash(stack: Compose) -> None:
    """Kill the demo bot's process, once it answers and Prometheus has seen it up."""
    eventually(lambda: _answers(stack), within=60, what="the demo bot's return from an earlier restart")
    eventually(
        lambda: query(stack, 'trading_bot_up{bot="demo"} == 1'), within=180, what="the demo bot in Prometheus"
    )
    url = "http://127.0.0.1:8081/api/v1/faults/crash"
    requests.post(url, headers=token(stack, "demo_bot_token"), timeout=10).raise_for_status()


def _answers(stack: Compose) -> bool:
    try:
        url = "http://127.0.0.1:8081/api/v1/state"
        return requests.get(url, headers=token(stack, "demo_bot_token"), timeout=5).ok
    except requests.ConnectionError:  # the container has just been started
        return False
