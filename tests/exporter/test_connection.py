"""Calls to a bot: total time, settings of the connection; a broken connection is not a broken bot."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import free_port
from tests.exporter.harness import http_settings, value, watch
from tests.freqtrade_replay import PASSWORD, USER, Recording, serve
from tests.tls import certify

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Door:
    """A server that answers each connection with a test's bytes, and stores the requests."""

    def __init__(
        self, answer: bytes | Callable[[socket.socket], None], context: ssl.SSLContext | None
    ) -> None:
        self.heard: list[bytes] = []
        self._answer = answer
        self._context = context
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._meet, args=(connection,), daemon=True).start()

    def _meet(self, connection: socket.socket) -> None:
        try:
            with (
                self._context.wrap_socket(connection, server_side=True)
                if self._context
                else connection as each
            ):
                self.heard.append(each.recv(65536))
                if callable(self._answer):
                    self._answer(each)
                else:
                    each.sendall(self._answer)
        except OSError:
            return


def answered(status: str, body: bytes = b"<html>", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


STATE = answered("200 OK", b'{"state": "running", "last_trade_id": 0}')


@contextmanager
def door(
    answer: bytes | Callable[[socket.socket], None], context: ssl.SSLContext | None = None
) -> Iterator[Door]:
    opened = Door(answer, context)
    try:
        yield opened
    finally:
        opened.close()


def bot(url: str, directory: Path, **more: Any) -> dict[str, Any]:
    settings = http_settings(url, directory, starting_capital=1.0)
    return settings | {"source": settings["source"] | more}


@pytest.fixture
def private(tmp_path: Path) -> ssl.SSLContext:
    """Return a TLS server with a certificate of its own authority, in secrets/tls/ca.pem."""
    certify(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "secrets/tls/cert.pem", tmp_path / "secrets/tls/key.pem")
    return context


def test_an_answer_that_trickles_ends_at_its_total_time(tmp_path: Path) -> None:
    released = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 1000\r\n\r\n")
        while not released.wait(0.05):
            connection.sendall(b" ")

    with door(trickle) as bots, watch(bot(f"http://127.0.0.1:{bots.port}", tmp_path), timeout=0.5) as watched:
        assert watched.error() == "timeout"
    released.set()


@pytest.mark.parametrize("ahead", [-600.0, 0.0, 600.0])
def test_a_bot_whose_clock_is_wrong_is_as_active_as_it_says(tmp_path: Path, ahead: float) -> None:
    now = 1_795_000_000.0
    state = json.dumps({"state": "running", "last_activity_at": now + ahead - 7, "last_trade_id": 0}).encode()
    date = f"Date: {formatdate(now + ahead, usegmt=True)}\r\nContent-Length: {len(state)}\r\n\r\n"
    with door(OK + date.encode() + state) as bots:
        settings = bot(f"http://127.0.0.1:{bots.port}", tmp_path)
        with watch(settings, clock=lambda: now) as watched:
            series = watched.poll()
    assert value(series, "last_activity_timestamp_seconds") == now - 7


@pytest.mark.parametrize(
    "answer",
    [
        answered("301 Moved Permanently", b"", "Location: https://elsewhere/"),
        answered("302 Found", b"", "Location: /login"),
        answered("404 Not Found"),
        answered("404 Not Found", b'{"detail":"Not Found"}'),
        answered("407 Proxy Authentication Required"),
        answered("429 Too Many Requests"),
        answered("400 Bad Request", b"The plain HTTP request was sent to HTTPS port"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "freqtrade"])
def test_a_proxy_before_a_bot_is_not_the_bot(tmp_path: Path, answer: bytes, kind: str) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    with door(answer) as bots:
        url = f"http://127.0.0.1:{bots.port}"
        settings = bot(url, tmp_path) if kind == "http" else freqtrade(url, tmp_path)
        with watch(settings) as watched:
            assert watched.error() == "way"
            assert "the connection to the bot is broken, not the bot" in watched.poller.status.error


def freqtrade(url: str, directory: Path, **more: Any) -> dict[str, Any]:
    (directory / "password").write_text(PASSWORD)
    source = {"type": "freqtrade", "url": url, "username": USER, "password_file": directory / "password"}
    return {"source": source | more}


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"])
def test_a_proxy_that_finds_no_bot_behind_it_may_mean_that_the_bot_is_dead(
    tmp_path: Path, status: str
) -> None:
    for settings in (bot, freqtrade):
        with (
            door(answered(status)) as bots,
            watch(settings(f"http://127.0.0.1:{bots.port}", tmp_path)) as watched,
        ):
            assert watched.error() == "http"


@pytest.mark.parametrize("status", [404, 429])
def test_a_proxy_that_refuses_one_call_is_no_older_freqtrade(tmp_path: Path, status: int) -> None:
    recording = Recording()
    recording.broken = {"status": (status, b"<html>")}
    with serve(recording) as url, watch(freqtrade(url, tmp_path)) as watched:
        assert watched.error() == "way"
        recording.broken = {"weekly": (status, b'{"detail":"no"}')}
        assert value(watched.poll(), "up") == 1


def test_a_certificate_that_is_not_trusted_breaks_the_way_until_the_bot_names_its_authority(
    tmp_path: Path, private: ssl.SSLContext
) -> None:
    with door(STATE, private) as bots:
        url = f"https://127.0.0.1:{bots.port}"
        with watch(bot(url, tmp_path)) as watched:
            assert watched.error() == "way"
            assert "certificate" in watched.poller.status.error
        with watch(bot(url, tmp_path, ca_file=tmp_path / "secrets/tls/ca.pem")) as watched:
            assert value(watched.poll(), "up") == 1
        with watch(bot(url, tmp_path, tls_verify=False)) as watched:
            assert value(watched.poll(), "up") == 1


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_an_authority_that_cannot_be_read_breaks_the_way(
    tmp_path: Path, private: ssl.SSLContext, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "ca.pem").write_text(text)
    with (
        door(STATE, private) as bots,
        watch(bot(f"https://127.0.0.1:{bots.port}", tmp_path, ca_file=tmp_path / "ca.pem")) as watched,
    ):
        assert watched.error() == "way"


def test_tls_with_a_bot_that_speaks_none_is_a_broken_way(tmp_path: Path) -> None:
    with door(STATE) as bots, watch(bot(f"https://127.0.0.1:{bots.port}", tmp_path)) as watched:
        assert watched.error() == "way"


def test_a_bot_is_asked_through_its_proxy_and_only_there(tmp_path: Path) -> None:
    with door(STATE) as proxy:
        settings = bot("http://bot.invalid:9000", tmp_path, proxy=f"http://127.0.0.1:{proxy.port}")
        with watch(settings) as watched:
            assert value(watched.poll(), "up") == 1
        assert proxy.heard[0].startswith(b"GET http://bot.invalid:9000/api/v1/state HTTP/1.1")


def test_a_proxy_that_is_not_there_is_a_broken_way(tmp_path: Path) -> None:
    settings = bot("http://bot.invalid:9000", tmp_path, proxy=f"http://127.0.0.1:{free_port()}")
    with watch(settings) as watched:
        assert watched.error() == "way"


def test_neither_proxies_nor_netrc_of_the_environment_are_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login mallory password stolen\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with door(STATE) as bots, watch(bot(f"http://127.0.0.1:{bots.port}", tmp_path)) as watched:
        assert value(watched.poll(), "up") == 1
    asked = bots.heard[0].lower()
    assert b"authorization: bearer " in asked
    assert b"basic" not in asked


def test_an_answer_of_the_wrong_kind_names_what_was_said(tmp_path: Path) -> None:
    said = json.dumps({"detail": "no such bot"}).encode()
    with (
        door(answered("404 Not Found", said)) as bots,
        watch(bot(f"http://127.0.0.1:{bots.port}", tmp_path)) as watched,
    ):
        assert watched.error() == "way"
        assert "no such bot" in watched.poller.status.error
