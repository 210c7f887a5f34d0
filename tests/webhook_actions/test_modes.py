"""The present and earlier mode of a bot's trading loop, from its control and its last samples."""

from typing import ClassVar

import pytest

from clients.observer import Observer, Sample
from webhook_actions.bots import BotControl
from webhook_actions.bots.nothing import NoAdapter
from webhook_actions.bots.protocol import Mode
from webhook_actions.outcome import Outcome


@pytest.mark.parametrize(
    ("samples", "mode"),
    [
        ([("running", 1.0)], "running"),
        ([("stopped", 1.0)], "stopped"),
        ([("reloading", 1.0)], "running"),
        ([], "running"),
    ],
)
def test_what_a_dead_bot_did_is_what_its_last_samples_say(
    samples: list[tuple[str, float]], mode: str
) -> None:
    class Seen(Observer):
        def ask(self, expression: str, at: float | None = None) -> tuple[Sample, ...]:
            assert 'bot="alpha"' in expression
            return tuple(Sample({"state": state}, value) for state, value in samples)

    adapter = NoAdapter()
    bot = BotControl("alpha", "run-1", adapter, adapter, Seen([], [], 1.0), 0, 5, 0.5)
    assert bot.last_mode() == mode


def test_a_bot_that_once_does_not_say_its_state_is_not_taken_to_be_back() -> None:
    class Silent(NoAdapter):
        said: ClassVar[list[Mode | Outcome]] = [Mode.STOPPED, Outcome.retry("GET state: 503"), Mode.STOPPED]

        def mode(self) -> Mode | Outcome:
            return self.said.pop(0)

    adapter = Silent()
    bot = BotControl("alpha", "run-1", adapter, adapter, Observer([], [], 1.0), 0, 5, 0.5)
    back = bot.come_back(Mode.RUNNING)
    assert not back.done
    assert "503" in back.detail
