"""One PostgreSQL for these tests; a database, a mailbox and services for each."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stack.settings import Settings
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Harness, Mailbox, Setup, running
from tests.webhook_actions.postgres import throwaway

Play = Callable[..., None]
_NAMES = (f"people{number}" for number in itertools.count())


@pytest.fixture(scope="package")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with throwaway(tmp_path_factory.mktemp("postgres")) as address:
        yield address


@pytest.fixture
def setup(tmp_path: Path, fakes: Fakes, mailbox: Mailbox) -> Iterator[Setup]:
    with mailbox.serving() as port:
        yield Setup(tmp_path, fakes, port, mailbox)


@pytest.fixture
def play(postgres: str, setup: Setup) -> Play:
    """Return a player of scenes: `play(scene, **settings)` runs a scene in a world with these settings."""

    def run(
        scenario: Callable[[Harness], Awaitable[None]],
        *,
        settings: Settings | None = None,
        work: bool = True,
        **overrides: Any,
    ) -> None:
        async def act() -> None:
            chosen = settings or setup.settings(**overrides)
            async with running(chosen, postgres, next(_NAMES), work=work) as harness:
                await scenario(harness)

        asyncio.run(act())

    return run
