"""Starts the receiver: `python -m webhook_actions --config monitoring.yaml --data .data`."""

import argparse
import asyncio
import logging
import logging.config
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from stack.settings import Settings, SettingsError, add_arguments, add_replica, from_arguments, replica_of
from stack.settings.web_config import WebConfig, WebConfigError, add_web
from webhook_actions.reload import EngineSwitch, serving
from webhook_actions.store.database import DatabaseError
from webhook_actions.web.connections import Connections
from webhook_actions.web.limit import OnceASecond

log = logging.getLogger(__name__)

_AT_ONCE = (
    256  # connections that are accepted before the limit is checked: well below a process's 1,024 files
)
# Seconds after which a busy thread yields to the event loop, which waits its turn after each answer of the
# database: with Python's own 5 ms a hundred answers would take half a second.
_SWITCH = 0.0005
_THREADS = 72  # at most: one for each worker that settings allow, and some spare; threads start when needed


class _Web(uvicorn.Server):
    """Leaves signals to `serve`: uvicorn would raise them again before everything else has stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signal."""
        yield

    def stop(self) -> None:
        """Answer open requests, then end."""
        self.should_exit = True


def _web(
    app: EngineSwitch, bind: str, port: int, tls: WebConfig | None, proxies: Sequence[str]
) -> uvicorn.Config:
    """Return the HTTP server; only `proxies` may say for whom they ask."""
    for name in ("uvicorn.error", "asyncio"):  # others decide how often these would log
        logging.getLogger(name).addFilter(OnceASecond())
    connections = Connections(tls.context() if tls else None)
    return uvicorn.Config(
        app,
        host=bind,
        port=port,
        loop="asyncio",  # uvicorn would choose uvloop, which is installed only because ccxt needs it
        http=connections.protocol,  # type: ignore[arg-type] # it takes whatever makes a protocol
        ws="none",
        backlog=_AT_ONCE,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        server_header=False,
        log_config=None,
        lifespan="off",
    )


async def serve(read: Callable[[], Settings], replica: int, data: Path, tls: WebConfig | None = None) -> int:
    """Serve until a signal comes, and return the exit code. SIGHUP reloads.

    Only the TLS part of a web configuration applies here; tokens decide who may do what.
    """
    settings = read()
    service = settings.services.webhook_actions
    port = replica_of(service, replica).port
    logging.config.dictConfig(settings.log_config())
    async with serving(read, settings, data) as engine:
        web = _Web(_web(engine, service.bind, port, tls, settings.webhook_actions.page.trusted_proxies))
        loop, asked = asyncio.get_running_loop(), set[asyncio.Task[str | None]]()
        loop.set_default_executor(ThreadPoolExecutor(_THREADS))
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, web.stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: asked.add(loop.create_task(engine.reload())))
        await web.serve()
        return 0 if web.started else 1


def main() -> int:
    """Read the options, serve, and return the exit code: 2 for unusable settings."""
    parser = argparse.ArgumentParser(prog="webhook_actions", description=__doc__)
    add_arguments(parser)
    add_replica(parser)
    add_web(parser)
    parser.add_argument("--data", type=Path, default=Path(".data"), help="where its database is kept")
    arguments = parser.parse_args()
    sys.setswitchinterval(_SWITCH)
    try:
        tls = WebConfig(arguments.web) if arguments.web else None
        return asyncio.run(serve(lambda: from_arguments(arguments), arguments.replica, arguments.data, tls))
    except (SettingsError, WebConfigError) as error:
        print(error, file=sys.stderr)
        return 2
    except (DatabaseError, OSError) as error:
        print(f"webhook_actions: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
