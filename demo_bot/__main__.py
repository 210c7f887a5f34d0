"""Starts the demo bots: `python -m demo_bot --config FILE --data DIR`; `openapi` prints the API."""

import argparse
import logging
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from zoneinfo import ZoneInfo

import uvicorn

from demo_bot import trade_history
from demo_bot.api import create_app, openapi_document
from demo_bot.lock import HeldError, hold
from demo_bot.supervisor import Options, Supervisor
from demo_bot.trader import LOG_FORMAT, STARTING_CAPITAL, Files
from stack.settings import Settings, SettingsError, add_arguments, from_arguments

DEFAULT_PACE = 5.0
GRACE_SECONDS = 2  # for requests that wait for a trading process that hangs


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo_bot", description=__doc__)
    parser.add_argument(
        "instead", nargs="?", choices=["openapi", "history"],
        help="print the bot API's document, or write the trades before the first start; and end",
    )  # fmt: skip
    add_arguments(parser)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="where trades, positions and the log are kept"
    )
    parser.add_argument(
        "--pace", type=float, default=DEFAULT_PACE, metavar="SECONDS", help="mean time between two entries"
    )
    given = parser.parse_args()
    if given.instead != "openapi" and given.data is None:
        parser.error("--data is needed: name a directory for trades, positions and the log")
    if given.pace <= 0:
        parser.error(f"--pace: {given.pace:g} is not above 0 seconds")
    return given


def _token(file: Path) -> str:
    """Return the token in a file; exits with a message if there is none."""
    try:
        token = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        sys.exit(f"demo.token_file: {file}: {error.strerror}; write a token into it, or run `make setup`")
    return token or sys.exit(f"demo.token_file: {file} is empty; write a token into it")


def _bots(settings: Settings, data: Path, pace: float) -> Mapping[str, Options]:
    """Return the start arguments of each bot by name; the first bot uses the data directory itself."""
    return {
        name: Options(
            data=settings.demo_data(data, name),
            seed=settings.demo.seed + place,
            pace=pace,
            currency=settings.bots[name].currency or settings.currency,
            log_bytes=int(settings.logs.rotate_size),
            log_files=settings.logs.keep_files,
        )
        for place, name in enumerate(settings.demo_bots)
    }


def _write_history(settings: Settings, bots: Mapping[str, Options]) -> None:
    """Write the trades before the first start of each bot; a bot that has traded keeps its own."""
    now = time.time()
    for options in bots.values() if settings.demo.history is not None else ():
        trade_history.write(
            Files(options.data).journal, seed=options.seed, currency=options.currency,
            capital=STARTING_CAPITAL, start=now - float(settings.demo.history or 0), end=now,
            zone=ZoneInfo(settings.timezone),
        )  # fmt: skip


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    given = _arguments()
    if given.instead == "openapi":
        print(openapi_document(), end="")
        return
    try:
        settings = from_arguments(given)
    except SettingsError as error:
        sys.exit(str(error))
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    bots = _bots(settings, given.data.absolute(), given.pace)
    try:
        _write_history(settings, bots)
        if given.instead == "history":
            return
        supervisors = {name: Supervisor(options) for name, options in bots.items()}
        app = create_app(supervisors, _token(settings.demo.token_file))
        service = settings.services.demo_bot
        with ExitStack() as held:
            for options in bots.values():
                options.data.mkdir(parents=True, exist_ok=True)
                held.enter_context(hold(Files(options.data).supervisor_lock))
            uvicorn.run(
                app,
                host=service.bind,
                port=service.port,
                loop="asyncio",  # uvicorn would choose uvloop, which is installed only because ccxt needs it
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
    except (HeldError, OSError) as error:
        sys.exit(f"--data: {error}")


if __name__ == "__main__":
    main()
