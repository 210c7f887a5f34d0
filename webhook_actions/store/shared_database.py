"""Runs the embedded PostgreSQL as a process of its own, for several webhook_actions on one machine."""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from webhook_actions.store.database import DatabaseError
from webhook_actions.store.embedded import EmbeddedPostgres


def main() -> int:
    """Run it until a signal; restart it if it ends. Its address is in `--url-file`."""
    parser = argparse.ArgumentParser(prog="shared_database", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="where the database is kept")
    parser.add_argument("--url-file", type=Path, required=True, help="where its address is written")
    arguments = parser.parse_args()
    postgres = EmbeddedPostgres(arguments.data / "postgres", arguments.data / "sockets")

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        address = postgres.start()
        with os.fdopen(os.open(arguments.url_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(address)
        while True:
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except DatabaseError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        postgres.stop()


if __name__ == "__main__":
    sys.exit(main())
