"""A release undoes what Nightdesk did when it stopped a bot's entries, and nothing else."""

from pathlib import Path

import pytest

from tests.webhook_actions.scenario import ANNA, scenario
from tests.webhook_actions.test_states import ARMED, is_left, verdict
from webhook_actions.web.commands import Refused

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_release_lets_a_bot_enter_again_that_was_closed(postgres: str, tmp_path: Path) -> None:
    async with scenario(postgres, "release", tmp_path, **ARMED) as s:
        bot = s.bots["alpha"]
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: verdict(s), "that it is flat")
        [left] = await is_left(s)
        assert (left.before, left.reason) == ("running", "close_all_positions for TradingBotCriticalLoss")
        bot.refuses = {"resume"}
        s.ends("CriticalLoss", "alpha")
        await s.commands.release(ANNA, "alpha")

        async def is_noted() -> bool:
            return any(each.detail for each in await is_left(s))

        await s.until(is_noted, "why it is not undone")
        bot.refuses = set()
        await s.until(lambda: bot.state == "running", "that it trades")

        async def is_undone() -> bool:
            return await is_left(s) == []

        await s.until(is_undone, "that nothing is left")
        with pytest.raises(Refused, match="alpha is not halted"):
            await s.commands.release(ANNA, "alpha")


async def test_a_release_undoes_a_stop_of_entries_too(postgres: str, tmp_path: Path) -> None:
    async with scenario(postgres, "entries", tmp_path) as s:
        bot = s.bots["alpha"]
        await s.fires("LossLimit", "alpha")
        await s.until(lambda: bot.state == "paused", "that it enters nothing")
        s.ends("LossLimit", "alpha")
        await s.commands.release(ANNA, "alpha")
        await s.until(lambda: bot.state == "running", "that it enters again")


async def test_entries_stopped_again_before_the_release_is_undone_stay_stopped(
    postgres: str, tmp_path: Path
) -> None:
    async with scenario(postgres, "anew", tmp_path) as s:
        bot = s.bots["alpha"]
        await s.fires("LossLimit", "alpha")
        await s.until(lambda: verdict(s), "that it enters nothing")
        bot.refuses = {"resume"}
        await s.commands.release(ANNA, "alpha")

        async def is_noted() -> bool:
            return any(each.detail for each in await is_left(s))

        await s.until(is_noted, "why it is not undone")
        await s.fires("ModelAccuracyCritical", "alpha")

        async def is_stopped_anew() -> bool:
            return [each.released_by for each in await is_left(s)] == [None]

        await s.until(is_stopped_anew, "that they are stopped anew")
        bot.refuses = set()
        assert bot.state == "paused"
        await s.commands.release(ANNA, "alpha")
        await s.until(lambda: bot.state == "running", "that it enters again")


async def test_a_release_that_a_bot_cannot_carry_out_fails_and_people_are_notified(
    postgres: str, tmp_path: Path
) -> None:
    async with scenario(postgres, "cannot", tmp_path) as s:
        bot = s.bots["alpha"]
        await s.fires("LossLimit", "alpha")
        await s.until(lambda: verdict(s), "that it enters nothing")
        bot.fails = [404]  # it has no `resume`
        await s.commands.release(ANNA, "alpha")

        async def is_over() -> bool:
            return await is_left(s) == []

        await s.until(is_over, "that it is left to a person")
        assert bot.state == "paused"
        assert s.metrics.actions.labels("alpha", "release", "failed")._value.get() == 1


async def test_a_bot_that_its_release_stopped_half_way_is_started(postgres: str, tmp_path: Path) -> None:
    async with scenario(postgres, "halfway", tmp_path) as s:
        bot = s.bots["alpha"]
        await s.fires("LossLimit", "alpha")
        await s.until(lambda: bot.state == "paused", "that it enters nothing")
        bot.refuses = {"resume"}
        s.ends("LossLimit", "alpha")
        await s.commands.release(ANNA, "alpha")

        async def is_noted() -> bool:
            return any("resume" in (each.detail or "") for each in await is_left(s))

        await s.until(is_noted, "why it is not undone")
        bot.refuses, bot.state = set(), "stopped"
        await s.until(lambda: bot.state == "running", "that it trades")


async def test_a_release_leaves_a_bot_paused_that_its_owner_had_paused(postgres: str, tmp_path: Path) -> None:
    async with scenario(postgres, "own", tmp_path, **ARMED) as s:
        bot = s.bots["alpha"]
        bot.state = "paused"
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: verdict(s), "that it is flat")
        assert await is_left(s) == []
        await s.commands.release(ANNA, "alpha")
        assert "resume" not in bot.verbs()


async def test_a_person_who_starts_a_bot_has_let_it_enter_again(postgres: str, tmp_path: Path) -> None:
    async with scenario(postgres, "started", tmp_path) as s:
        bot = s.bots["alpha"]
        await s.fires("LossLimit", "alpha")
        await s.until(lambda: verdict(s), "that it enters nothing")
        s.ends("LossLimit", "alpha")
        bot.state = "running"

        async def is_over() -> bool:
            return await is_left(s) == []

        await s.until(is_over, "that nothing is left")
        assert bot.state == "running"
