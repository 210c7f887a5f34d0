"""Requests to the parts of the stack: address, user, and the result of an answer of another shape."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from clients.alertmanager import Alertmanager, NotReached
from clients.exporter import ClosedTrades, TradesUnavailable, told_trades
from clients.observer import Observer, Sample, Unanswered
from clients.prometheus import Prometheus, Unreachable
from clients.trading import Trade
from stack.settings import Settings, load
from tests.conftest import free_port

SECRET = "a-secret"


class Part(ThreadingHTTPServer):
    """Answers every request with `status` and `body`, and stores the requests and users."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body = 200, b"{}"
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: Part

    def do_GET(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"] or 0)).decode())
        self.server.asked.append((self.path, self.headers["Authorization"] or ""))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Part]:
    with Part() as part:
        threading.Thread(target=part.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield part
        part.shutdown()


def settings(directory: Path, service: str, port: int, **more: Any) -> Settings:
    (directory / "secrets").mkdir(exist_ok=True)
    for name in ("read_token", "web_password"):
        (directory / "secrets" / name).write_text(f"{SECRET}\n")
    config = directory / "monitoring.yaml"
    config.write_text(yaml.safe_dump({"services": {service: {"port": port}}, **more}))
    return load([config])


def trade(**more: Any) -> dict[str, Any]:
    told = {"symbol": "BTC/USDT", "side": "long", "opened_at": 1.0, "closed_at": 2.0, "profit": -3.5}
    return told | {"stake": None} | more


def test_the_exporters_trades_are_read_by_who_has_the_read_token(tmp_path: Path) -> None:
    with serving() as part:
        part.body = json.dumps({"total": 3, "capital": 100.0, "trades": [trade()]}).encode()
        told = told_trades(settings(tmp_path, "exporter", part.port), "my bot/1", 1.5, 9.0, timeout=5)
    assert told == ClosedTrades((Trade((0, 1.0), "BTC/USDT", "long", 1.0, 2.0, -3.5, None),), 2, 100.0)
    [(path, who)] = part.asked
    assert urlsplit(path).path == "/api/v1/bots/my%20bot%2F1/trades"
    assert parse_qs(urlsplit(path).query) == {"start": ["1.5"], "end": ["9.0"]}
    assert who == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b"{}"),
        (200, b"[]"),
        (200, b'{"total": 1, "capital": null, "trades": [{}]}'),
        (200, b"<html>"),
        (302, b""),
    ],
)
def test_unreported_trades_are_not_zero_trades(tmp_path: Path, status: int, body: bytes) -> None:
    with serving() as part:
        part.status, part.body = status, body
        with pytest.raises(TradesUnavailable, match=f"the exporter at http://127.0.0.1:{part.port}"):
            told_trades(settings(tmp_path, "exporter", part.port), "b", 0, 1, timeout=5)


def test_an_exporter_that_does_not_know_the_trades_says_why(tmp_path: Path) -> None:
    with serving() as part:
        part.status, part.body = 503, b'{"detail": "b has reported no trades since this exporter started"}'
        with pytest.raises(
            TradesUnavailable, match="answered 503: b has reported no trades since this exporter started"
        ):
            told_trades(settings(tmp_path, "exporter", part.port), "b", 0, 1, timeout=5)


def test_an_absent_exporter_gives_no_trades(tmp_path: Path) -> None:
    with pytest.raises(TradesUnavailable, match="does not answer"):
        told_trades(settings(tmp_path, "exporter", free_port()), "b", 0, 1, timeout=5)


def answer(kind: str, *result: Any) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()


def test_prometheus_is_asked_as_the_user_of_the_settings(tmp_path: Path) -> None:
    with serving() as part:
        part.body = answer("vector", {"metric": {"bot": "b"}, "value": [1.0, "2.5"]})
        auth = {"auth": {"enabled": True, "username": "me"}}
        observer = Observer.of(settings(tmp_path, "prometheus", part.port, web=auth))
        assert observer.ask("x") == (Sample({"bot": "b"}, 2.5),)
    [(path, who)] = part.asked
    assert path == "/api/v1/query"
    assert who == "Basic bWU6YS1zZWNyZXQ="


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"status": "success"}',
        answer("vector", 1),
        answer("vector", {"metric": {}, "value": [1.0, "two"]}),
        answer("scalar", 1, "2"),
        b'{"status": "error", "error": "no"}',
    ],
)
def test_an_answer_of_another_shape_is_not_prometheus(tmp_path: Path, body: bytes) -> None:
    with serving() as part:
        part.body = body
        made = settings(tmp_path, "prometheus", part.port)
        with pytest.raises(Unanswered):
            Observer.of(made).ask("x")
        with pytest.raises(Unanswered):
            Observer.of(made).ask_range("x", 60, 10)
        with pytest.raises(Unreachable):
            asyncio.run(holds(made))


async def holds(made: Settings) -> bool:
    prometheus = Prometheus(made.services.prometheus.urls, made.web)
    try:
        return await prometheus.holds("x")
    finally:
        await prometheus.close()


def test_newer_is_decided_by_the_given_clock_not_by_this_machines(
    tmp_path: Path,
) -> None:
    theirs = datetime.now(UTC) + timedelta(hours=1)  # the database's

    async def newer(made: Settings) -> bool:
        prometheus = Prometheus(made.services.prometheus.urls, made.web, lambda: theirs)
        try:
            return await prometheus.holds("x", theirs - timedelta(seconds=5))
        finally:
            await prometheus.close()

    with serving() as part:
        part.body = answer("vector", {"metric": {"bot": "b"}, "value": [1.0, "2.5"]})
        assert asyncio.run(newer(settings(tmp_path, "prometheus", part.port)))
        [sent] = part.bodies
        assert parse_qs(sent)["lookback_delta"] == ["5.000"]


def test_an_alertmanager_that_redirects_or_is_away_is_not_reached(tmp_path: Path) -> None:
    with serving() as part:
        part.body = b"<html>"
        made = settings(tmp_path, "alertmanager", part.port)
        with pytest.raises(NotReached, match="no list of alerts"):
            asyncio.run(Alertmanager(made.services.alertmanager.urls, made.web).suppressions())
    with pytest.raises(NotReached, match="cannot be reached"):
        asyncio.run(Alertmanager(made.services.alertmanager.urls, made.web).suppressions())
