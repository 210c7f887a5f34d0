"""The order of open incidents on the on-call page."""

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.harness import Harness
from webhook_actions.store import search

WORST = search.Filter(worst_first=True)


def test_a_snooze_that_is_over_no_longer_puts_an_incident_last(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        old = await harness.fire("Down", bot="a")
        warned = await harness.fire("HighLatency", bot="b", severity="warning")
        new = await harness.fire("Down", bot="c")
        news = await harness.fire("MilestoneReached", bot="d", severity="info")

        async def order() -> list[int]:
            async with harness.pool.connection() as connection:
                return [case.id for case in (await search.find(connection, WORST)).incidents]

        assert await order() == [new.id, old.id, warned.id, news.id]
        await harness.acknowledge(new)
        assert await order() == [old.id, warned.id, new.id, news.id]
        async with harness.pool.transaction() as connection:
            snoozed = "INSERT INTO acknowledgements (incident, by, comment, until) VALUES (%s, 'anna', '', "
            await connection.execute(f"{snoozed}clock_timestamp() + interval '1 h')".encode(), [new.id])
        assert await order() == [old.id, warned.id, new.id, news.id]
        async with harness.pool.transaction() as connection:
            await connection.execute(
                "UPDATE acknowledgements SET until = clock_timestamp() WHERE until > '-infinity'"
            )
            [case] = [one for one in (await search.find(connection, WORST)).incidents if one.id == new.id]
            assert not case.answered
        assert await order() == [new.id, old.id, warned.id, news.id]

    play(scenario, work=False)
