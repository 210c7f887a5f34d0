"""The engine's world as fixtures."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.world import Mailbox
from tests.webhook_actions.world import World

Make = Callable[..., World]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Make]:
    """Return a maker of worlds with bots and settings of the test's choice; all is stopped after the test."""
    worlds = []

    def make(*names: str, **overrides: object) -> World:
        directory = tmp_path / f"world{len(worlds)}"
        directory.mkdir()
        worlds.append(World(directory, *names, **overrides))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world: Make) -> World:
    """Return a world of two bots, with everything running."""
    made = make_world("alpha", "beta")
    made.start_prometheus()
    made.start_engine()
    return made


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    services = Fakes()
    yield services
    services.close()
