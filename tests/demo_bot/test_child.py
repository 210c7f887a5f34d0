"""The trading process alone, as the supervisor has it."""

import asyncio
from pathlib import Path

import pytest

from demo_bot.child import Child, DiedError, NotRunningError, UnansweredError
from demo_bot.pipes import Ask, AskControl, AskFault
from demo_bot.supervisor import Options
from tests.conftest import eventually


def options(data: Path) -> Options:
    return Options(data, seed=1, pace=0.2, currency="USDT", log_bytes=2000, log_files=2)


def test_a_frozen_process_is_unanswered_dies_with_its_questions_and_is_then_not_running(
    tmp_path: Path,
) -> None:
    async def live() -> None:
        child = await Child.spawn(options(tmp_path).command_line())
        assert (await child.ask(Ask(do="state"))).body["state"] == "running"
        child.freeze(frozen=True)
        with pytest.raises(UnansweredError):
            await child.ask(Ask(do="state"), 0.2)
        asked = asyncio.create_task(child.ask(Ask(do="state")))
        await asyncio.sleep(0.1)
        await child.kill()
        with pytest.raises(DiedError):
            await asked
        with pytest.raises(NotRunningError):
            await child.ask(Ask(do="state"))
        assert child.exit_status == -9

    asyncio.run(live())


def test_a_request_that_was_not_answered_in_time_takes_effect_once_when_asked_again(tmp_path: Path) -> None:
    async def live() -> None:
        child = await Child.spawn(options(tmp_path).command_line())
        retrain = AskControl(verb="retrain_model", arguments={}, key="once")
        await child.ask(Ask(do="state"))
        child.freeze(frozen=True)
        with pytest.raises(UnansweredError):
            await child.ask(retrain, 0.2)
        child.freeze(frozen=False)
        assert (await child.ask(retrain)).status == 200
        state = (await child.ask(Ask(do="state"))).body
        assert state["models"]["direction"]["retrainings_total"] == 1
        await child.stop()
        assert child.exit_status == 0

    asyncio.run(live())


def test_the_log_rotates_at_its_size_and_keeps_the_set_number_of_files(tmp_path: Path) -> None:
    async def live() -> None:
        child = await Child.spawn(options(tmp_path).command_line())
        await child.ask(AskFault(name="log_errors", arguments={"per_second": 100}))
        await asyncio.to_thread(eventually, (tmp_path / "demo_bot.log.2").exists)
        await asyncio.sleep(0.5)
        await child.stop()

    asyncio.run(live())
    files = sorted(file.name for file in tmp_path.glob("demo_bot.log*"))
    assert files == ["demo_bot.log", "demo_bot.log.1", "demo_bot.log.2"]
    assert all((tmp_path / name).stat().st_size <= 2000 for name in files)
