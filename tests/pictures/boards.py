"""Pictures of dashboards without Grafana: a page of Grafana's own components, served beside Prometheus."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import requests

from tests.conftest import eventually
from tests.webhook_actions.chromium import Browser
from tests.webhook_actions.harness import ROOT

_SOURCES = ROOT / "tests/pictures/grafana"
_BUILT = ROOT / "build/pictures"  # the packages from npm do not belong into the repository


def bundle() -> Path:
    """Fetch Grafana's packages as they are locked, bundle the page; return the folder that holds it."""
    npm, node = (_program(name) for name in ("npm", "node"))
    shutil.copytree(_SOURCES, _BUILT, dirs_exist_ok=True)
    locked, fetched = _BUILT / "package-lock.json", _BUILT / "node_modules/.fetched"
    if not fetched.exists() or fetched.read_bytes() != locked.read_bytes():
        subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=_BUILT, check=True)
        shutil.copyfile(locked, fetched)
    page = _BUILT / "page"
    page.mkdir(exist_ok=True)
    subprocess.run([node, "build.mjs", str(page)], cwd=_BUILT, check=True)
    shutil.copyfile(_SOURCES / "index.html", page / "index.html")
    return page


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not on PATH: pictures of boards need Node.js (apt install nodejs npm)")
    return found


class _Handler(SimpleHTTPRequestHandler):
    """Serves the page, the dashboard, and Prometheus's answers."""

    board: dict[str, Any] = {}  # noqa: RUF012 - replaced by a subclass
    prometheus = ""

    def do_GET(self) -> None:
        if self.path == "/board.json":
            self._answer(200, json.dumps(self.board).encode())
        else:
            super().do_GET()

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        kind = {"Content-Type": self.headers["Content-Type"]}
        answer = requests.post(f"{self.prometheus}{self.path}", data=asked, headers=kind, timeout=60)
        self._answer(answer.status_code, answer.content)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log no requests."""


@contextmanager
def _serving(page: Path, board: dict[str, Any], prometheus: str) -> Iterator[str]:
    handler = type("Handler", (_Handler,), {"board": board, "prometheus": prometheus})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(page)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def draw(
    browser: Browser, page: Path, board: dict[str, Any], prometheus: str, file: Path,
    *, size: tuple[int, int], back: str, theme: str = "dark",
) -> None:  # fmt: skip
    """Write the upper part of a board, as large as `size` in pixels, with the last `back` before now."""
    with _serving(page, board, prometheus) as url:
        browser.size(*size)
        browser.go(f"{url}/?theme={theme}&back={back}")
        eventually(lambda: browser.run("window.done || window.failed"), within=120, what="drawing the board")
        failed = browser.run("window.failed")
        if failed:
            raise RuntimeError(f"{board['title']}: {failed}")
        browser.shoot(file, whole=False)
