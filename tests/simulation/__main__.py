"""Plays seeds, and prints each broken rule with the shortest scenario that breaks it."""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator

from tests.simulation.environment import SEVERITIES
from tests.simulation.scenario import Event, drawn
from tests.simulation.simulation import LENGTH, Result, run
from tests.simulation.variants import BOTS

_SHOWN = 60  # lines of a trace


def main() -> int:
    """Play the chosen seeds; return 1 if a rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many are played")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first one")
    parser.add_argument("--engines", type=int, help="how many engines; else each seed chooses one to three")
    parser.add_argument("--stop-at", type=int, default=10, help="broken rules after which it stops")
    parser.add_argument("--trace", action="store_true", help="print the whole trace of each seed")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count(), help="seeds that are played at a time"
    )
    parser.add_argument("--no-shrinking", action="store_true", help="print a broken rule as it is found")
    options = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # a seed must also repeat the order of sets
        command = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, command, _environment())  # noqa: S606 - ourselves
    began, broken, played, seconds, orders = time.perf_counter(), 0, 0, 0.0, 0
    for result in play(range(options.first, options.first + options.seeds), options):
        played, seconds, orders = played + 1, seconds + result.incident_seconds, orders + result.orders
        if options.trace:
            print("\n".join(result.trace))
        if result.violation is not None:
            broken += 1
            if options.no_shrinking:
                print(f"seed {result.seed}: {result.violation}")
            else:
                show(result, options.engines)
            if broken >= options.stop_at:
                break
    took = time.perf_counter() - began
    print(
        f"{played} seeds, {broken} broken; {seconds / 3600:.0f} simulated incident-hours, {orders} orders; "
        f"{took:.0f} s: {played / took:.1f} seeds/s, {seconds / 3600 / took:.1f} incident-hours/s"
    )
    return 1 if broken else 0


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONHASHSEED": "0"}


def play(seeds: range, options: argparse.Namespace) -> Iterator[Result]:
    """Yield each seed's result."""
    work = [(seed, options.engines) for seed in seeds]
    if options.processes == 1:
        yield from map(_one, work)
        return
    with multiprocessing.Pool(options.processes, initializer=_quiet, maxtasksperchild=200) as pool:
        yield from pool.imap_unordered(_one, work, chunksize=4)


def _quiet() -> None:
    sys.unraisablehook = lambda _: None  # the garbage collector does not free a task that waits for ever


def _one(work: tuple[int, int | None]) -> Result:
    _quiet()
    return run(work[0], engines=work[1])


def show(result: Result, engines: int | None) -> None:
    """Print a broken rule, and the shortest scenario that still breaks it."""
    events = shrunk(result.seed, engines)
    again = run(result.seed, events, engines)
    print(f"\nseed {result.seed}: {result.violation}\nthe shortest scenario that was found:")
    print("\n".join(f"  {event.at:8.2f} {event}" for event in events))
    print("its last steps:")
    print("\n".join(f"  {line}" for line in again.trace[-_SHOWN:]), flush=True)


def shrunk(seed: int, engines: int | None) -> list[Event]:
    """Return a shortest scenario that still breaks the rule: no event can be removed from it."""
    events = drawn(seed, BOTS, sorted(SEVERITIES), LENGTH)
    at = 0
    while at < len(events):
        without = events[:at] + events[at + 1 :]
        if run(seed, without, engines).violation is not None:
            events = without
        else:
            at += 1
    return events


if __name__ == "__main__":
    sys.exit(main())
