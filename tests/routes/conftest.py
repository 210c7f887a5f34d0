"""The real Alertmanager that the tests of routes share."""

from collections.abc import Iterator

import pytest

from tests.conftest import binary
from tests.routes.desk import Desk, running


@pytest.fixture(scope="package")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    binary("alertmanager")
    with running(tmp_path_factory.mktemp("desk")) as desk:
        yield desk
