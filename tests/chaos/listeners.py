"""Recipients: a real SMTP server and a receiver of signed webhooks, which count what they get."""

import base64
import re
import threading
from collections import Counter
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from tests.conftest import free_port

_LINK = re.compile(r"/i/([\w-]+)\.")

Told = tuple[int, str]  # incident, contact


class Mailbox:
    """Counts the mails about each incident to each contact."""

    def __init__(self) -> None:
        self.mails = 0
        self.told = Counter[Told]()
        self.port = free_port()
        self._server = Controller(self, hostname="127.0.0.1", port=self.port)
        self._server.start()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.told.update(_told(str(mail.get_content())))
        self.mails += 1
        return "250 OK"

    def close(self) -> None:
        self._server.stop()


def _told(text: str) -> Iterator[Told]:
    """Yield the incidents of a mail, in full or as a line: each has a link of its own."""
    for payload in _LINK.findall(text):
        padded = payload + "=" * (-len(payload) % 4)
        incident, _, contact = base64.urlsafe_b64decode(padded).decode().split(" ", 2)
        yield int(incident), contact


class Receiver:
    """Counts webhooks by their id."""

    def __init__(self) -> None:
        self.ids = Counter[int]()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                receiver.ids[int(self.headers["webhook-id"].removeprefix("msg_"))] += 1
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/events"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
