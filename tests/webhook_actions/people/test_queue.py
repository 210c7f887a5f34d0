"""Jobs of a process that died run again, whatever else waits by then."""

from tests.webhook_actions.people.conftest import Play
from tests.webhook_actions.people.world import World


def test_a_dead_workers_job_frees_its_bot_also_where_the_same_was_asked_for_again(play: Play) -> None:
    async def scene(world: World) -> None:
        for incident in (1, 2):
            await world.jobs.advance(incident, "alpha" if incident == 1 else "beta", "TradingBotDown")
        await world.rows(
            "UPDATE procrastinate_jobs SET status = 'doing' RETURNING id"
        )  # and its worker is gone
        await world.jobs.advance(1, "alpha", "TradingBotDown")
        assert await world.jobs.recover(0) == 2
        found = await world.rows("SELECT lock, status::text FROM procrastinate_jobs ORDER BY lock")
        assert found == [("bot:alpha", "todo"), ("bot:beta", "todo")]

    play(scene, work=False)
