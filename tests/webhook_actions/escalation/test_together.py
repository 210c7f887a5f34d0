"""One call tells a person everything that is due soon, and all that they have not answered."""

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Harness

ADMIN, MANAGER = "+15550000010", "+15550000020"
APART = {"Down": {"escalate": "10m"}, "HighDrawdown": {"escalate": "20m"}, "LossLimit": {"escalate": "2h"}}
ONE_LEVEL = {"levels": [{"contact": "manager", "channels": ["phone", "sms"]}], "no_response": "30m"}


def to(fakes: Fakes, service: str, whom: str) -> list[str]:
    return [got.text for got in fakes.got if (got.service, got.to) == (service, whom)]


def test_who_is_called_about_one_incident_hears_of_those_that_would_have_reached_them_soon(
    play: Play, fakes: Fakes
) -> None:
    async def scenario(harness: Harness) -> None:
        [down] = await harness.fires("Down", "alpha")
        [drawdown] = await harness.fires("HighDrawdown", "beta")
        [loss] = await harness.fires("LossLimit", "gamma")
        for one in (down, drawdown):
            await harness.said(one, "told", "manager over phone")
        assert "included in the message" in await harness.said(drawdown, "escalated", "to manager")
        assert await harness.timeline(loss, "escalated") == [], "it is not due for a long time"
        rows = await harness.rows("SELECT level FROM escalation_steps WHERE incident = %s", drawdown.id)
        assert sorted(rows) == [(0,), (1,), (2,)], "it goes on from there"

    play(scenario, alerts=APART, escalation=ONE_LEVEL)
    for service in ("phone", "sms"):
        [text] = to(fakes, service, MANAGER)
        assert "Down of alpha" in text
        assert "HighDrawdown of beta" in text


def test_answered_incidents_and_drills_are_not_sent_early(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        answered, drilled = await harness.fires("HighDrawdown", "beta", "gamma")
        await harness.acknowledge(answered)
        marked = 'UPDATE incidents SET labels = labels || \'{"drill": "1"}\' WHERE id = %s RETURNING id'
        await harness.rows(marked, drilled.id)
        down = await harness.fire("Down")
        await harness.said(down, "told", "manager over phone")
        await harness.said(down, "told", "manager over sms")
        assert await harness.timeline(answered, "escalated") == []
        assert await harness.timeline(drilled, "escalated") == []

    play(scenario, alerts=APART, escalation=ONE_LEVEL)
    [text] = to(fakes, "phone", MANAGER)
    assert "beta" not in text
    assert "gamma" not in text


def test_a_message_that_insists_carries_what_its_address_was_told_of_and_nobody_has_answered(
    play: Play, fakes: Fakes
) -> None:
    async def scenario(harness: Harness) -> None:
        [drawdown] = await harness.fires("HighDrawdown", "beta")
        [answered] = await harness.fires("HighDrawdown", "delta")
        for one in (drawdown, answered):
            await harness.said(one, "told", "administrator over sms")
        await harness.acknowledge(answered)
        [down] = await harness.fires("Down", "alpha")
        await harness.said(down, "told", "emergency_contact over phone")

    alone = {"Down": {"escalate": "2h"}, "HighDrawdown": {"escalate": "2h"}}
    play(
        scenario,
        alerts=alone,
        contacts={"emergency_contact": {"phone": [ADMIN]}},
        escalation={"system_down": {"after": "10m"}},
    )
    [called] = to(fakes, "phone", ADMIN)
    assert called.index("Down of alpha") < called.index("HighDrawdown of beta")
    assert "delta" not in called
    assert all("beta" not in text for text in to(fakes, "sms", ADMIN)[1:]), "it had been told by SMS"
