"""A bot's answers within a total time, and what is known of a request without an answer."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from clients import http
from clients.http import LARGEST, Lost, Request, Unsent, ask
from stack.settings import load
from tests.conftest import free_port
from tests.tls import certify
from webhook_actions.bots import control
from webhook_actions.bots.calls import WAY_BROKEN, Calls
from webhook_actions.outcome import Outcome, Result

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def listening(talk: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve each connection with `talk`; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=meet, args=(connection,), daemon=True).start()

        def meet(connection: socket.socket) -> None:
            try:
                with context.wrap_socket(connection, server_side=True) if context else connection as each:
                    each.recv(65536)
                    talk(each)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def request(port: int, total: float = 5, scheme: str = "http") -> Request:
    return Request("POST", f"{scheme}://127.0.0.1:{port}/api/v1/control/pause", total, json={})


def test_an_answer_that_trickles_is_given_up_after_its_total_time() -> None:
    released = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 1000\r\n\r\n")
        while not released.wait(0.05):
            connection.sendall(b" ")

    with listening(trickle) as port, pytest.raises(Lost, match=r"no answer within 0\.5s"):
        ask(request(port, total=0.5))
    released.set()


def test_headers_that_never_end_are_given_up_too() -> None:
    def talk(connection: socket.socket) -> None:
        for _ in range(1000):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: " if not _ else b"x")
            time.sleep(0.02)

    with listening(talk) as port, pytest.raises(Lost):
        ask(request(port, total=0.5))


def test_a_body_has_a_bound() -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(OK + b"\r\n")
        for _ in range(LARGEST // 100_000 + 10):
            connection.sendall(b" " * 100_000)

    with listening(talk) as port, pytest.raises(Lost, match=f"longer than {LARGEST} bytes"):
        ask(request(port, total=30))


def test_what_nobody_took_is_unsent_and_what_was_taken_is_lost() -> None:
    with pytest.raises(Unsent, match="no connection"):
        ask(request(free_port()))
    with pytest.raises(Unsent):
        ask(Request("GET", "http://no-such-host.invalid/", 5))
    with listening(lambda connection: None) as port, pytest.raises(Lost):
        ask(request(port))


def test_a_certificate_that_is_not_trusted_breaks_the_way_not_the_bot(tmp_path: Path) -> None:
    certify(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "secrets/tls/cert.pem", tmp_path / "secrets/tls/key.pem")
    with listening(lambda connection: None, context) as port:
        with pytest.raises(Unsent, match="certificate") as refused:
            ask(request(port, scheme="https"))
        outcome = order(tmp_path, f"https://127.0.0.1:{port}")
    assert refused.value.cause == "way"
    assert (outcome.result, outcome.orders) == (Result.FAILED, 0)
    assert outcome.detail.endswith(WAY_BROKEN)


@pytest.mark.parametrize("more", ["", ", ca_file: secrets/tls/ca.pem", ", tls_verify: false"])
def test_actions_trust_the_authority_that_the_bots_settings_name(tmp_path: Path, more: str) -> None:
    certify(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "secrets/tls/cert.pem", tmp_path / "secrets/tls/key.pem")
    body = b'{"state": "running"}'
    answer = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with listening(lambda connection: connection.sendall(answer), context) as port:
        assert answers(tmp_path, f"https://127.0.0.1:{port}", more) is bool(more)


def test_actions_go_through_the_proxy_that_the_bots_settings_name(tmp_path: Path) -> None:
    body = b'{"state": "running"}'
    answer = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with listening(lambda connection: connection.sendall(answer)) as port:
        assert answers(tmp_path, "http://bot.invalid", f", proxy: 'http://127.0.0.1:{port}'")


def answers(directory: Path, url: str, more: str) -> bool:
    """Return whether the control of a bot with these settings finds that it answers."""
    (directory / "token").write_text("secret")
    source = f"{{type: http, url: '{url}', token_file: token{more}}}"
    config = directory / "monitoring.yaml"
    config.write_text(f"bots: {{one: {{source: {source}}}}}")
    return control(load([config]), "one", "key", lambda: None).adapter.answers().done


def order(directory: Path, url: str) -> Outcome:
    (directory / "token").write_text("secret")
    calls = Calls(url, directory / "token", lambda token: f"Bearer {token}", 5, lambda: None, ask, "")
    answer = calls.order("control/pause", {})
    assert isinstance(answer, Outcome)
    return answer


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/login\r\nContent-Length: 0\r\n\r\n",
            Result.FAILED,
        ),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>", Result.FAILED),
        (b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", Result.RETRY),
    ],
)
def test_a_proxys_answer_is_reported_and_is_no_order(tmp_path: Path, answer: bytes, result: Result) -> None:
    with listening(lambda connection: connection.sendall(answer)) as port:
        outcome = order(tmp_path, f"http://127.0.0.1:{port}")
    assert (outcome.result, outcome.orders) == (result, 0)
    assert outcome.detail.endswith(WAY_BROKEN)


def test_neither_proxies_nor_netrc_of_the_environment_are_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login mallory password stolen\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    heard: list[bytes] = []

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=serve)
        thread.start()
        assert ask(request(server.getsockname()[1])).body == b"{}"
        thread.join()
    assert b"authorization" not in heard[0].lower()


def test_threads_that_ask_first_at_the_same_time_share_one_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session of one event loop answers no call from another loop."""
    made, make = [], asyncio.new_event_loop

    def slow() -> asyncio.AbstractEventLoop:
        time.sleep(0.1)  # meanwhile the others ask, too
        made.append(make())
        return made[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", slow)
    http._shared.cache_clear()
    together = threading.Barrier(8)

    def first(port: int) -> int:
        together.wait()
        return ask(Request("GET", f"http://127.0.0.1:{port}/", 5.0)).status

    empty = OK + b"Content-Length: 0\r\n\r\n"
    with listening(lambda connection: connection.sendall(empty)) as port, ThreadPoolExecutor(8) as threads:
        assert set(threads.map(first, [port] * 8)) == {200}
    assert len(made) == 1
