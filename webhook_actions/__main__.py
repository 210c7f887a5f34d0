"""Starts the receiver: `python -m webhook_actions --config monitoring.yaml --data .data`."""

import argparse
import asyncio
import logging
import logging.config
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from stack.settings import Settings, SettingsError, add_arguments, from_arguments
from webhook_actions.embedded import DatabaseError
from webhook_actions.service import running

log = logging.getLogger(__name__)


class _Web(uvicorn.Server):
    """Leaves signals to `serve`: uvicorn raises them again once it has ended, before all else is stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    def stop(self) -> None:
        """Answer what was asked, then end."""
        self.should_exit = True


async def serve(settings: Settings, data: Path) -> int:
    """Serve until a signal comes, or a part of the engine ends; returns the exit code."""
    service = settings.services.webhook_actions
    async with running(settings, data) as run:
        web = _Web(uvicorn.Config(run.app, host=service.bind, port=service.port, log_config=None))
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, web.stop)
        listening = asyncio.create_task(web.serve(), name="web")
        ended, _ = await asyncio.wait({listening, *run.tasks}, return_when=asyncio.FIRST_COMPLETED)
        if listening in ended:
            return 0 if web.started else 1
        for task in ended:
            log.critical(
                "a part of the engine ended",
                extra={"part": task.get_name()},
                exc_info=task.exception(),
            )
        web.stop()
        await listening
        return 1


def main() -> int:
    """Read the options, serve, and return the exit code: 2 for settings that cannot be used."""
    parser = argparse.ArgumentParser(prog="webhook_actions", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--data", type=Path, default=Path(".data"), help="where its database is kept")
    arguments = parser.parse_args()
    try:
        settings = from_arguments(arguments)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    logging.config.dictConfig(settings.log_config())
    try:
        return asyncio.run(serve(settings, arguments.data))
    except (DatabaseError, OSError) as error:
        print(f"webhook_actions: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
