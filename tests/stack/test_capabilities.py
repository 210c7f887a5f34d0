"""`nightdesk check --live` says what each bot cannot do, or why that is unknown."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from stack.capabilities import live
from stack.settings import Settings, load
from tests.conftest import free_port

FREQTRADE = {"type": "freqtrade", "url": "http://127.0.0.1:9", "username": "u", "password_file": "secret"}
HTTP = {"type": "http", "url": "http://127.0.0.1:9", "token_file": "secret"}
PUSH = {"type": "push", "token_file": "secret"}
BOTS = {
    "old": {"source": FREQTRADE},
    "down": {"source": FREQTRADE},
    "mine": {"source": HTTP},
    "tells": {"source": PUSH},
    "led": {"source": PUSH, "control": FREQTRADE},
    "new": {"source": HTTP},
}


def told(
    bot: str, adapter: str | None, version: str | None, unknown: str | None, *cannot: str
) -> dict[str, object]:
    missing = [{"action": action, "why": "it has no way to"} for action in cannot]
    known = {"bot": bot, "adapter": adapter, "version": version, "version_unknown": unknown}
    return known | {"cannot": missing, "halted": False, "reason": None}


ANSWER = [
    told("old", "freqtrade", "2022.7", None, "clear_cache", "reduce_position_sizes"),
    told("down", "freqtrade", None, "GET show_config: refused", "clear_cache"),
    told("mine", "http", None, "the bot API has no version"),
    told("tells", None, None, "it has no API to ask", "restart_bot", "stop_entries"),
    told("led", "freqtrade", "2026.9", None, "clear_cache"),
]


class Desk(BaseHTTPRequestHandler):
    """Plays webhook_actions, which answers requests with the read token."""

    answer: object = ANSWER

    def do_GET(self) -> None:
        allowed = self.headers["Authorization"] == "Bearer read-secret"
        assert self.path == "/api/v1/bots"
        body = json.dumps(self.answer if allowed else {"detail": "no"}).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(Desk, "answer", ANSWER)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def settings(folder: Path, port: int, token: str | None = "read-secret") -> Settings:
    (folder / "secret").write_text("x")
    if token:
        (folder / "read_token").write_text(token)
    file = folder / "monitoring.yaml"
    tokens = {"tokens": {"read_file": "read_token"}}
    services = {"webhook_actions": {"port": port}}
    written = {"bots": BOTS, "services": services, "webhook_actions": tokens}
    file.write_text(yaml.safe_dump(written, sort_keys=False))
    return load([file])


def test_each_bot_has_a_row_with_its_version_and_what_it_cannot_do(tmp_path: Path, port: int) -> None:
    assert list(live(settings(tmp_path, port))) == [
        "bot    source and version          actions it cannot do",
        "old    freqtrade 2022.7            clear_cache, reduce_position_sizes",
        "down   freqtrade, version unknown  clear_cache; GET show_config: refused",
        "mine   http, version unknown       it can do everything; the bot API has no version",
        "tells  push, no control            restart_bot, stop_entries",
        "led    push by freqtrade 2026.9    clear_cache",
        "new    http                        unknown: webhook_actions has other settings; reload them",
    ]


@pytest.mark.parametrize(
    ("token", "answer", "says"),
    [
        ("wrong", ANSWER, "answered 401"),
        (None, ANSWER, "read_token: No such file or directory; `make setup` writes it"),
        ("read-secret", [{"bot": "old", "halted": False}], "is no list of bots"),
    ],
)
def test_without_an_answer_of_webhook_actions_the_reason_is_shown(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch, token: str | None, answer: object, says: str
) -> None:
    monkeypatch.setattr(Desk, "answer", answer)
    [line] = live(settings(tmp_path, port, token))
    assert line.startswith("warning: the bots' capabilities are unknown: ")
    assert line.endswith(says)


def test_a_webhook_actions_that_does_not_run_is_named(tmp_path: Path) -> None:
    nobody = free_port()
    [line] = live(settings(tmp_path, nobody))
    assert f"webhook_actions at http://127.0.0.1:{nobody}/api/v1/bots does not answer" in line
