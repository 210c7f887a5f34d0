"""Nightdesk leaves a bot as it found it, undoes its acts when told to, and makes no outage worse."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from clients.observer import Observer
from stack.settings import Settings
from tests.freqtrade_replay import PASSWORD, USER, Recording, serve
from tests.webhook_actions.scenario import ANNA, Scenario, scenario, verify
from webhook_actions.bots import BotControl
from webhook_actions.bots.nothing import NoAdapter
from webhook_actions.bots.protocol import Guard, Mode
from webhook_actions.engine.keeper import Keeper
from webhook_actions.engine.threads import Threads
from webhook_actions.escalation.steps import Escalation
from webhook_actions.outcome import Outcome
from webhook_actions.store import controls, holds, runs
from webhook_actions.store.database import Connection

pytestmark = pytest.mark.anyio
ARMED = {"actions": {"armed": ["close_all_positions", "close_positions"]}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def verdict(s: Scenario) -> Any:
    rows = await s.rows("SELECT verdict FROM runs WHERE verdict IS NOT NULL ORDER BY id DESC LIMIT 1")
    return rows[0][0] if rows else None


async def is_left(s: Scenario) -> list[Any]:
    async with s.pool.connection() as connection:
        return await controls.left(connection)


async def test_a_bot_that_comes_up_stopped_is_started_again_and_only_then_proven(
    postgres: str, tmp_path: Path
) -> None:
    async with scenario(postgres, "stopped", tmp_path) as s:
        bot = s.bots["alpha"]
        bot.comes_back = "stopped"
        await s.fires("Down", "alpha")
        await s.until(lambda: "start" in bot.verbs(), "the start")
        assert bot.verbs()[0] == "restart"
        await s.until(lambda: bot.state == "running", "that it runs")
        s.prometheus.states["alpha"] = "stopped"  # earlier samples
        s.prometheus.gone.add(verify("Down", "alpha"))
        s.prometheus.states["alpha"] = "running"
        await s.until(lambda: verdict(s), "the verdict")
        assert await verdict(s) == "verified"


async def test_up_alone_is_no_proof_of_a_restart(postgres: str, tmp_path: Path) -> None:
    async with scenario(postgres, "up", tmp_path) as s:
        s.prometheus.states["alpha"] = "stopped"
        await s.fires("Down", "alpha")
        await s.until(lambda: s.bots["alpha"].verbs() == ["restart"], "the restart")
        s.prometheus.gone.add(verify("Down", "alpha"))  # the bot is up, so the alert's end is proven
        await s.until(lambda: verdict(s), "the verdict")
        assert await verdict(s) == "not_verified"


async def test_a_failing_restart_is_retried_and_reported(postgres: str, tmp_path: Path) -> None:
    async with scenario(postgres, "unmanaged", tmp_path) as s:
        bot = s.bots["alpha"]
        bot.comes_back, bot.refuses = "stopped", {"start"}
        await s.fires("Down", "alpha")

        async def is_told() -> bool:
            return any("nobody manages its 2 open positions" in why for why in await s.told("alpha"))

        await s.until(is_told, "that a person is told")
        assert bot.verbs() == ["restart"]
        bot.refuses = set()
        await s.until(lambda: bot.state == "running", "that it runs", within=40)
        assert bot.verbs().count("restart") == 1


async def restarted_in_vain(s: Scenario) -> None:
    """Make every restart leave a bot silent, until no action is left."""
    s.bots["alpha"].silent, s.bots["alpha"].comes_back = True, "stopped"
    s.prometheus.states["alpha"] = "none"
    await s.fires("Down", "alpha")

    async def is_handed_over() -> bool:
        return (await s.incident("alpha", "Down")).handed_over_at is not None

    await s.until(is_handed_over, "that nothing is left to try", within=60)


async def test_a_bot_that_comes_up_stopped_once_every_restart_was_judged_is_started_again(
    postgres: str, tmp_path: Path
) -> None:
    async with scenario(postgres, "silent", tmp_path) as s:
        bot = s.bots["alpha"]
        await restarted_in_vain(s)
        restarts = bot.verbs().count("restart")
        bot.silent, s.prometheus.states["alpha"] = False, "stopped"
        s.ends("Down", "alpha")
        await s.until(lambda: bot.state == "running", "that it runs")
        assert bot.verbs().count("restart") == restarts
        s.prometheus.states["alpha"] = "running"

        async def is_closed() -> bool:
            return (await s.incident("alpha", "Down")).closed_at is not None

        await s.until(is_closed, "that it is over", within=40)


async def test_a_bot_that_the_kill_switch_leaves_stopped_is_reported_repeatedly(
    postgres: str, tmp_path: Path
) -> None:
    async with scenario(postgres, "retold", tmp_path) as s:
        bot = s.bots["alpha"]
        await restarted_in_vain(s)
        await s.commands.pause(ANNA, "")
        bot.silent, s.prometheus.states["alpha"] = False, "stopped"
        s.ends("Down", "alpha")

        async def is_told_again() -> bool:
            told = [why for why in await s.told("alpha") if "nobody manages its positions" in why]
            return len(told) > 1

        await s.until(is_told_again, "that people are told again", within=60)
        assert (await s.incident("alpha", "Down")).closed_at is None
        await s.commands.resume(ANNA)
        await s.until(lambda: bot.state == "running", "that it runs", within=40)


async def test_a_crash_between_stop_and_start_leaves_no_bot_stopped(postgres: str, tmp_path: Path) -> None:
    async with scenario(postgres, "crash", tmp_path, start=False) as s:
        bot = s.bots["alpha"]
        await s.fires("Down", "alpha")
        [(incident,)] = await s.rows("SELECT id FROM incidents")
        async with s.pool.transaction() as connection:
            lease = await runs.begin(connection, incident, "alpha", "restart_bot", "disruptive", 60.0)
            assert await runs.set_before(connection, lease, "running")
        await s.rows("UPDATE runs SET due_at = clock_timestamp() RETURNING id")  # its engine has died
        bot.state = "stopped"
        await s.start()
        await s.until(lambda: bot.state == "running", "that it runs")
        assert "restart" not in bot.verbs()
        assert "interrupted" in [kind for kind, _ in await s.timeline("alpha", "Down")]


async def test_a_restart_that_loses_the_database_on_its_way_leaves_no_bot_stopped(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scenario(postgres, "lost", tmp_path) as s:
        bot, left = s.bots["alpha"], controls.left
        bot.comes_back = "stopped"

        async def lost_once(connection: Connection, name: str | None = None) -> list[controls.Control]:
            if name is not None and s.prometheus.away is None and "restart" in bot.verbs():
                s.prometheus.away = "it is away"  # so no sample shows that the bot is stopped
                raise psycopg.OperationalError("the connection is lost")
            return await left(connection, name)

        monkeypatch.setattr(controls, "left", lost_once)
        await s.fires("Down", "alpha")
        await s.until(lambda: "start" in bot.verbs(), "that it runs")
        assert s.prometheus.away is not None
        assert bot.verbs()[:2] == ["restart", "start"]


async def test_a_bot_that_was_paused_is_paused_after_a_restart(postgres: str, tmp_path: Path) -> None:
    async with scenario(postgres, "paused", tmp_path) as s:
        bot = s.bots["alpha"]
        bot.state = "paused"
        await s.fires("Down", "alpha")
        await s.until(lambda: bot.verbs() == ["restart", "pause"], "restart and pause")


@pytest.mark.parametrize("alert", ["Down", "LowWinRate"])
async def test_a_bot_that_its_owner_stopped_is_neither_restarted_nor_adjusted(
    postgres: str, tmp_path: Path, alert: str
) -> None:
    async with scenario(postgres, f"owner_{alert.lower()}", tmp_path) as s:
        bot = s.bots["alpha"]
        bot.state = "stopped"
        await s.fires(alert, "alpha")

        async def outcome() -> Any:
            rows = await s.rows("SELECT outcome FROM runs WHERE effect = 'disruptive' AND outcome > ''")
            return rows and rows[0][0]

        assert await s.until(outcome, "the outcome", within=60) == "cannot"
        assert bot.verbs() == []


async def test_a_halted_bot_that_is_started_is_made_flat_and_paused_again(
    postgres: str, tmp_path: Path
) -> None:
    async with scenario(postgres, "halted", tmp_path, **ARMED) as s:
        bot = s.bots["alpha"]
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: verdict(s), "that it is flat")
        bot.state, bot.sizes = "running", {"BTC": 1.0, "SOL": 2.0, "ADA": 3.0}
        await s.until(lambda: (bot.state, bot.sizes) == ("paused", {}), "that it is flat again")

        async def is_told() -> bool:
            return any(kind == "held" for kind, _ in await s.timeline("alpha"))

        await s.until(is_told, "the timeline")
        heard = [why for why in await s.told("alpha") if "somebody let it trade although it is halted" in why]
        assert len(heard) == 1
        async with s.pool.connection() as connection:
            assert [halt.astray for halt in await holds.halts(connection)] == [False]


async def test_a_halted_bot_that_hangs_holds_back_the_look_at_no_other(postgres: str, tmp_path: Path) -> None:
    async with scenario(postgres, "hangs", tmp_path, "alpha", "beta", start=False) as s:
        await s.fires("CriticalLoss", "alpha", "beta")
        async with s.pool.transaction() as connection:
            for bot in ("alpha", "beta"):
                await holds.halt(connection, bot, 1, "close_all_positions")
        looked, answers = [], threading.Event()

        class Looked(NoAdapter):
            def mode(self) -> Mode | Outcome:
                looked.append("alpha")
                return Mode.PAUSED

        class Hangs(NoAdapter):
            def mode(self) -> Mode | Outcome:
                answers.wait()
                return Mode.PAUSED

        def control(_settings: Settings, bot: str, key: str, _guard: Guard) -> BotControl:
            adapter = Looked() if bot == "alpha" else Hangs()
            return BotControl(bot, key, adapter, adapter, Observer([], [], 1.0), 0, 5, 0.5)

        escalation = Escalation(s.settings, s.pool, s.metrics)
        keeper = Keeper(s.settings, s.pool, s.metrics, control, Threads(4), lambda: False, escalation)

        async def keep() -> None:
            while True:
                await keeper.once()

        task = asyncio.create_task(keep())
        try:
            await s.until(lambda: len(looked) > 1, "another look at alpha")
        finally:
            answers.set()
            task.cancel()


async def test_a_halted_bot_is_made_flat_again_as_often_as_that_takes(postgres: str, tmp_path: Path) -> None:
    async with scenario(postgres, "astray", tmp_path, **ARMED) as s:
        bot = s.bots["alpha"]
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: verdict(s), "that it is flat")
        bot.refuses = {"close_positions"}
        bot.state, bot.sizes = "running", {"BTC": 1.0}
        await s.until(lambda: bot.state == "paused", "that it is paused again")
        assert bot.sizes
        bot.refuses = set()
        await s.until(lambda: not bot.sizes, "that it is flat again")


async def test_a_halted_bot_that_an_action_let_trade_for_a_moment_is_made_flat_again(
    postgres: str, tmp_path: Path
) -> None:
    async with scenario(postgres, "moment", tmp_path, **ARMED) as s:
        bot = s.bots["alpha"]
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: verdict(s), "that it is flat")
        bot.enters = {"SOL": 2.0}  # as soon as the bot runs after the restart
        await s.fires("Down", "alpha")
        await s.until(lambda: "restart" in bot.verbs(), "the restart")
        await s.until(lambda: (bot.state, bot.sizes) == ("paused", {}), "that it is flat again")
        assert bot.verbs()[bot.verbs().index("restart") :] == ["restart", "pause", "close_positions"]


async def test_a_halted_bot_with_a_word_of_its_own_for_trading_is_made_flat_and_paused_again(
    postgres: str, tmp_path: Path
) -> None:
    async with scenario(postgres, "word", tmp_path, **ARMED) as s:
        bot = s.bots["alpha"]
        await s.fires("CriticalLoss", "alpha")
        await s.until(lambda: verdict(s), "that it is flat")
        bot.state, bot.sizes = "scalping", {"BTC": 1.0}
        await s.until(lambda: (bot.state, bot.sizes) == ("paused", {}), "that it is flat again")


async def test_a_dead_bot_waits_for_the_exchange_without_an_attempt_and_people_are_notified(
    postgres: str, tmp_path: Path
) -> None:
    async with scenario(postgres, "outage", tmp_path) as s:
        bot = s.bots["alpha"]
        s.prometheus.exchange_out.add("alpha")
        await s.fires("Down", "alpha")

        async def is_told() -> bool:
            return any("restart_bot waits for the exchange" in why for why in await s.told("alpha"))

        await s.until(is_told, "that a person is told why")
        incident = await s.incident("alpha", "Down")
        assert incident.blocked == "exchange"
        assert await s.rows("SELECT FROM runs") == []
        assert bot.verbs() == []
        s.prometheus.exchange_out.clear()
        await s.until(lambda: bot.verbs() == ["restart"], "the restart", within=40)


async def test_a_restart_that_an_outage_made_vain_counts_as_no_attempt(postgres: str, tmp_path: Path) -> None:
    async with scenario(postgres, "vain", tmp_path) as s:
        bot = s.bots["alpha"]
        await s.fires("Down", "alpha")
        await s.until(lambda: bot.verbs() == ["restart"], "the restart")
        s.prometheus.exchange_out.add("alpha")
        await s.until(lambda: verdict(s), "the verdict")
        assert await s.rows("SELECT outcome, verdict FROM runs") == [("spared", "not_verified")]


@asynccontextmanager
async def over_freqtrade(
    postgres: str, name: str, directory: Path, recording: Recording, **settings: Any
) -> AsyncIterator[Scenario]:
    """Set a scene whose alpha is the recorded Freqtrade."""
    (directory / "password").write_text(PASSWORD)
    with serve(recording) as url:
        source = {"type": "freqtrade", "url": url, "username": USER, "password_file": "password"}
        async with scenario(
            postgres, name, directory, sources={"alpha": {"source": source}}, **settings
        ) as made:
            yield made


async def test_while_the_exchange_is_down_a_living_freqtrade_is_left_alone(
    postgres: str, tmp_path: Path
) -> None:
    recording = Recording()
    async with over_freqtrade(postgres, "lives", tmp_path, recording) as s:
        s.prometheus.exchange_out.add("alpha")
        await s.fires("ApiErrorRate", "alpha")

        async def is_told() -> bool:
            return any("retry_connection waits for the exchange" in why for why in await s.told("alpha"))

        await s.until(is_told, "that a person is told why")
        assert recording.orders == []
        s.prometheus.exchange_out.clear()
        recording.logs = recording.logs[:1]
        await s.until(lambda: recording.orders == [("reload_config", None)], "the reload")


async def test_a_reduction_beyond_an_old_freqtrade_is_refused_and_reported(
    postgres: str, tmp_path: Path
) -> None:
    recording = Recording()
    recording.answers["show_config"]["version"] = "2022.7"
    armed = {"actions": {"armed": ["reduce_position_sizes"]}}
    async with over_freqtrade(postgres, "old", tmp_path, recording, **armed) as s:
        await s.fires("HighDrawdown", "alpha")

        async def refused() -> Any:
            return await s.rows(
                "SELECT outcome, detail, target FROM runs "
                "WHERE action = 'reduce_position_sizes' AND state = 'ended'"
            )

        [(outcome, detail, target)] = await s.until(refused, "the refusal")
        assert (outcome, target) == ("cannot", None)
        assert "Freqtrade 2022.7 exits only whole trades" in detail
        assert recording.orders == []
        assert [trade["pair"] for trade in recording.answers["status"]] == ["ADA/USDT", "ATOM/USDT"]


async def test_a_kill_switch_in_the_middle_only_puts_off_that_a_bot_is_brought_back(
    postgres: str, tmp_path: Path
) -> None:
    async with scenario(postgres, "switch", tmp_path) as s:
        bot = s.bots["alpha"]
        bot.comes_back, bot.refuses = "stopped", {"start"}
        await s.fires("Down", "alpha")
        await s.until(lambda: bot.received > 1, "that it is to be started")
        await s.commands.pause(ANNA, "")
        bot.refuses = set()

        async def is_blocked() -> bool:
            return (await s.incident("alpha", "Down")).blocked == "paused"

        await s.until(is_blocked, "that it waits for the kill switch")
        assert bot.state == "stopped"
        assert await s.rows("SELECT FROM runs WHERE verdict IS NOT NULL") == []
        await s.commands.resume(ANNA)
        await s.until(lambda: bot.state == "running", "that it runs", within=40)
        assert bot.verbs().count("restart") == 1
