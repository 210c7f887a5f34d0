"""Plants each fault into a copy and counts the seeds until it is found: `python -m tests.simulation.mutants`."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[2]
_NEEDED = ("clients", "stack", "webhook_actions", "tests")
_FOUND = re.compile(r"^(\d+) seeds, (\d+) broken", re.MULTILINE)
_RULE = re.compile(r"^seed (\d+): (.*)$", re.MULTILINE)


def main() -> int:
    """Print a line for each fault; return 1 where one was not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="in which each fault has to be found")
    parser.add_argument("--only", default="", help="a part of the names of those that are planted")
    options = parser.parse_args()
    missed = 0
    print("| planted fault | found by seed | the rule that it broke |\n|---|---|---|")
    for patch in sorted(_HERE.glob("*.patch")):
        if options.only in patch.name:
            missed += not plant(patch, options.seeds)
    print(f"\n{missed} not found" if missed else "\nall found")
    return 1 if missed else 0


def plant(patch: Path, seeds: int) -> bool:
    """Plant one fault, play seeds until a rule breaks, print what was found, and return whether it was."""
    name, began = patch.stem.partition("_")[2].replace("_", " "), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        copy = Path(directory)
        for part in _NEEDED:
            shutil.copytree(_ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        given = ["patch", "-p1", "--quiet", "--batch", "--forward", "--input", str(patch)]
        planted = subprocess.run(given, cwd=copy, capture_output=True, text=True, check=False)
        if planted.returncode:
            print(f"| {name} | **the patch no longer fits** | {planted.stdout.strip()} |", flush=True)
            return False
        command = ["-m", "tests.simulation", "--seeds", str(seeds), "--stop-at", "1", "--no-shrinking"]
        played = subprocess.run(
            [sys.executable, *command],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy), "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
    rule, ended = _RULE.search(played.stdout), _FOUND.search(played.stdout)
    if ended is None:
        print(f"| {name} | **the simulation failed** | {played.stderr.strip()[-300:]} |", flush=True)
        return False
    took = time.perf_counter() - began
    found = f"{rule[1]} ({took:.0f} s)" if rule else f"**not in {ended[1]} seeds**"
    print(f"| {name} | {found} | {rule[2] if rule else ''} |", flush=True)
    return rule is not None


if __name__ == "__main__":
    sys.exit(main())
