"""The simulator in CI: fixed seeds, the same trace twice, and faults that it has to find."""

import gc
import inspect
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.memory import Memory
from tests.simulation.simulation import run
from tests.simulation.substitution import MODULES
from webhook_actions.engine import reconcile

ROOT = Path(__file__).parents[2]
SEEDS = 300
FAULTS = ("01_", "03_", "05_")  # a short form of `make simulate-mutants`


def simulate(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(900)
def test_no_rule_is_broken_in_fixed_seeds() -> None:
    played = simulate("tests.simulation", "--seeds", str(SEEDS))
    assert played.returncode == 0, played.stdout[-6000:] + played.stderr[-2000:]
    [(seeds, hours)] = re.findall(
        r"^(\d+) seeds, 0 broken; (\d+) simulated incident-hours", played.stdout, re.M
    )
    assert int(seeds) == SEEDS
    assert int(hours) > SEEDS / 2, "hardly anything happened"


def test_the_same_seed_is_the_same_evening() -> None:
    options = ("tests.simulation", "--seeds", "2", "--from", "40", "--trace", "--processes", "1")
    first, second = (simulate(*options).stdout.splitlines()[:-1] for _ in range(2))
    assert len(first) > 20
    assert first == second


def test_a_defect_that_a_task_survives_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "_needs_a_look", lambda *_: 1 / 0)
    assert "ZeroDivisionError" in str(run(1).violation)


class _Remains:
    """A dead engine leaves a waiting task, which logs an error when it is collected."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        try:
            raise RuntimeError("no running event loop")
        except RuntimeError:
            logging.getLogger("webhook_actions").exception("a task failed")


def test_what_the_seed_before_has_left_is_no_defect_of_this_one() -> None:
    gc.disable()  # so that it is not collected here
    _Remains()
    gc.enable()
    assert run(1).violation is None


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    found = simulate("tests.simulation.mutants", "--only", fault, "--seeds", "100")
    assert found.returncode == 0, found.stdout


def test_the_memory_has_each_function_of_the_store_with_the_same_parameters() -> None:
    unused = {"deliveries__dead", "deliveries__send_again", "audit__entries"}  # only the page uses these
    unused |= {
        "deliveries__incidents_of",
        "incidents__open_by",
    }  # answers from a phone, requests without an alert
    unused |= {f"archive__{name}" for name in ("with_incidents", "keep", "one", "of_body", "listing")}
    composed = {"acknowledgements__acknowledge", "acknowledgements__snooze", "acknowledgements__comment"}
    for module, real in MODULES.items():
        for name, function in vars(real).items():
            own = inspect.iscoroutinefunction(function) and function.__module__ == real.__name__
            if not own or name.startswith("_") or f"{module}__{name}" in unused | composed:
                continue
            made = getattr(Memory, f"{module}__{name}", None)
            assert made is not None, f"{module}.{name} is not in memory"
            if module == "audit":
                continue
            theirs = list(inspect.signature(function).parameters)[1:]
            ours = list(inspect.signature(made).parameters)[2:]
            assert len(theirs) == len(ours), f"{module}.{name}: {theirs}, in memory {ours}"
