"""`python -m exporter`: watches the bots of the settings and serves their metrics."""

import argparse
import logging.config
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from exporter.server import create_app
from stack.settings import SettingsError, add_arguments, add_replica, from_arguments, replica_of
from stack.settings.web_config import WebConfig, WebConfigError, add_web

GRACE_SECONDS = (
    2  # seconds until open answers are cut off; else a TLS client that never closes delays the stop for 30
)


# Seconds for which a computing thread may delay the event loop; Python's default is 5 ms.
_TURN = 0.0005


def main() -> int:
    """Serve until SIGTERM or Ctrl-C. Return 1 if the address is taken, 2 for unusable settings."""
    parser = argparse.ArgumentParser(prog="exporter", description=__doc__)
    add_arguments(parser)
    add_replica(parser)
    add_web(parser)
    parser.add_argument("--data", type=Path, default=Path(".data"), help="directory of durable files")
    arguments = parser.parse_args()
    try:
        settings = from_arguments(arguments)
        port = replica_of(settings.services.exporter, arguments.replica).port
        web = WebConfig(arguments.web) if arguments.web else None
    except (SettingsError, WebConfigError) as error:
        print(error, file=sys.stderr)
        return 2
    logging.config.dictConfig(settings.log_config())
    service = settings.services.exporter
    listener = socket.socket(socket.AF_INET6 if ":" in service.bind else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((service.bind, port))
    except OSError as error:
        advice = "stop the program there, or choose another with services.exporter or --port-offset"
        print(f"exporter: {service.bind}:{port}: {error.strerror}; {advice}", file=sys.stderr)
        return 1
    # uvicorn raises the signal that stopped it again at its end; a clean stop is no failure.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)
    app = create_app(lambda: from_arguments(arguments), arguments.replica, arguments.data / "exporter", web)
    sys.setswitchinterval(_TURN)
    # asyncio's own loop: uvicorn would choose uvloop, which is installed only because ccxt needs it.
    config = uvicorn.Config(app, loop="asyncio", log_config=None, timeout_graceful_shutdown=GRACE_SECONDS)
    config.load()
    config.ssl = web.context() if web else None
    uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
