"""The planted faults still fit the code: a patch that does not apply would go unnoticed."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATCHES = sorted((ROOT / "tests/simulation/mutants").glob("*.patch"))


def test_there_are_faults_to_plant() -> None:
    assert len(PATCHES) >= 28


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_planted_fault_fits_the_code(patch: Path) -> None:
    command = ["patch", "-p1", "--dry-run", "--batch", "--forward", "--input", str(patch)]
    tried = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stdout
