"""Services that answer so slowly that a client with a time-out for each byte or step would wait for ever."""

import asyncio
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from aiosmtpd.smtp import SMTP

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


@contextmanager
def trickling(greeting: bytes = b"", pause: float = 0.2) -> Iterator[int]:
    """Serve on a port whose answer is `greeting`, then a byte each `pause` seconds; give the port."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                self.request.sendall(greeting)
                while not over.wait(pause):
                    self.request.sendall(b"x")
            except OSError:
                pass  # the client has gone

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        over.set()
        server.shutdown()
        server.server_close()


@contextmanager
def deaf(addresses: Sequence[str], port: int) -> Iterator[None]:
    """Let a port of these addresses answer no client, like a host that is off: a client waits."""
    with ExitStack() as held:
        for address in addresses:
            server = held.enter_context(socket.socket())
            server.bind((address, port))
            server.listen(0)
            for _ in range(3):  # more than the queue holds
                client = held.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex((address, port))
        yield


class SlowSMTP(SMTP):
    """A real SMTP server that waits before each answer."""

    pause = 0.0

    async def push(self, status: Any) -> None:
        if not str(status).startswith("250-"):  # of an answer of several lines
            await asyncio.sleep(self.pause)
        await super().push(status)


def took(send: Callable[[], object]) -> float:
    """Return the seconds that sending took."""
    began = time.monotonic()
    send()
    return time.monotonic() - began
