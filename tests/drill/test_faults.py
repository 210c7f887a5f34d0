"""A drill finds what is broken on the way from a metric to a person; `make test-drill` plants every fault."""

import os

import pytest

from tests.drill.desk import Desk
from tests.drill.plants import FAULTS, IN_CI

pytestmark = pytest.mark.xdist_group("drill")
PLANTED = tuple(FAULTS) if os.environ.get("NIGHTDESK_EVERY_FAULT") else IN_CI


@pytest.mark.parametrize("name", PLANTED)
def test_a_drill_finds_the_fault_and_finds_none_once_it_is_mended(desk: Desk, name: str) -> None:
    plant, says = FAULTS[name]
    with plant(desk):
        found = [text for _, text in desk.drill(answers=name != "no acknowledgement").faults]
    assert [text for text in found if text.startswith(says)], "\n".join(found)
    assert desk.is_well_again(), name
