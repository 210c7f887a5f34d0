"""Runs the chaos test and prints its tables: `python -m tests.chaos`. Exits 1 if a promise was broken."""

import argparse
import sys
import time

from tests.chaos.scenarios import play
from tests.chaos.storm import Finding, Storm, rage

_BOUND = 600.0  # seconds, for all of it


def main() -> int:
    """Run the chosen parts and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--bots", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7, help="of all that is random here")
    parser.add_argument("--only", choices=("storm", "replicas", "scenarios"), help="one of the three parts")
    options = parser.parse_args()
    end = time.monotonic() + _BOUND
    given = {"alerts": options.alerts, "bots": options.bots, "kills": options.kills, "seed": options.seed}
    kept = True
    if options.only in (None, "storm"):
        kept &= show("One engine", rage(Storm(engines=1, **given), end))
    if options.only in (None, "replicas"):
        kept &= show("Three engines on one PostgreSQL", rage(Storm(engines=3, freezes=3, **given), end))
    if options.only in (None, "scenarios"):
        kept &= show("Scenes", play())
    return 0 if kept else 1


def show(title: str, findings: list[Finding]) -> bool:
    """Print a table, and return whether all its promises were kept."""
    marks = {True: "kept", False: "**BROKEN**", None: ""}
    print(f"\n## {title}\n\n| | counted | |\n|---|---|---|")
    for each in findings:
        print(f"| {each.what} | {each.count} | {marks[each.kept]} |")
    return all(each.kept is not False for each in findings)


if __name__ == "__main__":
    sys.exit(main())
