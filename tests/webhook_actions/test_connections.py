"""Connections that send no whole request, or read no answer, do not block others."""

import contextlib
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.conftest import eventually, free_port
from tests.tls import certify
from tests.webhook_actions.conftest import Make
from webhook_actions.web.connections import Connections

Serve = Callable[..., int]
HALF = b"GET /healthz HTTP/1.1\r\nHost: desk\r\nX-Slow: "


@contextlib.contextmanager
def sockets(port: int, count: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            opened.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), 30)))
            with contextlib.suppress(ConnectionError):
                opened[-1].sendall(sent)
        yield opened


def closed(connection: socket.socket) -> bool:
    """Return whether the other side has closed the connection, with or without an answer."""
    connection.settimeout(0)
    try:
        return connection.recv(65_536) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that starts a server with this wait for requests, and returns its port."""
    with contextlib.ExitStack() as stack:

        def start(seconds: float, tls: ssl.SSLContext | None = None) -> int:
            port = free_port()
            ways = Connections(tls, seconds)
            config = uvicorn.Config(
                _APP,
                port=port,
                http=ways.protocol,  # type: ignore[arg-type]
                loop="asyncio",  # like the service, although uvloop is installed
                lifespan="off",
                log_config=None,
            )
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run)
            thread.start()
            stack.callback(thread.join)
            stack.callback(setattr, server, "should_exit", True)
            eventually(lambda: server.started, what="the server")
            return port

        yield start


async def _echo(request: Request) -> Response:
    try:
        return PlainTextResponse(str(len(await request.body())))
    except ClientDisconnect:
        return PlainTextResponse("gone")


async def _large(_: Request) -> Response:
    return PlainTextResponse("x" * 50_000_000)


_APP = Starlette(routes=[Route("/", _echo, methods=["GET", "POST"]), Route("/large", _large)])


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        HALF,
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT",
    ],
    ids=("nothing", "half a header", "half a body", "chunks", "half a second request"),
)
def test_a_request_that_does_not_come_whole_is_not_waited_for(serve: Serve, sent: bytes) -> None:
    port = serve(0.5)
    with sockets(port, 1, sent) as (one,):
        eventually(lambda: closed(one), what="its end")
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=10).text == "0"


def test_an_answer_that_nobody_reads_is_given_up(serve: Serve) -> None:
    port = serve(0.2)
    with sockets(port, 1, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n") as (one,):
        time.sleep(2)
        got = 0
        with contextlib.suppress(ConnectionError):
            while part := one.recv(5_000_000):
                got += len(part)
    assert got < 50_000_000


def test_a_slow_sender_gets_no_more_time(serve: Serve) -> None:
    port = serve(0.5)
    with sockets(port, 1, HALF) as (one,):

        def end() -> bool:
            with contextlib.suppress(ConnectionError):
                one.send(b"x")
            return closed(one)

        eventually(end, what="its end")


def test_a_large_answer_is_sent_for_as_long_as_it_is_read(serve: Serve) -> None:
    port = serve(0.2)
    with sockets(port, 1, b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as (one,):
        got = 0
        while part := one.recv(5_000_000):
            got += len(part)
            time.sleep(0.02)
    assert got > 50_000_000


def test_many_requests_on_one_connection_are_answered(serve: Serve) -> None:
    port = serve(0.3)
    with sockets(port, 1, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 300) as (one,):
        got = b""
        while got.count(b"200 OK") < 300:
            got += one.recv(65_536)
    with requests.Session() as session:
        for _ in range(5):
            assert (
                session.post(f"http://127.0.0.1:{port}/", data=b"x" * 1_000_000, timeout=10).text == "1000000"
            )
            time.sleep(0.1)


def test_a_handshake_that_does_not_come_is_not_waited_for(serve: Serve, tmp_path: Path) -> None:
    certify(tmp_path)
    files, ca = tmp_path / "secrets/tls", str(tmp_path / "secrets/tls/ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files / "cert.pem", files / "key.pem")
    port = serve(0.5, tls)
    with sockets(port, 1) as (silent,), sockets(port, 1, b"GET / HTTP/1.1\r\n\r\n") as (plain,):
        for _ in range(2):
            assert requests.get(f"https://localhost:{port}/", verify=ca, timeout=10).text == "0"
        eventually(lambda: closed(silent), what="its end")
        eventually(lambda: closed(plain), what="its end")
    answer = requests.post(f"https://localhost:{port}/", b"x" * 1_000_000, verify=ca, timeout=10)
    assert answer.text == "1000000"


def test_a_request_that_comes_with_the_last_of_the_handshake_is_answered(
    serve: Serve, tmp_path: Path
) -> None:
    certify(tmp_path)
    files = tmp_path / "secrets/tls"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files / "cert.pem", files / "key.pem")
    client = ssl.create_default_context(cafile=str(files / "ca.pem"))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = client.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with sockets(serve(5, tls), 1) as (one,):
        while True:
            try:
                secure.do_handshake()
                break
            except ssl.SSLWantReadError:
                one.sendall(outgoing.read())
                incoming.write(one.recv(65_536))
        secure.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        one.sendall(outgoing.read())
        got = b""
        while b"200 OK" not in got:
            incoming.write(one.recv(65_536))
            with contextlib.suppress(ssl.SSLWantReadError):
                got += secure.read(65_536)


def test_eleven_hundred_half_open_requests_hold_up_no_webhook(make_harness: Make) -> None:
    harness = make_harness("alpha")
    harness.start_engine()
    assert harness.engine is not None
    resource.prlimit(harness.engine.pid, resource.RLIMIT_NOFILE, (1024, 1024))
    before = len((harness.directory / "engine.log").read_text().splitlines())
    with sockets(harness.ports["webhook_actions"], 1_100, HALF) as half:
        assert harness.deliver(harness.alert("alpha")).json()["opened"] == 1
        eventually(lambda: all(closed(each) for each in half), what="the end of all of them")
        assert harness.deliver(harness.alert("alpha")).json()["repeated"] == 1
    many = harness.metric('nightdesk_connections_closed_total{reason="many"}')
    assert many + harness.metric('nightdesk_connections_closed_total{reason="slow"}') >= 1_100
    lines = (harness.directory / "engine.log").read_text().splitlines()[before:]
    assert len(lines) < 100
