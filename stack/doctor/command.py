"""The command `nightdesk doctor`: looks at everything, and says what is not well and what to do."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from stack.binaries import MissingBinary
from stack.doctor import bots, machine, people
from stack.doctor.finding import Finding, Level, red
from stack.render import RenderError
from stack.settings import Settings, add_arguments, from_arguments

Check = Callable[[], Iterable[Finding]]
_COLOURS = {Level.GREEN: "32", Level.YELLOW: "33", Level.RED: "31"}


def doctor(arguments: argparse.Namespace) -> int:
    """Look at machine, bots, channels, rules and drill: what is green, yellow or red, and the way out."""
    settings = from_arguments(arguments)
    given = [word for file in arguments.config or [] for word in ("--config", str(file))]
    moved = ["--port-offset", str(arguments.port_offset), "--speed", str(arguments.speed)]
    found = look(settings, arguments.data, [*given, *moved], arguments.send)
    if arguments.json:
        print(json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False))
    else:
        print("\n".join(_lines(found, sys.stdout.isatty())))
    return 1 if any(one.level is Level.RED for one in found) else 0


def look(settings: Settings, data: Path, words: Sequence[str], send: bool) -> list[Finding]:
    """Return what all checks find, in their order; `words` are the options by which services get settings."""
    checks: list[Check] = [
        lambda: machine.ports(settings),
        lambda: machine.disk(data),
        lambda: machine.clock(settings),
        lambda: machine.database(settings),
        lambda: bots.reached(settings),
        lambda: bots.capabilities(settings),
        lambda: bots.capital(settings),
        lambda: bots.restarts(settings),
        lambda: people.told(settings),
        lambda: people.channels(settings, words, send),
        lambda: people.loop(settings),
        lambda: people.drill(data),
        lambda: people.watchdog(settings),
    ]
    with ThreadPoolExecutor(len(checks)) as pool:
        return [one for found in pool.map(_found, checks) for one in found]


def _found(check: Check) -> list[Finding]:
    try:
        return list(check())
    except (OSError, RenderError, MissingBinary) as error:  # one that cannot look keeps none from looking
        return [red("doctor", f"could not look: {error}", "mend that first")]


def _lines(found: Sequence[Finding], coloured: bool) -> Iterator[str]:
    width = max(len(one.about) for one in found)
    for one in found:
        level = f"\x1b[{_COLOURS[one.level]}m{one.level:6}\x1b[0m" if coloured else f"{one.level:6}"
        yield f"{level}  {one.about:{width}}  {one.says}"
        if one.way_out:
            yield f"{'':6}  {'':{width}}  → {one.way_out}"
    counts = ", ".join(f"{sum(one.level is level for one in found)} {level}" for level in Level)
    yield f"\n{counts}"


def add_command(add: Callable[[str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]) -> None:
    """Add the command to `nightdesk`."""
    looking = add("doctor", doctor)
    looking.add_argument("--send", action="store_true", help="send a message over each channel, too")
    looking.add_argument("--json", action="store_true", help="for programs")
    looking.add_argument("--data", type=Path, default=Path(".data"), metavar="DIR", help="default: .data")
    add_arguments(looking)
