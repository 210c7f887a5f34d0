"""The engine and its surroundings as fixtures."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Mailbox
from tests.webhook_actions.harness import Harness, limits
from tests.webhook_actions.postgres import throwaway
from tests.webhook_actions.scenario import Scenario, scenario
from tests.webhook_actions.sequences import Play
from tests.webhook_actions.visitor import Visitor

Make = Callable[..., Harness]
_NAMES = (f"scene{number}" for number in itertools.count())


@pytest.fixture
def make_harness(tmp_path: Path) -> Iterator[Make]:
    """Return a maker of worlds with bots and settings of the test's choice; all is stopped after the test."""
    worlds = []

    def make(*names: str, **overrides: object) -> Harness:
        directory = tmp_path / f"world{len(worlds)}"
        directory.mkdir()
        worlds.append(Harness(directory, *names, **overrides))
        return worlds[-1]

    yield make
    for harness in worlds:
        harness.close()


@pytest.fixture
def harness(make_harness: Make) -> Harness:
    """Return a world of two bots, with everything running."""
    made = make_harness("alpha", "beta")
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


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with throwaway(tmp_path_factory.mktemp("postgres")) as address:
        yield address


@pytest.fixture
def play(postgres: str, tmp_path: Path) -> Play:
    def run(
        act: Callable[[Scenario], Awaitable[None]], *bots: str, start: bool = True, **settings: Any
    ) -> None:
        async def in_a_scene() -> None:
            async with scenario(postgres, next(_NAMES), tmp_path, *bots, start=start, **settings) as made:
                await act(made)

        asyncio.run(in_a_scene())

    return run


@pytest.fixture
def quiet(make_harness: Make) -> Harness:
    """Return a world whose engine runs without a Prometheus."""
    made = make_harness("alpha", "beta", timezone="Europe/Berlin")
    made.start_engine()
    return made


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """Return a world with one open incident, for tests that change nothing."""
    made = Harness(
        tmp_path_factory.mktemp("still"),
        "alpha",
        webhook_actions=limits(failed_logins=1000, trusted_proxies=["127.0.0.1"]),
    )
    made.start_engine()
    made.deliver(made.alert("alpha"))
    yield made
    made.close()


@pytest.fixture
def anna(quiet: Harness) -> Visitor:
    visitor = Visitor(quiet)
    assert visitor.log_in().status_code == 303
    return visitor
