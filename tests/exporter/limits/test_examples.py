"""Forty worked examples in the style of published rules give exactly their stated results."""

from decimal import Decimal

import pytest

from tests.exporter.limits.desk import Desk, known, marks
from tests.exporter.limits.examples import EXAMPLES, Example


def test_there_are_forty_of_them():
    assert len({example.says for example in EXAMPLES}) == len(EXAMPLES) >= 40


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.says)
def test_an_example_comes_out_as_its_arithmetic_says(example: Example, tmp_path):
    desk = Desk(example.limit, tmp_path, **example.more)
    for line in example.steps.strip().splitlines():
        step = line.split("#")[0].strip()
        if step == "restart":
            desk.restart()
        elif step.startswith("moved"):
            desk.moved = float(step.split()[1])
        else:
            seen, expected = step.split("|")
            when, balance, equity = seen.split()
            threshold, left, *words = expected.split()
            found = desk.play(when, float(balance), float(equity))
            assert (known(found).threshold, known(found).left) == (Decimal(threshold), Decimal(left)), line
            assert marks(found) == set(words), (line, found.gap)
