"""Who is called hears at once of all that would reach them soon, and of all that they have not answered."""

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.world import World

ADMIN, MANAGER = "+15550000010", "+15550000020"
APART = {"Down": {"escalate": "10m"}, "HighDrawdown": {"escalate": "20m"}, "LossLimit": {"escalate": "2h"}}
ONE_LEVEL = {"levels": [{"contact": "manager", "channels": ["phone", "sms"]}], "no_response": "30m"}


def to(fakes: Fakes, service: str, whom: str) -> list[str]:
    return [got.text for got in fakes.got if (got.service, got.to) == (service, whom)]


def test_who_is_called_about_one_incident_hears_of_those_that_would_have_reached_them_soon(
    play: Play, fakes: Fakes
) -> None:
    async def scene(world: World) -> None:
        [down] = await world.fires("Down", "alpha")
        [drawdown] = await world.fires("HighDrawdown", "beta")
        [loss] = await world.fires("LossLimit", "gamma")
        for one in (down, drawdown):
            await world.said(one, "told", "manager over phone")
        assert "told with others" in await world.said(drawdown, "escalated", "to manager")
        assert await world.timeline(loss, "escalated") == [], "it is not due for a long time"
        rows = await world.rows("SELECT level FROM escalation_steps WHERE incident = %s", drawdown.id)
        assert sorted(rows) == [(0,), (1,), (2,)], "it goes on from there"

    play(scene, alerts=APART, escalation=ONE_LEVEL)
    for service in ("phone", "sms"):
        [text] = to(fakes, service, MANAGER)
        assert "Down of alpha" in text
        assert "HighDrawdown of beta" in text


def test_nobody_hears_early_of_what_is_answered_or_of_a_drill(play: Play, fakes: Fakes) -> None:
    async def scene(world: World) -> None:
        answered, drilled = await world.fires("HighDrawdown", "beta", "gamma")
        await world.acknowledge(answered)
        marked = 'UPDATE incidents SET labels = labels || \'{"drill": "1"}\' WHERE id = %s RETURNING id'
        await world.rows(marked, drilled.id)
        down = await world.fire("Down")
        await world.said(down, "told", "manager over phone")
        await world.said(down, "told", "manager over sms")
        assert await world.timeline(answered, "escalated") == []
        assert await world.timeline(drilled, "escalated") == []

    play(scene, alerts=APART, escalation=ONE_LEVEL)
    [text] = to(fakes, "phone", MANAGER)
    assert "beta" not in text
    assert "gamma" not in text


def test_a_message_that_insists_carries_what_its_address_was_told_of_and_nobody_has_answered(
    play: Play, fakes: Fakes
) -> None:
    async def scene(world: World) -> None:
        [drawdown] = await world.fires("HighDrawdown", "beta")
        [answered] = await world.fires("HighDrawdown", "delta")
        for one in (drawdown, answered):
            await world.said(one, "told", "administrator over sms")
        await world.acknowledge(answered)
        [down] = await world.fires("Down", "alpha")
        await world.said(down, "told", "emergency_contact over phone")

    alone = {"Down": {"escalate": "2h"}, "HighDrawdown": {"escalate": "2h"}}
    play(
        scene,
        alerts=alone,
        contacts={"emergency_contact": {"phone": [ADMIN]}},
        escalation={"system_down": {"after": "10m"}},
    )
    [called] = to(fakes, "phone", ADMIN)
    assert called.index("Down of alpha") < called.index("HighDrawdown of beta")
    assert "delta" not in called
    assert all("beta" not in text for text in to(fakes, "sms", ADMIN)[1:]), "it had been told by SMS"
