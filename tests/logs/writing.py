"""Writes numbered lines into a log as a bot does: opens the file again when its name means another file."""

import argparse
import os
import time
from pathlib import Path


def main() -> None:
    """Write until the file `stop` appears beside the log; then write the number of lines into `written`.
    While the file `pause` exists, write nothing, and keep a file `paused`.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("--keep-open", action="store_true", help="as a bot that knows of no rotation")
    given = parser.parse_args()
    stop, pause, paused = (given.log.with_name(name) for name in ("stop", "pause", "paused"))
    number = 0
    file = os.open(given.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while not stop.exists():
        if pause.exists():
            paused.touch()
            while pause.exists():
                time.sleep(0.002)
            paused.unlink()
        if not given.keep_open:
            about = os.fstat(file)
            try:
                same = given.log.stat().st_ino == about.st_ino
            except FileNotFoundError:
                same = False
            if not same:
                os.close(file)
                file = os.open(given.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        lines = "".join(
            f"2026-11-23 01:12:17,{each % 1000:03} - bot - ERROR - Failed to place order {each}\n"
            for each in range(number, number + 20)
        )
        half = len(lines) // 2 + 7
        os.write(file, lines[:half].encode())  # sometimes a reader sees half a line
        os.write(file, lines[half:].encode())
        number += 20
        time.sleep(0.002)
    given.log.with_name("written").write_text(str(number))


if __name__ == "__main__":
    main()
