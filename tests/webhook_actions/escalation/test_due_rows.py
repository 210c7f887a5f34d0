"""Due rows: who claims them, what a claim is worth, and who is notified of new ones."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import psycopg
import pytest

from stack.settings.plan import Step
from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.harness import Harness
from webhook_actions.store import deliveries, escalation_steps, incidents
from webhook_actions.store.database import CHANNEL, Connection
from webhook_actions.store.deliveries import Delivery
from webhook_actions.store.incidents import DueUpdate


def test_what_a_process_claimed_that_died_is_claimed_again_and_the_dead_writes_nothing(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        await harness.fire("Down")
        async with harness.pool.connection() as connection:
            [dead] = await incidents.claim(connection, 10, lease=0.0)
            [alive] = await incidents.claim(connection, 10, lease=60.0)
            assert await incidents.claim(connection, 10, lease=60.0) == [], "its lease lasts"
            await incidents.schedule(connection, [DueUpdate(dead, datetime.now(UTC), "by the dead")])
            [incident] = await incidents.load(connection, [alive.incident])
            assert (incident.fence, incident.waits_for, incident.due_at) == (2, None, alive.lease_ends)
            await incidents.schedule(connection, [DueUpdate(alive, None, "by the living")])
            [incident] = await incidents.load(connection, [alive.incident])
            assert (incident.waits_for, incident.due_at) == ("by the living", None)

    play(scenario, work=False)


def test_critical_incidents_are_claimed_first(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        for severity in ("info", "warning", "critical"):
            await harness.fire("Down", severity, severity)
        async with harness.pool.connection() as connection:
            [claim] = await incidents.claim(connection, 1, lease=60.0)
            [incident] = await incidents.load(connection, [claim.incident])
        assert incident.severity == "critical"

    play(scenario, work=False)


def test_critical_incidents_do_not_starve_warnings(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        warning = await harness.fire("HighLatency", "alpha", "warning")
        await harness.fire("Down", "alpha", "critical")
        async with harness.pool.connection() as connection:
            await connection.execute(
                "UPDATE incidents SET due_at = due_at - interval '1 minute' WHERE id = %s", [warning.id]
            )
            [claim] = await incidents.claim(connection, 1, lease=60.0)
        assert claim.incident == warning.id

    play(scenario, work=False)


def test_a_bots_due_incidents_are_claimed_together_and_none_of_a_busy_bot(
    play: Play,
) -> None:
    async def scenario(harness: Harness) -> None:
        first = await harness.fire("Down", "alpha", "critical")
        others = [await harness.fire("HighLatency", "beta", "warning"), await harness.fire("Down", "gamma")]
        late = await harness.fire("HighLatency", "alpha", "warning")
        async with harness.pool.connection() as connection:
            claims = await incidents.claim(connection, 2, 60.0, besides=())
            assert {claim.incident for claim in claims} == {first.id, late.id}
            assert {claim.bot for claim in claims} == {"alpha"}
            assert await incidents.claim(connection, 10, 60.0, besides=("beta", "gamma")) == []
            due = await incidents.next_due(connection, besides=("beta", "gamma"))
            assert due is not None
            assert due > 0, "what is looked at keeps nobody awake"
            claims = await incidents.claim(connection, 10, 60.0)
            assert {claim.incident for claim in claims} == {other.id for other in others}

    play(scenario, work=False)


def test_an_incident_woken_during_its_check_is_checked_again(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        async with harness.pool.connection() as connection:
            [claim] = await incidents.claim(connection, 10, lease=60.0)
            await incidents.wake(connection, [incident.id])
            await incidents.schedule(connection, [DueUpdate(claim, None, "it waits for a person")])
            assert len(await incidents.claim(connection, 10, lease=60.0)) == 1

    play(scenario, work=False)


async def _nothing_sent(connection: Connection, step: int) -> None:
    letter = Delivery("webhook", "https://x.example", step=step)
    await deliveries.write(connection, [letter])
    await connection.execute("UPDATE deliveries SET state = 'failed'")


WAKES: dict[str, Callable[[Connection, int, int], Awaitable[object]]] = {
    "wake": lambda connection, incident, step: incidents.wake(connection, [incident]),
    "wake_all": lambda connection, incident, step: incidents.wake_all(connection),
    "write": lambda connection, incident, step: deliveries.write(connection, [Delivery("sms", "+1")]),
    "send_again": lambda connection, incident, step: deliveries.send_again(connection, "webhook", 1),
    "plan": lambda connection, incident, step: escalation_steps.plan(
        connection, [(incident, 7, Step("climb", 1, 0.0, "why"))]
    ),
    "pass_on": lambda connection, incident, step: escalation_steps.pass_on(connection, step, "why"),
    "reconsider": lambda connection, incident, step: escalation_steps.reconsider(connection),
    "tell_again": lambda connection, incident, step: escalation_steps.tell_again(connection, step, 1.0),
}


@pytest.mark.parametrize("name", WAKES)
def test_a_commit_that_makes_a_row_due_wakes_all_engines(name: str, play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        [(step,)] = await harness.rows("SELECT min(id) FROM escalation_steps")
        async with harness.pool.transaction() as connection:
            await _nothing_sent(connection, step)
        async with await psycopg.AsyncConnection.connect(harness.pool.address, autocommit=True) as listener:
            await listener.execute(f"LISTEN {CHANNEL}".encode())
            async with harness.pool.transaction() as connection:
                await WAKES[name](connection, incident.id, step)
                assert not await _heard(listener, within=0.1)
            assert await _heard(listener, within=5.0)

    play(scenario, work=False)


async def _heard(listener: psycopg.AsyncConnection[object], within: float) -> bool:
    async for _ in listener.notifies(timeout=within, stop_after=1):
        return True
    await asyncio.sleep(0)
    return False
