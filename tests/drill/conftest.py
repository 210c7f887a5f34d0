"""One stack for all drills: it takes half a minute to start."""

from collections.abc import Iterator

import pytest

from tests.conftest import binary, eventually
from tests.drill.desk import PARTS, Desk, running


@pytest.fixture(scope="package")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    for program in ("prometheus", "alertmanager"):
        binary(program)
    with running(tmp_path_factory.mktemp("drill")) as made:
        eventually(lambda: made.round_trip() > 0, what="the first round trip of the Watchdog")
        assert set(made.running) == set(PARTS)
        yield made
