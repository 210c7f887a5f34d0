"""A block has the samples that promtool's own block of the same lines has, and Prometheus takes it."""

import subprocess
from pathlib import Path
from random import Random

import pytest

from exporter.tsdb import Block
from tests.conftest import binary

START, STEP = 1_780_000_000_000, 290_000  # milliseconds
ODD = [0.0, -0.0, 1.0, 1e300, -1e-300, 5e-324, float("inf"), 0.1, 2.0**53]
Step = tuple[int, dict[str, float]]


def scripted(seed: int) -> list[Step]:
    """Return steps of series that stay, change, end and come back."""
    random = Random(seed)
    names = [f'money{{bot="a \\"b\\" \\\\ c",window="{window}"}}' for window in "dwm"]
    names += ["flat", 'counted{side="long",empty=""}', 'rare{symbol="BTC/USDT"}']
    now, steps = dict.fromkeys(names, 1.0), list[Step]()
    for number in range(700):
        for name in names:
            if name != "flat" and random.random() < 0.05:
                now[name] = random.choice([*ODD, random.gauss(100, 3), float(random.randrange(9))])
            if name.startswith("rare") and random.random() < 0.02:
                now.pop(name, None)
            elif name not in now and random.random() < 0.1:
                now[name] = 7.0
        steps.append((START + number * STEP, dict(now)))
    return steps


def dumped(directory: Path) -> list[str]:
    (directory / "wal").mkdir()  # promtool wants one
    done = subprocess.run(
        [binary("promtool"), "tsdb", "dump", f"--sandbox-dir-root={directory}", directory],
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(done.stdout.splitlines())


@pytest.mark.parametrize("seed", range(3))
def test_a_block_has_the_samples_of_promtools_own(tmp_path: Path, seed: int) -> None:
    steps = scripted(seed)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    block = Block(STEP)
    for at, values in steps:
        block.add(at, "".join(f"{name} {value!r}\n" for name, value in values.items()).encode())
    block.write(ours)
    lines = [
        f"{name} {str(value).replace('inf', '+Inf')} {at / 1000:.3f}\n"
        for at, values in steps
        for name, value in values.items()
    ]
    text = tmp_path / "lines.om"
    text.write_text("".join(lines) + "# EOF\n")
    made = ["tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=486h"]
    subprocess.run([binary("promtool"), *made, text, theirs], check=True, capture_output=True)
    expected = dumped(theirs)
    assert len(expected) == sum(len(values) for _, values in steps)
    assert dumped(ours) == expected


def test_promtool_finds_nothing_wrong_with_a_block(tmp_path: Path) -> None:
    block = Block(STEP)
    for at, values in scripted(9):
        block.add(at, "".join(f"{name} {value!r}\n" for name, value in values.items()).encode())
    block.write(tmp_path)
    (name,) = (one.name for one in tmp_path.iterdir())
    told = subprocess.run(
        [binary("promtool"), "tsdb", "analyze", "--extended", tmp_path, name],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "Total Series: 6" in told
