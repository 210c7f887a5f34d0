"""One person gets one step once, whatever their roles; the time to the first answer is counted."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Harness, Mailbox, until
from webhook_actions.actions import load_actions
from webhook_actions.store import incidents
from webhook_actions.store.audit import Caller
from webhook_actions.web.commands import Commands

SOON = 1.5  # seconds after which due rows must be done
ONE = "+15550000010"
OWNER: dict[str, Any] = {"contacts": {"administrator": {"email": [], "phone": []}}}
FAR = {"escalate": "2h"}
HOUR = timedelta(hours=1)


async def give_up(harness: Harness, word: str, why: str, *, tried: bool) -> None:
    incident = await harness.fire(word)
    await harness.said(incident, "told", "by Alertmanager")
    async with harness.pool.transaction() as connection:
        await harness.escalation.gave_up(connection, incident, why, tried)
    await harness.said(incident, "escalated", why)


def test_who_got_the_first_notice_gets_no_second_mail_about_spent_actions(
    play: Play, mailbox: Mailbox
) -> None:
    async def scenario(harness: Harness) -> None:
        await give_up(harness, "CrashLooping", "this alert has no action", tried=False)
        await asyncio.sleep(SOON)

    play(scenario, **OWNER, alerts={"CrashLooping": FAR})
    assert mailbox.to() == [], "Alertmanager has written to the only address that there is"


def test_spent_attempts_are_news_to_who_got_the_first_notice(play: Play, mailbox: Mailbox) -> None:
    async def scenario(harness: Harness) -> None:
        await give_up(harness, "LoopHung", "restart_bot: 3 attempts spent", tried=True)

        async def mailed() -> bool:
            return bool(mailbox.mails)

        await until(mailed, what="the mail")

    play(scenario, **OWNER, alerts={"LoopHung": FAR})
    assert mailbox.to() == ["owner@example.org"]


def test_one_number_is_called_once_where_one_person_stands_in_for_two_roles(play: Play, fakes: Fakes) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("CriticalLoss")
        await harness.said(incident, "told", "administrator over phone")
        assert "already notified" in await harness.said(incident, "escalated", "to risk_manager")
        await asyncio.sleep(SOON)

    both = {name: {"phone": [ONE]} for name in ("administrator", "risk_manager")}
    slow = {"critical_loss": {"again_after": "2h"}}
    play(scenario, speed=60, contacts=both, alerts={"CriticalLoss": FAR}, escalation=slow)
    assert fakes.to("phone").count(ONE) == 1


def test_spent_attempts_notify_the_person_on_call_if_a_rota_is_first(play: Play, mailbox: Mailbox) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("LoopHung")
        await harness.give_up(incident, "restart_bot: 3 attempts spent")
        assert "to technical_lead over email" in await harness.said(incident, "escalated", "3 attempts")

    today = datetime.now(UTC).date()
    desk = {"start": (today - timedelta(days=10)).isoformat(), "handover": "00:00", "timezone": "UTC"}
    rotas = {"desk": desk | {"contacts": ["manager", "technical_lead"]}}
    play(scenario, alerts={"LoopHung": FAR}, escalation={"rotas": rotas, "first": "desk"})
    assert set(mailbox.to()) == {"lead@example.org"}


def test_the_first_answer_is_counted_against_what_respond_asks_for(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        quick, slow, alone = [await harness.fire("LoopHung", bot) for bot in ("alpha", "beta", "gamma")]
        slow, alone = (replace(one, opened_at=one.opened_at - HOUR) for one in (slow, alone))
        await harness.acknowledge(quick)
        await harness.acknowledge(quick, by="ben")
        async with harness.pool.transaction() as connection:
            assert await harness.escalation.snoozed(connection, slow, "anna", datetime.now(UTC) + HOUR)
        await harness.close(alone)
        counted = {
            outcome: harness.metric("nightdesk_responses_total", severity="critical", outcome=outcome)
            for outcome in ("within", "late", "never")
        }
        assert counted == {"within": 1, "late": 1, "never": 1}
        assert harness.metric("nightdesk_response_seconds_count", severity="critical") == 2

    play(scenario, speed=1, work=False, severities={"critical": {"respond": "5m"}})


def test_an_action_that_a_person_asks_for_is_an_answer_too_and_only_the_first_counts(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        commands = Commands(harness.settings, harness.pool, harness.escalation, load_actions())
        incident = await harness.fire("LoopHung", "alpha")
        await commands.run(Caller("anna", "10.0.0.1"), incident.id, "check_network", "")
        assert harness.metric("nightdesk_responses_total", severity="critical", outcome="within") == 1
        [(at,)] = await harness.rows("SELECT responded_at FROM incidents WHERE id = %s", incident.id)
        await harness.acknowledge(incident)
        await commands.run(Caller("ben", "10.0.0.2"), incident.id, "check_network", "")
        assert await harness.rows("SELECT responded_at FROM incidents WHERE id = %s", incident.id) == [(at,)]
        assert harness.metric("nightdesk_response_seconds_count", severity="critical") == 1

    play(scenario, speed=1, work=False, severities={"critical": {"respond": "5m"}})


def test_what_was_answered_by_an_action_alone_is_not_counted_as_never_answered(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        commands = Commands(harness.settings, harness.pool, harness.escalation, load_actions())
        incident = await harness.fire("LoopHung", "alpha")
        await commands.run(Caller("anna", "10.0.0.1"), incident.id, "check_network", "")
        async with harness.pool.transaction() as connection:
            closed = await incidents.close(connection, incident.id, "proven")
            assert closed
            long_ago = replace(closed, opened_at=closed.opened_at - HOUR)
            await harness.escalation.closed(connection, long_ago)
        assert harness.metric("nightdesk_responses_total", severity="critical", outcome="never") == 0

    play(scenario, speed=1, work=False, severities={"critical": {"respond": "5m"}})


def test_a_drill_counts_in_no_response_time(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("LoopHung", "alpha")
        await harness.rows('UPDATE incidents SET labels = labels || \'{"drill": "7"}\' RETURNING id')
        async with harness.pool.connection() as connection:
            drilled = await incidents.incident(connection, incident.id)
        assert drilled
        await harness.acknowledge(drilled)
        assert harness.metric("nightdesk_response_seconds_count", severity="critical") == 0

    play(scenario, work=False, alerts={"LoopHung": FAR})


def test_open_incidents_are_counted_by_who_has_them(play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        fired = [await harness.fire("LoopHung", bot) for bot in ("alpha", "beta", "gamma")]
        held, snoozed, _ = fired
        await harness.acknowledge(held, by="anna")
        async with harness.pool.transaction() as connection:
            late = datetime.now(UTC) - HOUR
            assert await harness.escalation.snoozed(connection, snoozed, "ben", late)
        async with harness.pool.connection() as connection:
            await harness.metrics.look(connection)
        assert {
            (bot, by): harness.metric("nightdesk_incidents_open", bot=bot, acknowledged_by=by)
            for bot, by in (("alpha", "anna"), ("alpha", ""), ("beta", "ben"), ("beta", ""), ("gamma", ""))
        } == {
            ("alpha", "anna"): 1,
            ("alpha", ""): 0,
            ("beta", "ben"): 0,  # a snooze that has ended no longer holds
            ("beta", ""): 1,
            ("gamma", ""): 1,
        }

    play(scenario, speed=1, work=False)


def test_the_end_of_the_watch_over_a_bot_is_told_although_people_know_that_an_action_failed(
    play: Play,
) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        async with harness.pool.transaction() as connection:
            escalation = harness.escalation
            await escalation.target_not_reached(connection, incident, "restart_bot", "it stays so", None)
            await escalation.no_longer_watched(connection, incident, "nobody manages its positions")
        told = await harness.rows("SELECT why FROM escalation_steps WHERE rule ~ '^insist' ORDER BY id")
        assert [why for (why,) in told] == [
            "restart_bot has not reached its target: it stays so",
            "nobody manages its positions",
        ]

    play(scenario, work=False)
