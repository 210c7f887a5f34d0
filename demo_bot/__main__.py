"""Starts the demo bot: `python -m demo_bot --config monitoring.yaml --data DIR`; `openapi` prints its API."""

import argparse
import logging
import sys
from pathlib import Path

import uvicorn

from demo_bot.api import create_app, openapi_document
from demo_bot.lock import HeldError, hold
from demo_bot.supervisor import Options, Supervisor
from demo_bot.trader import LOG_FORMAT, Files
from stack.settings import SettingsError, add_arguments, from_arguments

DEFAULT_PACE = 5.0
GRACE_SECONDS = 2  # for requests that wait for a trading process that hangs


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo_bot", description=__doc__)
    parser.add_argument("print", nargs="?", choices=["openapi"], help="print the bot API's document and end")
    add_arguments(parser)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="where trades, positions and the log are kept"
    )
    parser.add_argument(
        "--pace", type=float, default=DEFAULT_PACE, metavar="SECONDS", help="mean time between two entries"
    )
    given = parser.parse_args()
    if given.print is None and given.data is None:
        parser.error("--data is needed: name a directory for trades, positions and the log")
    if given.pace <= 0:
        parser.error(f"--pace: {given.pace:g} is not above 0 seconds")
    return given


def _token(file: Path) -> str:
    """Return the token in a file; exits with a word about it where there is none."""
    try:
        token = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        sys.exit(f"demo.token_file: {file}: {error.strerror}; write a token into it, or run `make setup`")
    return token or sys.exit(f"demo.token_file: {file} is empty; write a token into it")


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    given = _arguments()
    if given.print == "openapi":
        print(openapi_document(), end="")
        return
    try:
        settings = from_arguments(given)
    except SettingsError as error:
        sys.exit(str(error))
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    options = Options(
        data=given.data.absolute(),
        seed=settings.demo.seed,
        pace=given.pace,
        currency=settings.currency,
        log_bytes=int(settings.logs.rotate_size),
        log_files=settings.logs.keep_files,
    )
    app = create_app(Supervisor(options), _token(settings.demo.token_file))
    service = settings.services.demo_bot
    try:
        options.data.mkdir(parents=True, exist_ok=True)
        with hold(Files(options.data).supervisor_lock):
            uvicorn.run(
                app,
                host=service.bind,
                port=service.port,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
    except (HeldError, OSError) as error:
        sys.exit(f"--data: {error}")


if __name__ == "__main__":
    main()
