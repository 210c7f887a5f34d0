"""One person hears of one moment once, whatever roles are theirs; how soon somebody answered is counted."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.world import Mailbox, World, until

SOON = 1.5  # seconds in which what is due at once has happened
ONE = "+15550000010"
OWNER: dict[str, Any] = {"contacts": {"administrator": {"email": [], "phone": []}}}
FAR = {"escalate": "2h"}


async def give_up(world: World, word: str, why: str, *, tried: bool) -> None:
    incident = await world.fire(word)
    await world.said(incident, "told", "by Alertmanager")
    async with world.pool.transaction() as connection:
        await world.escalation.gave_up(connection, incident, why, tried)
    await world.said(incident, "escalated", why)


def test_whoever_heard_of_the_opening_gets_no_second_mail_that_no_action_helps(
    play: Play, mailbox: Mailbox
) -> None:
    async def scene(world: World) -> None:
        await give_up(world, "CrashLooping", "no action helps against this alert", tried=False)
        await asyncio.sleep(SOON)

    play(scene, **OWNER, alerts={"CrashLooping": FAR})
    assert mailbox.to() == [], "Alertmanager has written to the only address that there is"


def test_that_attempts_are_spent_is_news_to_whoever_heard_of_the_opening(
    play: Play, mailbox: Mailbox
) -> None:
    async def scene(world: World) -> None:
        await give_up(world, "LoopHung", "restart_bot: 3 attempts spent", tried=True)

        async def mailed() -> bool:
            return bool(mailbox.mails)

        await until(mailed, what="the mail")

    play(scene, **OWNER, alerts={"LoopHung": FAR})
    assert mailbox.to() == ["owner@example.org"]


def test_one_number_is_called_once_where_one_person_stands_in_for_two_roles(play: Play, fakes: Fakes) -> None:
    async def scene(world: World) -> None:
        incident = await world.fire("CriticalLoss")
        await world.said(incident, "told", "administrator over phone")
        assert "who has been told already" in await world.said(incident, "escalated", "to risk_manager")
        await asyncio.sleep(SOON)

    both = {name: {"phone": [ONE]} for name in ("administrator", "risk_manager")}
    slow = {"critical_loss": {"again_after": "2h"}}
    play(scene, speed=60, contacts=both, alerts={"CriticalLoss": FAR}, escalation=slow)
    assert fakes.to("phone").count(ONE) == 1


def test_spent_attempts_are_told_to_whose_turn_it_is_where_a_rota_is_first(
    play: Play, mailbox: Mailbox
) -> None:
    async def scene(world: World) -> None:
        incident = await world.fire("LoopHung")
        await world.give_up(incident, "restart_bot: 3 attempts spent")
        assert "to technical_lead over email" in await world.said(incident, "escalated", "3 attempts")

    today = datetime.now(UTC).date()
    desk = {"start": (today - timedelta(days=10)).isoformat(), "handover": "00:00", "timezone": "UTC"}
    rotas = {"desk": desk | {"contacts": ["manager", "technical_lead"]}}
    play(scene, alerts={"LoopHung": FAR}, escalation={"rotas": rotas, "first": "desk"})
    assert set(mailbox.to()) == {"lead@example.org"}


def test_the_first_answer_is_counted_against_what_respond_asks_for(play: Play) -> None:
    async def scene(world: World) -> None:
        quick, slow, alone = [await world.fire("LoopHung", bot) for bot in ("alpha", "beta", "gamma")]
        await world.acknowledge(quick)
        await world.acknowledge(quick, by="ben")
        await asyncio.sleep(0.7)  # longer than respond: 5m at this speed are half a second
        async with world.pool.transaction() as connection:
            until_then = datetime.now(UTC) + timedelta(hours=1)
            assert await world.escalation.snoozed(connection, slow, "anna", until_then)
        await world.close(alone)
        counted = {
            outcome: world.metric("nightdesk_responses_total", severity="critical", outcome=outcome)
            for outcome in ("within", "late", "never")
        }
        assert counted == {"within": 1, "late": 1, "never": 1}
        assert world.metric("nightdesk_response_seconds_count", severity="critical") == 2

    play(scene, alerts={"LoopHung": FAR}, severities={"critical": {"respond": "5m"}})
