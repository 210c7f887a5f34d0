"""Settings from a text, and a server whose answers a test sets."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stack.settings import Settings, load

Make = Callable[..., Settings]


@dataclass
class Server:
    """Answers each path from `answers`, else with 404; `asked` are the paths, `headers` are added."""

    answers: dict[str, tuple[int, object]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    token: str | None = None  # without it, of a request's Authorization, the answer is 401
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def server() -> Iterator[Server]:
    double = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            path = self.path.partition("?")[0]
            double.asked.append(path)
            status, body = double.answers.get(path, (404, {"message": "no such thing"}))
            if double.token and self.headers["Authorization"] != double.token:
                status, body = 401, {"detail": "who are you"}
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response_only(status)
            for name, value in double.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    double.port = running.server_port
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield double
    running.shutdown()
    running.server_close()


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that loads the defaults, overridden by its arguments."""

    def made(**settings: object) -> Settings:
        file = tmp_path / "monitoring.yaml"
        file.write_text(json.dumps(settings), encoding="utf-8")
        return load([file])

    return made
