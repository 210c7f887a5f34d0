"""Jobs of a process that died run again, whatever else waits by then."""

from clients.prometheus import Prometheus
from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.world import World
from webhook_actions.engine.engine import Engine
from webhook_actions.engine.jobs import Jobs
from webhook_actions.store.database import Pool


def test_a_dead_workers_job_frees_its_bot_also_where_the_same_was_asked_for_again(play: Play) -> None:
    async def scene(world: World) -> None:
        for incident in (1, 2):
            bot = "alpha" if incident == 1 else "beta"
            await world.jobs.advance(incident, bot, "TradingBotDown", begun=True)
        await world.rows(
            "UPDATE procrastinate_jobs SET status = 'doing' RETURNING id"
        )  # and its worker is gone
        await world.jobs.advance(1, "alpha", "TradingBotDown", begun=True)
        assert await world.jobs.recover(0) == 2
        found = await world.rows("SELECT lock, status::text FROM procrastinate_jobs ORDER BY lock")
        assert found == [("bot:alpha", "todo"), ("bot:beta", "todo")]

    play(scene, work=False)


def test_what_is_looked_after_again_and_again_keeps_no_bot_from_what_is_new(play: Play) -> None:
    async def scene(world: World) -> None:
        async with world.pool.transaction() as connection:
            await world.jobs.advance_with(connection, [(1, "alpha", "TradingBotDown")])
        await world.jobs.advance(2, "alpha", "TradingBotModelDrift", begun=False)  # by the reconciler
        await world.jobs.advance(3, "alpha", "TradingBotModelDrift", begun=True)  # its time has come
        found = await world.rows(
            "SELECT args->>'incident' FROM procrastinate_jobs ORDER BY priority DESC, id"
        )
        assert [incident for (incident,) in found] == ["3", "1", "2"]

    play(scene, work=False)


def test_whoever_holds_a_connection_wants_no_second_one(play: Play) -> None:
    """Else all workers of a storm wait for each other: seen with 10,000 incidents under maintenance."""

    async def scene(world: World) -> None:
        incident = await world.fire("Down")
        async with Pool(world.pool.conninfo, max_size=1, timeout=5) as narrow:
            jobs = Jobs(world.settings, narrow)
            await jobs.open()
            known = world.settings, narrow, Prometheus(), {}, world.escalation, world.metrics
            engine = Engine(*known, jobs.wake)
            await engine.actor.try_next(incident)
        [(task,)] = await world.rows("SELECT task_name FROM procrastinate_jobs WHERE scheduled_at > now()")
        assert task == "wake"

    play(scene, work=False, routing={"maintenance": [{"from": "00:00", "to": "00:00"}]})
