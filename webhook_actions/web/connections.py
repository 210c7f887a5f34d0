"""Bounds the time and the number of connections that wait for a request."""

import asyncio
import logging
from ssl import SSLContext
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from webhook_actions.metrics import CLOSED
from webhook_actions.web.limit import OnceASecond

log = logging.getLogger(__name__)
log.addFilter(OnceASecond())

_READ_SECONDS = 10.0  # for the handshake, the headers and the body of a request together
_OF_ADDRESS = 100  # connections of one address that have yet to send a whole request
_OF_ALL = 500  # half of what a process may usually have open


class Connections:
    """The connections without a whole request yet, the oldest first."""

    def __init__(self, tls: SSLContext | None = None, seconds: float = _READ_SECONDS) -> None:
        """Wait at most `seconds` for a request."""
        self._tls = tls
        self._seconds = seconds
        self._waiting: dict[_Connection, asyncio.TimerHandle] = {}

    def protocol(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        """Return the HTTP protocol of one connection, for uvicorn."""
        return _Connection(self, self._tls, config, server_state, app_state)

    def wait(self, connection: "_Connection", unsent: int = 0) -> None:
        """Wait for a request. If too many connections wait, close the oldest: honest clients are quick."""
        self.end(connection)
        loop = asyncio.get_running_loop()
        self._waiting[connection] = loop.call_later(self._seconds, self._late, connection, unsent)
        same = [each for each in self._waiting if each.address == connection.address]
        if len(same) > _OF_ADDRESS:
            self._close(same[0], "many")
        elif len(self._waiting) > _OF_ALL:
            self._close(next(iter(self._waiting)), "many")

    def waits(self, connection: "_Connection") -> bool:
        """Return whether the connection waits for a request."""
        return connection in self._waiting

    def end(self, connection: "_Connection") -> None:
        """Wait no longer."""
        if timer := self._waiting.pop(connection, None):
            timer.cancel()

    def _late(self, connection: "_Connection", before: int) -> None:
        unsent = connection.unsent()
        if unsent and unsent != before:  # the client is still reading its answer
            self.wait(connection, unsent)
        else:
            self._close(connection, "slow")

    def _close(self, connection: "_Connection", reason: str) -> None:
        self.end(connection)
        connection.abort()
        CLOSED.labels(reason).inc()
        log.warning("a connection was closed", extra={"reason": reason, "address": connection.address})


class _Connection(H11Protocol):
    """One connection of uvicorn's."""

    def __init__(
        self,
        among: Connections,
        tls: SSLContext | None,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._among = among
        self._tls = tls
        self._raw: asyncio.Transport | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._early = b""
        self.address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, after the handshake if there is TLS."""
        self._raw = transport
        self.address = (get_remote_addr(transport) or ("", 0))[0]
        self._among.wait(self)
        if self._tls is None:
            super().connection_made(transport)
        else:
            transport.pause_reading()  # the next bytes belong to the handshake
            self._handshake = self.loop.create_task(self._secure(transport, self._tls))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._among.end(self)
        self._raw = None
        if self.transport is not None:  # else the handshake failed
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take the received bytes; the time for a request runs from its beginning to its end."""
        if self.transport is None:  # it came with the end of the handshake
            self._early += data
            return
        super().data_received(data)
        if self.conn.their_state in (h11.DONE, h11.MUST_CLOSE):
            self._among.end(self)
        elif not self._among.waits(self) and self._raw is not None:
            self._among.wait(self)

    def on_response_complete(self) -> None:
        """Wait for the next request, or until the client has read the answer."""
        super().on_response_complete()
        if self.conn.their_state is h11.DONE:
            self._among.end(self)
        else:
            self._among.wait(self)

    def unsent(self) -> int:
        """Return the number of bytes that the client has not read yet."""
        return self._raw.get_write_buffer_size() if self._raw else 0

    def abort(self) -> None:
        """Close the connection at once: a client that does not read would keep it open."""
        if self._raw is not None:
            self._raw.abort()

    async def _secure(self, transport: asyncio.Transport, tls: SSLContext) -> None:
        try:
            secure = await self.loop.start_tls(transport, self, tls, server_side=True)
        except OSError as error:  # also what ssl raises
            log.warning("no handshake", extra={"address": self.address, "reason": str(error)})
            transport.abort()
            return
        if secure is None or self._raw is None:  # the connection was lost meanwhile
            return
        super().connection_made(secure)
        if self._early:
            self.data_received(self._early)
